"""Ordered labels from one number: the cut points of least loss, found exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.types import Floats, Ints

Loss = Literal["kappa", "squared", "absolute"]

PLACES = 50_000
"""Most places where a cut may be: of more distinct numbers, neighbours are put together."""

ROUNDS = 100
SAME = 1e-12


@dataclass(frozen=True)
class Places:
    """Distinct numbers u (G,), rising, with their weight (G,), summing to 1, and the mean of what is aimed at (G,)."""

    u: Floats
    weight: Floats
    aim: Floats

    def middles(self) -> Floats:
        """Return (G + 1,) where a cut below each place lies: half way to its neighbour; infinite at the ends."""
        return np.concatenate([[-np.inf], (self.u[1:] + self.u[:-1]) / 2, [np.inf]])


def places(x: Floats, aim: Floats, v: Floats) -> Places:
    """Return the places of numbers x (n,) under weights v (n,), of rows of positive weight."""
    order = np.argsort(x, kind="stable")
    order = order[v[order] > 0]
    fresh = np.concatenate([[True], np.diff(x[order]) > 0])
    of = np.cumsum(fresh) - 1
    if of[-1] >= PLACES:
        of = of * PLACES // (of[-1] + 1)
    weight = np.bincount(of, v[order])
    mean = [np.bincount(of, (v * values)[order]) / weight for values in (x, aim)]
    return Places(mean[0], weight / weight.sum(), mean[1])


def kappa_cuts(at: Places, levels: Floats, mean: float, square: float) -> Floats:
    """Return (C - 1,) the cuts of highest quadratic weighted kappa between `levels` (C,), rising.

    With a the truth, of that mean and mean square, and b the labels, kappa is 1 - N / D with N = E (a - b)^2 and
    D = E a^2 + E b^2 - 2 E a E b. Both are sums over rows, so that for a given ratio r the least N - r D is found
    exactly by dynamic programming over the sorted rows; the r at which it is 0 is the least ratio there is.

    Source: Dinkelbach 1967, On nonlinear fractional programming.
    """
    ratio = 1.0
    for _ in range(ROUNDS):
        found = _best(_square(at, levels, 1 - ratio, at.aim - ratio * mean))
        b = levels[_labels(found, len(at.u))]
        part = float((at.weight * b**2).sum()) + square
        over, under = part - 2 * float((at.weight * at.aim * b).sum()), part - 2 * mean * float((at.weight * b).sum())
        reached = over / under if under > 0 else 1.0
        if reached >= ratio - SAME:
            break
        ratio = reached
    return at.middles()[found]


def loss_cuts(at: Places, levels: Floats) -> Floats:
    """Return (C - 1,) the cuts of least squared error."""
    return at.middles()[_best(_square(at, levels, 1.0, at.aim))]


def absolute_cuts(x: Floats, y: Floats, v: Floats, levels: Floats) -> Floats:
    """Return (C - 1,) the cuts of least absolute error of y (n,)."""
    each = [places(x, np.abs(y - level), v) for level in levels]
    return each[0].middles()[_best(np.stack([e.weight * e.aim for e in each]))]


def _square(at: Places, levels: Floats, square: float, aim: Floats) -> Floats:
    """Return (C, G) the cost of calling a place each level b: weight (square b^2 - 2 b aim)."""
    return at.weight * (square * levels[:, None] ** 2 - 2 * levels[:, None] * aim)


def _best(cost: Floats) -> Ints:
    """Return (C - 1,) int64, rising: the places before which each level but the last ends, at least cost (C, G).

    With F_j(p) the least cost of the first p places in levels up to j, and S_j the running sum of the costs of j:
    F_j(p) = S_j(p) + min over q <= p of F_(j-1)(q) - S_j(q), which is O(C G).
    """
    total = np.zeros((len(cost), cost.shape[1] + 1))
    np.cumsum(cost, axis=1, out=total[:, 1:])
    least, gaps = total[0], []
    for upto in total[1:]:
        gaps.append(least - upto)
        least = upto + np.minimum.accumulate(gaps[-1])
    end, ends = cost.shape[1], []
    for gap in reversed(gaps):
        end = int(np.argmin(gap[: end + 1]))
        ends.append(end)
    return np.array(ends[::-1], np.int64)


def _labels(ends: Ints, n: int) -> Ints:
    """Return (n,) the level of each place."""
    return np.searchsorted(ends, np.arange(n), side="right")
