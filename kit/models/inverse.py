"""Learns how columns look for each y, and reads y back by Bayes: what is said holds for any declared distribution of y.

Other learners learn y given x, and with it how often each y occurs among the learning rows. This one learns x given y:
normal columns whose means are a polynomial of y, with one covariance. Rows picked by their y (95 % of them high) do
not bend that. So it suits skewed labels and few columns that each say something of y: likenesses, ratios, counts.

Source: inverse regression (Cook, Fisher lecture: Dimension reduction in regression, Statistical Science 22(1), 2007,
the principal fitted components model); prior shift as in Saerens, Latinne and Decaestecker, 2002.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit._mlp.params import Density
from kit.contracts import Run
from kit.models._boosting import learning
from kit.models._matrix import Encoder
from kit.params import Tune
from kit.types import Bools, Design, Floats, Floats32, Ints, Objective, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "gaussian")
STEPS = ""
STEP_GROWS = False
DATA_PARAMS: tuple[str, ...] = ("levels",)
DEVICES: tuple[str, ...] = ("cpu",)
COST = 0.1

FAR = 8.0
"""Standard deviations at which a column is cut off: one wild value must not speak alone."""

LEAST = 1e-4
"""Share of a column's variance that y is never believed to explain; share of the range below which no std falls."""

ROWS = 2**15
"""Rows predicted at a time: 25 MiB for 100 values of y."""

STEPS_OF_EM = 20
"""Steps by which missing numbers are filled in where there are any."""


class Params(base.Params):
    """Normal columns given y, read back by Bayes. Categories move the means; what is missing says nothing."""

    degree: Annotated[int, Field(ge=1, le=8), Tune(1, 4)] = 2
    """Of the polynomial of y that the mean of each column follows."""

    shrink: Annotated[float, Field(ge=0, le=1), Tune(0.001, 1.0, log=True)] = 0.05
    """How far the covariances of the columns given y are drawn to 0; 1 = each column speaks for itself, as if the
    others had not spoken (naive Bayes)."""

    density: Literal["rows", "uniform"] | Density = "rows"
    """The distribution of y to predict for: that of the learning rows by their weights; every value between their least
    and greatest y alike; or {edges, shares}, in units of y as the learner sees it."""

    drawn: Annotated[float, Field(ge=0)] = 5.0
    """Rows of a level at which half of its effect on the means of the columns is believed."""

    levels: Annotated[int, Field(ge=1)] = 100
    """Levels of a category that have an effect, the most frequent ones."""

    points: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Values of y that are weighed against each other."""


@dataclass(frozen=True)
class Data:
    """Encoded learning rows: seen (n, d) numbers, NaN = missing; given (n, c) levels; y and w (n,)."""

    encoder: Encoder
    seen: Floats
    given: Floats
    y: Floats
    w: Floats
    n_columns: int


@dataclass(frozen=True, eq=False)
class Inverse:
    """What was learnt.

    Shape:
        grid: (g,) values of y. means: (g, d) of the d numeric columns at each. effects: (c, d) of levels.
        cov: (d, d) covariance of the columns given y. log_prior: (g,) of the declared distribution.
    """

    encoder: Encoder
    grid: Floats
    means: Floats
    effects: Floats
    cov: Floats
    log_prior: Floats
    n_columns: int
    median: bool
    best_step: int = 0

    @property
    def curve(self) -> Floats:
        """Empty: there are no steps."""
        return np.empty(0)

    def predict(self, design: Design) -> Pred:
        """Return mean (the median where absolute errors count) and std of y given the columns."""
        x = design.matrix("F")
        mean, std = np.empty(len(x)), np.empty(len(x))
        for part in (slice(lo, lo + ROWS) for lo in range(0, len(x), ROWS)):
            share = self.shares(x[part])
            middle = (share * self.grid).sum(axis=1)
            std[part] = np.sqrt((share * (self.grid - middle[:, None]) ** 2).sum(axis=1))
            half = (np.cumsum(share, axis=1) < 0.5).sum(axis=1).clip(0, len(self.grid) - 1)
            mean[part] = self.grid[half] if self.median else middle
        floor = max(LEAST * float(np.ptp(self.grid)), float(np.finfo(np.float32).tiny))
        return Pred(mean[:, None].astype(np.float32), np.maximum(std, floor).astype(np.float32))

    def shares(self, x: Floats32) -> Floats:
        """Return (n, g), how likely each value of y is for rows x (n, columns)."""
        seen, given = _parts(self.encoder, x)
        log = np.tile(self.log_prior, (len(x), 1))
        with _one_thread():
            rest = seen - given @ self.effects
            for rows, there in _patterns(seen):
                means = self.means[:, there]
                known = means @ np.linalg.inv(self.cov[np.ix_(there, there)])
                log[rows] += rest[np.ix_(rows, there)] @ known.T - (known * means).sum(axis=1) / 2
        log -= log.max(axis=1, keepdims=True)
        share = np.exp(log)
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    def importance(self) -> Floats | None:
        """Return (columns,) the variance of each column's mean over the grid, in units of its variance given y."""
        signal = self.means.var(axis=0) / np.diag(self.cov)
        return np.bincount(self.encoder.numeric, signal, self.n_columns).astype(np.float64)

    def save(self, folder: Path) -> None:
        """Write the arrays as .npz, the rest as JSON."""
        self.encoder.save(folder / "encoder.npz")
        np.savez(folder / "inverse.npz", **{name: getattr(self, name) for name in ARRAYS})
        meta = {"n_columns": self.n_columns, "median": self.median}
        (folder / "meta.json").write_text(json.dumps(meta), "utf-8")


ARRAYS = ("grid", "means", "effects", "cov", "log_prior")


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the encoded learning rows. Stop rows are left alone: nothing here stops on them."""
    rows = learning(train, "F")
    encoder = Encoder.learn(rows.x, train.categories, "standard", params.levels)
    seen, given = _parts(encoder, rows.x)
    return Data(encoder, seen, given, rows.y, rows.weight / rows.weight.mean(), train.n_columns)


def fit(params: Params, task: Task, data: Data, run: Run) -> Inverse:
    """Return means and covariance of the columns given y, by weighted least squares."""
    grid, prior = _distribution(params, data.y, data.w)
    low, high = float(min(grid[0], data.y.min())), float(max(grid[-1], data.y.max()))
    terms = np.column_stack([_powers(data.y, low, high, params.degree), data.given])
    drawn = np.where(np.arange(terms.shape[1]) <= params.degree, LEAST, params.drawn)
    with _one_thread():
        found, cov = _regressed(data, terms, drawn, params.shrink)
        means = _powers(grid, low, high, params.degree) @ found[: params.degree + 1]
    log_prior = np.log(np.maximum(prior, np.finfo(float).tiny))
    median = task.objective == "absolute"
    effects = found[params.degree + 1 :]
    return Inverse(data.encoder, grid, means, effects, cov, log_prior, data.n_columns, median)


def load(folder: Path) -> Inverse:
    """Return the model that `save` wrote."""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    with np.load(folder / "inverse.npz", allow_pickle=False) as kept:
        arrays = {name: kept[name] for name in ARRAYS}
    return Inverse(Encoder.load(folder / "encoder.npz"), **arrays, **meta)


def _regressed(data: Data, terms: Floats, drawn: Floats, shrink: float) -> tuple[Floats, Floats]:
    """Return coefficients (terms, d) and covariance (d, d) of the numbers given the terms (n, terms).

    Missing numbers are filled in by what the others say of them, and fitted again, with what stays unsure of them.
    Source: Dempster, Laird and Rubin, Maximum likelihood from incomplete data via the EM algorithm, JRSS B 39(1), 1977.
    """
    w, total = data.w[:, None], data.w.sum()
    weighted = terms * w
    hat = np.linalg.solve(weighted.T @ terms + np.diag(drawn), weighted.T)
    patterns = _patterns(data.seen)
    gaps = any(not there.all() for _, there in patterns)
    filled, unsure = np.where(np.isnan(data.seen), 0.0, data.seen), np.zeros((data.seen.shape[1],) * 2)
    for _ in range(STEPS_OF_EM if gaps else 1):
        found = hat @ filled
        rest = filled - terms @ found
        cov = ((rest * w).T @ rest + unsure) / total
        cov = (1 - shrink) * cov + np.diag(shrink * np.diag(cov) + LEAST)
        unsure = np.zeros_like(cov)
        for rows, there in patterns if gaps else ():
            seen, gone = np.ix_(there, there), np.ix_(~there, there)
            by = np.linalg.solve(cov[seen], cov[gone].T)
            filled[np.ix_(rows, ~there)] = (terms[rows] @ found)[:, ~there] + rest[np.ix_(rows, there)] @ by
            unsure[np.ix_(~there, ~there)] += data.w[rows].sum() * (cov[np.ix_(~there, ~there)] - cov[gone] @ by)
    return np.asarray(found, np.float64), np.asarray(cov, np.float64)


def _patterns(seen: Floats) -> list[tuple[Ints, Bools]]:
    """Return the rows that miss the same numbers, and (d,) which they have."""
    there, of = np.unique(~np.isnan(seen), axis=0, return_inverse=True)
    return [(np.flatnonzero(of.reshape(-1) == i), pattern) for i, pattern in enumerate(there)]


def _parts(encoder: Encoder, x: Floats32) -> tuple[Floats, Floats]:
    """Return the numbers (n, d), cut off far out, NaN = missing, and the levels (n, c) of a matrix x."""
    encoded, n_numeric = encoder(x), len(encoder.numeric)
    seen = np.clip(encoded[:, :n_numeric], -FAR, FAR)
    seen[np.isnan(x[:, encoder.numeric])] = np.nan
    return seen, encoded[:, n_numeric + len(encoder.flagged) :]


def _powers(y: Floats, low: float, high: float, degree: int) -> Floats:
    """Return (n, degree + 1) the powers of y moved to -1 .. 1."""
    middle, half = (low + high) / 2, (high - low) / 2 or 1.0
    return np.asarray(((y - middle) / half)[:, None] ** np.arange(degree + 1))


def _distribution(params: Params, y: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Return the grid (g,) of y and the declared share (g,) at each of its points."""
    if isinstance(params.density, Density):
        edges, shares = np.array(params.density.edges), np.array(params.density.shares)
        grid = _middles(float(edges[0]), float(edges[-1]), params.points)
        at = np.searchsorted(edges, grid, side="right") - 1
        prior = (shares / np.diff(edges))[np.clip(at, 0, len(shares) - 1)]
        return grid, prior / prior.sum()
    grid = _middles(float(y.min()), float(y.max()), params.points)
    if params.density == "uniform":
        return grid, np.full(len(grid), 1 / len(grid))
    # A histogram smoothed by the normal rule of thumb, for the effective number of rows.
    spread = float(np.sqrt(np.cov(y, aweights=w))) if len(y) > 1 else 0.0
    width = max(1.06 * spread * (w.sum() ** 2 / (w**2).sum()) ** -0.2, float(np.ptp(grid)) / len(grid), 1e-300)
    near = np.exp(-0.5 * ((grid[:, None] - grid) / width) ** 2)
    place = np.clip(np.searchsorted(grid, y) - 1, 0, len(grid) - 1)
    prior = near @ np.bincount(place, w, len(grid))
    return grid, prior / prior.sum()


def _middles(low: float, high: float, points: int) -> Floats:
    """Return the middles of `points` equal parts of the range."""
    return low + (high - low) * (np.arange(points) + 0.5) / points


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold BLAS to one thread: with more it sums in another order."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield
