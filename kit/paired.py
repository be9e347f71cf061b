"""Standard errors of scores and of their differences, for any metric: the delete-a-group jackknife."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit import registry
from kit.canon import stream
from kit.errors import DataError
from kit.grouped import Within, blocks_of, unit_in
from kit.rowgroups import codes_of
from kit.types import Floats, Floats32, Ints, Pred, Task

BLOCKS, FEW_BLOCKS, MANY = 200, 50, 30
"""Groups of rows that are left out in turn; fewer for more than MANY predictions. A standard error is then known to a
twentieth or a tenth."""

MOST_ROWS, LEAST_GROUPS = 50_000, 1000
"""Rows looked at for a standard error; beyond, a sample is taken and the variance scaled to all rows. Of groups a
sample is taken whole, or so many: rows left out of a group make its mean no surer, so that only groups scale."""


Said = Floats32 | Pred
"""A prediction of rows: the mean (n, m), or mean and std, which metrics of distributions score together."""


def at(said: Said, rows: np.ndarray | slice) -> Pred:
    """Return a prediction of some of the rows."""
    if not isinstance(said, Pred):
        return Pred(said[rows])
    return Pred(said.mean[rows], None if said.std is None else said.std[rows])


@dataclass(frozen=True)
class Truth:
    """What predictions are scored against: y (n,) as `task` says, scoring weights v (n,), group (n,) or None."""

    task: Task
    metric: str
    y: Floats
    v: Floats
    group: Ints | None = None

    def score(self, said: Said, rows: np.ndarray | slice = slice(None)) -> float:
        """Return the metric on some rows, NaN where it cannot be told (one class only, no std)."""
        try:
            found = registry.metric(self.metric).score(self.task, self.y[rows], at(said, rows), self.v[rows])
        except DataError:
            return float("nan")
        return float(found)

    def at(self, rows: np.ndarray) -> Truth:
        """Return the same for some rows."""
        group = None if self.group is None else self.group[rows]
        return Truth(self.task, self.metric, self.y[rows], self.v[rows], group)


@dataclass(frozen=True)
class Spread:
    """Scores (S,) on all rows and their covariance (S, S), known with `dof` degrees of freedom."""

    scores: Floats
    covariance: Floats
    dof: int

    def of_difference(self, i: int, j: int) -> float:
        """Return the standard error of the difference of scores i and j."""
        c = self.covariance
        return float(np.sqrt(max(0.0, c[i, i] + c[j, j] - 2 * c[i, j])))


@dataclass(frozen=True)
class Jackknife:
    """Scores (S,) on all rows, and (S, B) with one block of rows left out.

    `rows` (r,): those looked at, a `share` of all, of the groups where there are some; `block` (r,): the block of each.
    """

    scores: Floats
    left_out: Floats
    rows: Ints
    block: Ints
    share: float

    def spread(self) -> Spread:
        """Return the scores with their covariance."""
        n_blocks = self.left_out.shape[1]
        centred = self.left_out - self.left_out.mean(axis=1, keepdims=True)
        covariance = (n_blocks - 1) / n_blocks * centred @ centred.T * self.share
        return Spread(self.scores, covariance, n_blocks - 1)


def spread(truth: Truth, preds: Sequence[Said]) -> Spread:
    """Return the scores of predictions of the same rows and the covariance of those scores.

    Source: Kott 2001, The delete-a-group jackknife: cov = (B - 1) / B sum_b (s_b - s)(s_b - s)'.
    """
    return jackknife(truth, preds).spread()


def jackknife(truth: Truth, preds: Sequence[Said]) -> Jackknife:
    """Return the scores of predictions of the same rows, on all and with each block left out.

    The blocks are random rows, or whole groups where the truth has groups, and the same for all predictions, so that
    differences are paired.
    """
    if (within := registry.metric(truth.metric).within) is not None:
        return _over_groups(within, truth, preds)
    n = len(truth.y)
    rng = stream(0, "jackknife")
    rows, share = (np.arange(n), 1.0) if n <= MOST_ROWS else _sample(truth, rng)
    some = truth.at(rows)
    unit = np.arange(len(rows)) if some.group is None else np.unique(some.group, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    n_blocks = min(BLOCKS if len(preds) <= MANY else FEW_BLOCKS, n_units)
    block = (rng.permutation(n_units) % n_blocks)[unit]
    left_out = np.empty((len(preds), n_blocks))
    for s, pred in enumerate(preds):
        seen = at(pred, rows)
        left_out[s] = [some.score(seen, np.flatnonzero(block != b)) for b in range(n_blocks)]
    return Jackknife(np.array([truth.score(p) for p in preds]), left_out, rows, block, share)


def _over_groups(within: Within, truth: Truth, preds: Sequence[Said]) -> Jackknife:
    """Return the same for a mean over groups: each is scored once, and left out whole, so that all rows are looked at.

    Groups of the data that hold those of the metric whole are left out whole as well.
    """
    unit = np.unique(unit_in(within, truth.v, truth.group), return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    n_blocks = min(BLOCKS if len(preds) <= MANY else FEW_BLOCKS, n_units)
    block = (stream(0, "jackknife").permutation(n_units) % n_blocks)[unit]
    scores, left_out = np.full(len(preds), np.nan), np.full((len(preds), n_blocks), np.nan)
    for s, pred in enumerate(preds):
        try:
            each = within.each(truth.task, truth.y, at(pred, slice(None)), truth.v)
        except DataError:
            continue
        lies = blocks_of(each, codes_of(truth.v)[within.by.text], block)
        scores[s], left_out[s] = each.mean(), [each.mean(lies == b) for b in range(n_blocks)]
    return Jackknife(scores, left_out, np.arange(len(truth.y)), block, 1.0)


def _sample(truth: Truth, rng: np.random.Generator) -> tuple[Ints, float]:
    """Return MOST_ROWS of the rows, ascending, and the share of the rows, or of the groups, that they stand for."""
    n = len(truth.y)
    if truth.group is None:
        return np.sort(rng.choice(n, MOST_ROWS, replace=False)), MOST_ROWS / n
    unit = np.unique(truth.group, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    taken = min(n_units, max(LEAST_GROUPS, round(n_units * MOST_ROWS / n)))
    here = np.zeros(n_units, np.bool_)
    here[rng.permutation(n_units)[:taken]] = True
    rows = np.flatnonzero(here[unit])
    if len(rows) > MOST_ROWS:
        rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
    return rows, taken / n_units
