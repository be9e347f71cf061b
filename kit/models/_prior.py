"""Returns how strongly the target statistic of categories is to be smoothed, in rows, as the data themselves ask for.

Model: one-way random effects, y = mu + a(level) + e with Var(a) = t2 and Var(e) = s2 / w. The best linear prediction
of a(level) is the level's mean deviation times W / (W + k), W its weight, k = s2 / t2: the prior strength in rows
(Robinson 1991, "That BLUP is a good thing"; Buehlmann's credibility). s2 and t2 are the unbiased estimates by moments
for levels of unequal size (Searle, Casella & McCulloch 1992, "Variance Components", 3.6).

LightGBM's cat_smooth smooths like k, yet levels of fewer rows are not split at all: k times k / (k + W), the share of
noise in the mean of a level of usual size W, leaves alone the columns whose levels have rows enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kit.types import Floats, Floats32, Ints

LEVELS = 30
"""Columns of fewer levels do not count: theirs have rows enough, and they are too few to estimate t2."""
BOUNDS = (10.0, 300.0)
"""Least, the library's default, and most for a column; one whose levels do not differ at all has the most."""


def strength(x: Floats32, categories: Mapping[int, int], y: Floats, w: Floats, n_out: int = 1) -> float | None:
    """Return the geometric mean of what columns of LEVELS levels or more ask for; None where there is none.

    Args:
        x: (n, d) with codes in the columns `categories` (position -> number of codes); NaN = missing.
        y: (n,) the target, or codes of classes: their indicators' variances are added up.
        w: (n,) weights above 0; their mean counts as one row.
        n_out: number of classes, 1 where y is a number or binary.
    """
    many = [x[:, i] for i in sorted(categories) if categories[i] >= LEVELS]
    found = [math.log(k) for codes in many if (k := _of_column(codes, y, w / w.mean(), n_out)) is not None]
    return round(math.exp(math.fsum(found) / len(found)), 1) if found else None


def _of_column(codes: Floats32, y: Floats, w: Floats, n_out: int) -> float | None:
    """Return what a column asks for, within BOUNDS; None where it has few levels, or none of two rows."""
    known = ~np.isnan(codes)
    code = codes[known].astype(np.int64)
    met = np.bincount(code) > 0
    if not LEVELS <= met.sum() < len(code):
        return None
    level = (np.cumsum(met) - 1)[code]
    s2, t2 = components(level, y[known], w[known], n_out)
    total = np.bincount(level, w[known])
    usual = float((total**2).sum() / total.sum())  # the weight of the level that a row is in, on average
    return min(max(s2**2 / (t2 * (s2 + t2 * usual)), BOUNDS[0]), BOUNDS[1]) if t2 > 0 else BOUNDS[1]


def components(level: Ints, y: Floats, w: Floats, n_out: int = 1) -> tuple[float, float]:
    """Return s2 within levels and t2 between them, t2 not below 0.

    With S the sum of w and S_j that of level j, of J: E sum w (y - mean_j)^2 = (n - J) s2 and
    E sum S_j (mean_j - mean)^2 = (J - 1) s2 + (S - sum S_j^2 / S) t2.

    Args:
        level: (n,) numbers from 0 to J - 1, each met, J < n.
        y, w, n_out: as in `strength`.
    """
    total, n = np.bincount(level, w), len(level)
    every, levels = float(total.sum()), len(total)
    spread = every - float((total**2).sum()) / every
    s2 = t2 = 0.0
    for k in range(n_out):
        z = (y == k).astype(np.float64) if n_out > 1 else y
        mean = np.bincount(level, w * z) / total
        within = float((w * (z - mean[level]) ** 2).sum()) / (n - levels)
        between = float((total * (mean - np.average(z, weights=w)) ** 2).sum())
        s2 += within
        t2 += (between - (levels - 1) * within) / spread
    return s2, max(t2, 0.0)
