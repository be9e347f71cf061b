"""Prediction intervals from out-of-fold errors: CV+, the errors measured in units of each row's own scale.

Source: Barber, Candes, Ramdas and Tibshirani, Annals of Statistics 49(1), 2021 (CV+); Lei et al., JASA 113, 2018
(errors in units of a scale); Tibshirani et al., NeurIPS 2019 (weights); Krogh and Vedelsby, NIPS 7, 1995 (how much less
an average errs than what it averages).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from kit.types import Bools, Floats, Ints

STEPS = 60
"""Halvings of the range in which an end of an interval is sought: beyond what float64 can tell apart."""

PARTS, FEWEST = 10, 50
"""Parts by prediction in which new rows are set against held ones, and the held rows each needs."""

NARROWEST = 0.6
"""The least that ends are drawn in to: fold models that lie further apart than they err say that rows are not alike."""


@dataclass(frozen=True)
class Errors:
    """Held errors in units of scale. model (n,) the fold model that made each, score (n,) >= 0, w (n,) weights.

    `row` (n,): which row it is of, where several repeats hold a row; else each is of its own.
    """

    model: Ints
    score: Floats
    w: Floats
    row: Ints | None = None

    def threshold(self, coverage: float) -> float:
        """Return the weight that must lie at or below an end: the new row counts as one more, of infinite score."""
        n_rows = len(self.w) if self.row is None else len(np.unique(self.row))
        return coverage * float(self.w.sum()) * (1 + 1 / n_rows)

    def quantile(self, coverage: float) -> float:
        """Return the score that so much of the weight is at or below; infinite where there are too few rows."""
        order = np.argsort(self.score, kind="stable")
        reached = np.cumsum(self.w[order])
        at = int(np.searchsorted(reached, self.threshold(coverage) * (1 - 1e-12)))
        return float(self.score[order[at]]) if at < len(order) else float("inf")

    def of(self, rows: Bools) -> Errors:
        """Return some of them."""
        return Errors(self.model[rows], self.score[rows], self.w[rows], None if self.row is None else self.row[rows])


def cv_plus(errors: Errors, mean: Floats, scale: Floats, coverage: float) -> tuple[Floats, Floats]:
    """Return the ends (t,), (t,) of the CV+ intervals of new rows; infinite where there are too few errors.

    Shape: mean, scale (K, t), what each fold model says of the new rows.
    """
    upper = _end(errors, mean, scale, coverage)
    return -_end(errors, -mean, scale, coverage), upper


def drawn_in(errors: Errors, held: Floats, mean: Floats, scale: Floats, coverage: float) -> float:
    """Return to what part of their distance from the average of the fold models CV+ ends are to be drawn in.

    New rows get that average, which errs less than each model did on its held rows: (y - average)^2 is the mean of
    (y - model)^2 less the variance of the models. CV+ ends reach out by both: with squared error M and variance V, in
    units of scale, by the root of M + V where that of M - V would do. M is taken at the quantile in question, as if
    errors were normal. A held error was in units of one model's scale, whose own error makes the quantile greater by
    (z^2 - 1) / 2 of the variance of its log; the average scale has little of that.

    Shape: held (n,) the predictions that `errors` are of; mean, scale (K, t) what each fold model says of rows as they
    come. These count as the held ones of like prediction do, so that rows of another kind, where models lie far apart,
    do not make all intervals narrow.
    """
    z = NormalDist().inv_cdf((1 + coverage) / 2)
    single = (errors.quantile(coverage) / z) ** 2
    if not 0 < single < np.inf:
        return 1.0
    variance = np.minimum(mean.var(axis=0) / scale.mean(axis=0) ** 2, single)
    n_parts = min(max(len(held) // FEWEST, 1), PARTS)
    edges = np.quantile(held, np.arange(1, n_parts) / n_parts)
    part = np.searchsorted(edges, mean.mean(axis=0))
    within = np.bincount(part, variance, n_parts) / np.maximum(np.bincount(part, minlength=n_parts), 1)
    shared = float(np.average(within[np.searchsorted(edges, held)], weights=errors.w))
    blur = 1 + (z**2 - 1) / 2 * float(np.median(np.log(scale).var(axis=0)))
    return float(np.clip(np.sqrt(max(single / blur**2 - shared, 0) / (single + shared)), NARROWEST, 1))


def around(errors: Errors, mean: Floats, scale: Floats, coverage: float) -> tuple[Floats, Floats]:
    """Return the ends (t,), (t,) of intervals around one prediction (t,), the fold models not told apart."""
    half = errors.quantile(coverage) * scale
    return mean - half, mean + half


def _end(errors: Errors, mean: Floats, scale: Floats, coverage: float) -> Floats:
    """Return (t,) the least number that enough of mean + score * scale, error by error, lie at or below."""
    sorted_scores, reached = [], []
    for k in range(len(mean)):
        mine = errors.of(errors.model == k)
        order = np.argsort(mine.score, kind="stable")
        sorted_scores.append(mine.score[order])
        reached.append(np.append(0.0, np.cumsum(mine.w[order])))
    wanted = errors.threshold(coverage) * (1 - 1e-12)
    if wanted > sum(r[-1] for r in reached):
        return np.full(mean.shape[1], np.inf)
    low = mean.min(axis=0)
    high = (mean + np.array([s[-1] if len(s) else 0.0 for s in sorted_scores])[:, None] * scale).max(axis=0)
    low = low - np.maximum(np.abs(low), 1.0) * 1e-9
    for _ in range(STEPS):
        middle = (low + high) / 2
        below = np.zeros(len(middle))
        for k, (scores, weight) in enumerate(zip(sorted_scores, reached, strict=True)):
            below += weight[np.searchsorted(scores, (middle - mean[k]) / scale[k], side="right")]
        enough = below >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high)


@dataclass(frozen=True)
class Quality:
    """What intervals are worth on rows they were not made from. se: of the coverage; winkler: width plus 2 / alpha
    times what lies outside by how much (Gneiting and Raftery, JASA 102, 2007)."""

    coverage: float
    se: float
    width: float
    winkler: float


def held_ends(errors: Errors, mean: Floats, scale: Floats, fold: Ints, coverage: float) -> tuple[Floats, Floats]:
    """Return the ends (n,), (n,) for held rows, from the errors of all other folds, of other rows in other repeats."""
    half = np.empty(len(mean))
    for k in np.unique(fold):
        inside = fold == k
        others = ~inside if errors.row is None else ~np.isin(errors.row, errors.row[inside])
        half[inside] = errors.of(others).quantile(coverage) * scale[inside]
    return mean - half, mean + half


def quality(y: Floats, low: Floats, high: Floats, w: Floats, coverage: float, group: Ints | None) -> Quality:
    """Return how well intervals hold the truth y (n,), rows weighted by w (n,); groups (n,) make the se wider."""
    share = w / w.sum()
    inside = ((low <= y) & (y <= high)).astype(np.float64)
    beyond = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    covered = float((share * inside).sum())
    off = share * (inside - covered)
    if group is not None:
        off = np.bincount(np.unique(group, return_inverse=True)[1], off)
    width = high - low
    winkler = width + 2 / (1 - coverage) * beyond
    return Quality(
        covered, float(np.sqrt((off**2).sum())), float((share * width).sum()), float((share * winkler).sum())
    )
