"""The rows as a climb by an exact metric sees them: little enough to score an average of sources fast and exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kit.contracts import Context
from kit.stackers._gram import truth
from kit.types import Array, Bools, Floats, Floats32, Pred

BINS = 512
"""Bins of the densities behind the slope of AUC."""


class Judge(Protocol):
    """Scores averages. `z` (S, size) float32: what of each source the metric looks at; averages of it are judged."""

    @property
    def z(self) -> Floats32:
        """(S, size) float32, C order."""

    def loss(self, mean: Floats) -> float:
        """Return the metric of an average (size,), signed so that less is better."""

    def slope(self, mean: Floats) -> Floats | None:
        """Return (size,) the first-order change of the loss with the average, or None = no formula."""


def judge_of(ctx: Context, z: Floats32, y: Floats, v: Floats) -> Judge:
    """Return the judge of the metric on rows of positive weight. Shape: z (S, n, m); y, v (n,)."""
    kept = v > 0
    if not kept.all():
        z, y, v = z[:, kept], y[kept], v[kept]
    name = ctx.metric.name
    if name == "logloss" and (one := _true_class(ctx, z, y, v)) is not None:
        return one
    flat = np.ascontiguousarray(z).reshape(len(z), -1)
    if name == "mae":
        return Absolute(flat, y, v / v.sum())
    if name in ("auc", "gini") and ctx.task.kind == "binary" and 0 < y.sum() < len(y):
        return Ranks(flat, y == 1, None if (v == v[0]).all() else v)
    return Plain(flat, ctx, y, v)


def score_judge(ctx: Context, z: Floats32, y: Floats, v: Floats) -> Judge | None:
    """Return the judge of the logloss of probabilities.

    None where squared error is to tell: of a regression, of labels, and of rows that do not sum to one.
    """
    if ctx.task.kind == "regression" or bool(((z == 0) | (z == 1)).all()):
        return None
    kept = v > 0
    return _true_class(ctx, z[:, kept], y[kept], v[kept])


def _true_class(ctx: Context, z: Floats32, y: Floats, v: Floats) -> TrueClass | None:
    """Return the judge of logloss; None where probabilities do not sum to one, for then the others count too."""
    if ctx.task.kind == "binary":
        return TrueClass(np.where(y == 1, z[:, :, 0], 1 - z[:, :, 0]).astype(np.float32), v / v.sum())
    for one in z:
        if np.abs(one.sum(axis=1) - 1).max(initial=0) > 1e-5:
            return None
    rows, classes = np.arange(len(y)), y.astype(np.int64)
    return TrueClass(np.stack([one[rows, classes] for one in z]), v / v.sum())


@dataclass(frozen=True)
class TrueClass:
    """Logloss: only the probability of the true class counts, one number a row whatever the number of classes."""

    z: Floats32
    share: Floats

    def loss(self, mean: Floats) -> float:
        """Return -sum share log mean."""
        return float(-(self.share * np.log(np.clip(mean, 1e-15, 1 - 1e-15))).sum())

    def slope(self, mean: Floats) -> Floats:
        """Return -share / mean, bounded: a finite step undoes a certain and wrong row long before its slope says so."""
        return -self.share / np.maximum(mean, 1e-3)


@dataclass(frozen=True)
class Absolute:
    """Mean absolute error."""

    z: Floats32
    y: Floats
    share: Floats

    def loss(self, mean: Floats) -> float:
        """Return sum share |mean - y|."""
        return float((self.share * np.abs(mean - self.y)).sum())

    def slope(self, mean: Floats) -> Floats:
        """Return share sign(mean - y)."""
        return self.share * np.sign(mean - self.y)


@dataclass(frozen=True)
class Ranks:
    """AUC of a binary task, of which gini is a linear function. `v` (n,) or None = all rows count the same."""

    z: Floats32
    positive: Bools
    v: Floats | None
    label: NDArray[np.uint64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.positive.astype(np.uint64))

    def loss(self, mean: Floats) -> float:
        """Return -AUC."""
        p = mean.astype(np.float32)
        return -(auc(p, self.label) if self.v is None else _weighted_auc(p, self.positive, self.v))

    def slope(self, mean: Floats) -> Floats:
        """Return how fast pairs turn over: each row's weight times the density of the other class around it."""
        low, high = float(mean.min()), float(mean.max())
        at = np.minimum(((mean - low) * (BINS / (high - low + 1e-300))).astype(np.int64), BINS - 1)
        v = np.ones(len(mean)) if self.v is None else self.v
        bad, good = (np.bincount(at, v * on, BINS) for on in (~self.positive, self.positive))
        density = [np.convolve(side, [0.25, 0.5, 0.25], "same") for side in (bad, good)]
        turned = np.where(self.positive, -density[0][at], density[1][at])
        return np.asarray(turned * v / (bad.sum() * good.sum()))


def auc(p: Floats32, label: NDArray[np.uint64]) -> float:
    """Return P(a positive ranks above a negative), ties counting one half; label (n,) 0 or 1.

    One sort of whole numbers: the bits of a float32, turned so that they order as the number does, with the label as
    the last one. That is 8 times as fast as sorting places and gathering by them.
    """
    bits = (p + np.float32(0)).view(np.int32)  # + 0 makes one of the two zeros
    turned = (bits ^ ((bits >> 31) | np.int32(-(2**31)))).view(np.uint32)
    keys = (turned.astype(np.uint64) << np.uint64(1)) | label
    keys.sort()
    positive = (keys & np.uint64(1)).astype(np.bool_)
    places = np.flatnonzero(positive)
    n_good, n_bad = len(places), len(p) - len(places)
    # Of tied rows negatives come first, so that each tied pair counts as one; half of it is taken back.
    wins = float(places.sum()) - n_good * (n_good - 1) / 2 - _tied(keys >> np.uint64(1), positive) / 2
    return wins / (n_good * n_bad)


def _tied(sorted_: Array, positive: Bools) -> float:
    """Return the number of pairs of a positive and a negative with equal values."""
    same = np.flatnonzero(sorted_[1:] == sorted_[:-1])
    if not len(same):
        return 0.0
    breaks = np.flatnonzero(np.diff(same) != 1)
    starts = same[np.append(0, breaks + 1)]
    ends = same[np.append(breaks, len(same) - 1)] + 2
    count = np.append(0, np.cumsum(positive))
    good = count[ends] - count[starts]
    return float((good * (ends - starts - good)).sum())


def _weighted_auc(p: Floats32, positive: Bools, v: Floats) -> float:
    order = np.argsort(p)
    ranked = p[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    good, bad = (np.add.reduceat((v * on)[order], starts) for on in (positive, ~positive))
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2)).sum() / (good.sum() * bad.sum()))


@dataclass(frozen=True)
class Plain:
    """Any other metric, computed in full."""

    z: Floats32
    ctx: Context
    y: Floats
    v: Floats

    def loss(self, mean: Floats) -> float:
        """Return the metric of `mean` (n * m,)."""
        metric, shape = self.ctx.metric, (len(self.y), self.ctx.task.n_out)
        return metric.sign * metric.score(self.ctx.task, self.y, Pred(mean.reshape(shape).astype(np.float32)), self.v)

    def slope(self, mean: Floats) -> Floats | None:
        """Return the slope of a metric that is smooth all the same: logloss of rows that do not sum to one."""
        if self.ctx.metric.name != "logloss":
            return None
        target = truth(self.ctx.task, self.y)
        return (-target * self.v[:, None]).ravel() / np.maximum(mean, 1e-3)
