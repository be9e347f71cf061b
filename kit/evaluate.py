"""A declared test distribution of the target: what each training row counts in scoring so that the rows look like it.

Bins b hold shares p_b of the training rows and are declared to hold q_b of the test rows; a row of bin b then counts
q_b / p_b. Source: post-stratification; estimating q: Saerens, Latinne and Decaestecker, Neural Computation 14, 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from kit import em, tilt
from kit.bins import step_edges, steps_of
from kit.errors import DataError
from kit.oof import Oof
from kit.types import Bools, Floats, Ints, Pred, Rows, Task, labelled

LEAST_ROWS = 20
"""Bins with fewer training rows are joined with a neighbour: their mean loss would say nothing."""

LEAST_EFFECTIVE = 100
"""Effective stop rows under a declared distribution, below which a fit takes its steps as the params say."""

MOST_STEPS = 1000
"""A target of more equal steps is one of any numbers."""

By = Literal["sigma", "counts", "both"]
Was = Literal["rows", "uniform"]
"""What a model predicts for: the training rows' distribution of y, or every value alike."""

COLLAPSED = 0.25
"""A model whose predictions spread less than this share of what its errors leave is of no use for an estimate."""

LEAST_SPREAD = 0.1
"""The same of probabilities, in standard deviations of whether rows are of the class."""


@dataclass(frozen=True)
class Bins:
    """Bins of the target: `edges` (B + 1,) of a regression, None for classes (one bin each); `of` (n,) bin per row."""

    edges: Floats | None
    of: Ints

    def __len__(self) -> int:
        return int(self.of.max()) + 1 if self.edges is None else len(self.edges) - 1


@dataclass(frozen=True)
class Declared:
    """Bins with their training and declared shares (B,), and the factor (n,) of each training row."""

    bins: Bins
    train: Floats
    test: Floats
    ratio: Floats


@dataclass(frozen=True)
class Wanted:
    """A test distribution to be stood for: `shares` (B,) of bins between `edges` (B + 1,), or of classes (no edges).

    Without shares all values are alike: `n_bins` bins of equal width, or classes.
    """

    n_bins: int
    edges: Floats | None = None
    shares: Floats | None = None

    def of(self, task: Task, y: Floats, w: Floats) -> tuple[Bins, Floats]:
        """Return the bins of the rows of y (n,) and the shares (B,) they are to have; w (n,) as for `regular`."""
        bins = regular(task, y, self.n_bins, w) if self.edges is None else between(y, self.edges)
        even = np.ones(len(task.classes)) if bins.edges is None else uniform(bins, y[w > 0])
        return bins, even if self.shares is None else self.shares


def factors(wanted: Wanted, task: Task, rows: Rows) -> Floats:
    """Return (n,) what each row counts so that the rows, weighted by v, are distributed as wanted."""
    return declared(*wanted.of(task, labelled(rows), rows.v), rows.v).ratio


def declared(bins: Bins, test: Floats, w: Floats) -> Declared:
    """Return the factors for declared shares `test` (B,) under row weights w (n,); bins too small are joined first."""
    bins, test = _joined(bins, test, w > 0)
    train = np.bincount(bins.of, w, len(test)) / w.sum()
    test = test / test.sum()
    return Declared(bins, train, test, (test / np.maximum(train, 1e-300))[bins.of])


def regular(task: Task, y: Floats, n_bins: int, w: Floats | None = None) -> Bins:
    """Return bins of equal width over the range of y (n,), or one per class, or one per step of a target (ratings).

    Up to twice as many steps as `n_bins` have bins of their own, with themselves in the middle: what a model says of
    0 .. 10 is spread around the whole numbers, and half of it would lie beside a bin that begins at one. Rows of weight
    w (n,) 0, such as `data.extra`, are never scored and widen no range.
    """
    if task.kind != "regression":
        return Bins(None, y.astype(np.int64))
    seen = y if w is None else y[w > 0]
    edges = step_edges(seen, n_bins)
    return between(y, np.linspace(seen.min(), seen.max(), n_bins + 1) if edges is None else edges)


def between(y: Floats, edges: Floats) -> Bins:
    """Return bins between edges (B + 1,), ascending; what lies outside counts to the first or the last."""
    return Bins(edges, np.clip(np.searchsorted(edges, y, side="right") - 1, 0, len(edges) - 2))


def uniform(bins: Bins, y: Floats) -> Floats:
    """Return the shares (B,) of bins of a regression under which every value of y (n,) counts alike.

    They go by width, of a target of steps by the steps a bin may hold: of 0 .. 30 the last of ten bins holds four.
    """
    edges, steps = np.asarray(bins.edges), steps_of(y, MOST_STEPS)
    if steps is None:
        return np.diff(edges)
    return np.bincount(between(steps, edges).of, minlength=len(bins)).astype(np.float64)


def effective(v: Floats) -> float:
    """Return the effective number of rows under weights v (n,): (sum v)^2 / sum v^2."""
    squares = float((v**2).sum())
    return float(v.sum()) ** 2 / squares if squares > 0 else 0.0


@dataclass(frozen=True)
class Estimate:
    """Estimated shares (B,) and how well they explain what the model predicts for test.

    `seen` and `explained` (A,): shares of test predictions per cell, and what training rows of the estimated mix would
    give. `readings` (R, B): the shares it is the mean of, where it is one.
    """

    shares: Floats
    seen: Floats
    explained: Floats
    readings: Floats | None = None

    @property
    def distance(self) -> float:
        """Half the sum of absolute differences, 0 where label shift explains all."""
        return float(np.abs(self.seen - self.explained).sum() / 2)


def estimate(  # noqa: PLR0913 - what is drawn towards comes on top
    task: Task, oof: Oof, bins: Bins, w: Floats, by: By, was: Was = "rows", *, towards: Was = "uniform"
) -> Estimate:
    """Return the shares of the bins among the test rows, by EM over what a model predicts for them.

    `by`: "sigma" takes the likelihood of a bin from the model's own distribution (std, or class probabilities),
    "counts" from how often it predicts what for training rows of the bin, out of fold, "both" is the mean of all four
    readings. `was`: what the model predicts for. `towards`: the shape that shares of ordered bins are smoothed towards,
    a flat one or the training rows'.

    Raises:
        DataError: the model has collapsed, or it has no std.
    """
    rows = oof.scored
    _refuse_collapsed(task, oof, w)
    known, new = oof.pooled(), oof.test_mean()
    if task.kind == "regression" and by != "counts" and new.std is None:
        rule, advice = f"the estimate by {by} needs a model with a std", "name a hetero_mlp, or write by: counts"
        raise DataError(rule, next=advice)
    if by == "both":
        ways: tuple[tuple[By, Was], ...] = (("sigma", was), ("counts", "rows"))
        return _mean([estimate(task, oof, bins, w, *way, towards=shape) for way in ways for shape in get_args(Was)])
    cells = cells_of(task, known, new, rows)
    counts = counts_of(cells[0], bins.of[rows], w[rows], len(bins))
    seen = np.bincount(cells[1], minlength=len(counts)) / len(cells[1])
    train = np.bincount(bins.of, w, len(bins)) / w.sum()
    likelihood = counts[cells[1]]
    if by == "sigma" and was == "uniform":
        likelihood = even(task, new, bins)
    elif by == "sigma":
        likelihood = sigma(task, new, bins) / np.maximum(_held_for_likely(task, known, bins, rows, train), 1e-9)
    start, ordered = _start(was, train, by), task.kind == "regression"
    if towards == "rows":
        shares = em.likeliest(likelihood, em.shape(train), ordered=ordered, towards=em.shape(train))
    else:
        shares = em.likeliest(likelihood, start, ordered=ordered)
    return Estimate(shares, seen, counts @ shares)


def _mean(each: Sequence[Estimate]) -> Estimate:
    """Return the mean of estimates from the same predictions."""
    readings = np.stack([e.shares for e in each])
    return Estimate(readings.mean(axis=0), each[0].seen, np.mean([e.explained for e in each], axis=0), readings)


def by_sigma(task: Task, test: Pred, bins: Bins, w: Floats, was: Was) -> Floats:
    """Return the shares (B,) of the bins among test rows, by EM over one model's own distributions.

    Nothing but the learning rows' bins and weights w (n,) and the model's predictions for test is looked at.
    """
    train = np.bincount(bins.of, w, len(bins)) / w.sum()
    likelihood = even(task, test, bins) if was == "uniform" else sigma(task, test, bins) / np.maximum(train, 1e-9)
    return em.likeliest(likelihood, _start(was, train, "sigma"), ordered=task.kind == "regression")


def _start(was: Was, train: Floats, by: str) -> Floats:
    """Return the shares (B,) to begin with: those the model predicts for."""
    return np.full(len(train), 1 / len(train)) if was == "uniform" and by == "sigma" else train


def even(task: Task, pred: Pred, bins: Bins) -> Floats:
    """Return (n, B): how likely a row is in each bin, by a model that predicts for every value alike."""
    if task.kind != "regression":
        return sigma(task, pred, bins)
    assert bins.edges is not None and pred.std is not None
    at = tilt.grid(float(bins.edges[0]), float(bins.edges[-1]))
    mean, std = pred.mean[:, 0].astype(np.float64), pred.std.astype(np.float64)
    base, first = np.full(len(at), 1 / len(at)), np.searchsorted(at, bins.edges[:-1])
    found = np.empty((len(mean), len(bins)))
    for part in tilt.pieces(len(mean)):
        found[part] = np.add.reduceat(tilt.likelihood(mean[part], std[part], at, base), first, axis=1)
    return np.asarray(found / np.diff(np.append(first, len(at))))


def sigma(task: Task, pred: Pred, bins: Bins) -> Floats:
    """Return (n, B): the probability a model gives to each bin."""
    if task.kind == "binary":
        return np.column_stack([1 - pred.mean[:, 0], pred.mean[:, 0]]).astype(np.float64)
    if task.kind == "multiclass":
        return pred.mean.astype(np.float64)
    from scipy.special import ndtr

    assert bins.edges is not None and pred.std is not None
    edges = np.concatenate([[-np.inf], bins.edges[1:-1], [np.inf]])
    z = (edges - pred.mean.astype(np.float64)) / np.maximum(pred.std[:, None], 1e-9)
    return np.asarray(np.diff(ndtr(z), axis=1))


def _held_for_likely(task: Task, known: Pred, bins: Bins, rows: Any, train: Floats) -> Floats:
    """Return (B,) what the model holds for likely before it sees a row: the mean of what it says of training rows."""
    if task.kind != "regression":
        return train
    std = None if known.std is None else known.std[rows]
    return np.asarray(sigma(task, Pred(known.mean[rows], std), bins).mean(axis=0))


def cells_of(task: Task, known: Pred, new: Pred, rows: Any) -> tuple[Ints, Ints]:
    """Return the cell of each scored training row and of each test row: classes, or bands of the predicted value."""
    if task.kind == "multiclass":
        return known.mean[rows].argmax(axis=1), new.mean.argmax(axis=1)
    both = np.concatenate([known.mean[rows][:, 0], new.mean[:, 0]])
    inner = np.unique(np.quantile(both, np.linspace(0, 1, 16)[1:-1]))
    return np.searchsorted(inner, known.mean[rows][:, 0]), np.searchsorted(inner, new.mean[:, 0])


def counts_of(cell: Ints, bin_: Ints, w: Floats, n_bins: int) -> Floats:
    """Return (A, B): how often a row of bin b is predicted into cell a, one pseudo-row spread over the cells."""
    n_cells = int(cell.max()) + 1
    n_cells = max(n_cells, 15)
    table = np.bincount(cell * n_bins + bin_, w, n_cells * n_bins).reshape(n_cells, n_bins)
    overall = table.sum(axis=1, keepdims=True) / table.sum()
    table += overall * w.mean()
    return np.asarray(table / table.sum(axis=0, keepdims=True))


def _refuse_collapsed(task: Task, oof: Oof, w: Floats) -> None:
    """Raise where a model's predictions say next to nothing of the target."""
    rows = oof.scored
    mean, y = oof.pooled().mean[rows], oof.y[rows]
    if task.kind != "regression":
        # In spreads of what is predicted: a rare class is hardly spread even where it is told apart for sure.
        true = y[:, None] == (np.arange(len(task.classes)) if task.kind == "multiclass" else 1)
        spread, noise = float((mean.std(axis=0) / np.maximum(true.std(axis=0), 1e-9)).max()), LEAST_SPREAD
    else:
        error = y - mean[:, 0]
        spread = float(np.sqrt(np.cov(mean[:, 0], aweights=w[rows])))
        noise = COLLAPSED * float(np.sqrt(np.average(error**2, weights=w[rows])))
    if spread < noise:
        rule, advice = (
            "the named model has collapsed: its predictions hardly differ",
            "name a model that tells rows apart",
        )
        raise DataError(rule, got=f"spread {spread:.3g}", allowed=f"at least {noise:.3g}", next=advice)


def _joined(bins: Bins, test: Floats, counted: Bools) -> tuple[Bins, Floats]:
    """Return bins of at least LEAST_ROWS counted rows, small ones joined with the smaller neighbour; their shares."""
    if bins.edges is None:
        return bins, test
    edges, shares = list(bins.edges), list(test)
    counts = list(np.bincount(bins.of[counted], minlength=len(bins)))
    while len(counts) > 1 and min(counts) < LEAST_ROWS:
        i = int(np.argmin(counts))
        j = i + 1 if i == 0 or (i + 1 < len(counts) and counts[i + 1] < counts[i - 1]) else i - 1
        low = min(i, j)
        counts[low : low + 2] = [counts[i] + counts[j]]
        shares[low : low + 2] = [shares[i] + shares[j]]
        del edges[low + 1]
    index = np.repeat(np.arange(len(counts)), np.diff(np.searchsorted(bins.edges, edges)))
    return Bins(np.array(edges), index[bins.of]), np.array(shares)
