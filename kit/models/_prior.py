"""Returns how strongly the target statistic of categories is to be smoothed, in rows, as the data themselves ask for.

Model: one-way random effects, y = mu + a(level) + e with Var(a) = t2 and Var(e) = s2 / w. The best linear prediction
of a(level) is the level's mean deviation times W / (W + k), W its weight, k = s2 / t2: the prior strength in rows
(Robinson 1991, "That BLUP is a good thing"; Buehlmann's credibility). s2 and t2 are the unbiased estimates by moments
for levels of unequal size (Searle, Casella & McCulloch 1992, "Variance Components", 3.6).

LightGBM has one cat_smooth for all columns, so the one taken makes the expected squared error of the smoothed means,
(t2 k^2 + s2 W) / (W + k)^2 for a level, least over the levels of all columns: one that only has noise to learn by heart
asks for much, one whose levels differ for little, and the dearer of the two is heard.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kit.types import Floats, Floats32, Ints

LEVELS = 30
"""Nothing is asked for where no column has so many levels: theirs have rows enough."""
SPLIT = 5
"""Columns of fewer levels are split by LightGBM one level at a time, without smoothing."""
BOUNDS = (10.0, 300.0)
"""Least, the library's default, and most."""

_CHOICES = np.geomspace(*BOUNDS, 60)


def strength(x: Floats32, categories: Mapping[int, int], y: Floats, w: Floats, n_out: int = 1) -> float | None:
    """Return what the columns ask for together; None where none has LEVELS levels.

    Args:
        x: (n, d) with codes in the columns `categories` (position -> number of codes); NaN = missing.
        y: (n,) the target, or codes of classes: their indicators' variances are added up.
        w: (n,) weights above 0; their mean counts as one row.
        n_out: number of classes, 1 where y is a number or binary.
    """
    errors, most = np.zeros(len(_CHOICES)), 0
    for i in sorted(categories):
        known = ~np.isnan(x[:, i])
        code = x[known, i].astype(np.int64)
        met = np.bincount(code) > 0
        if SPLIT <= met.sum() < len(code):
            level = (np.cumsum(met) - 1)[code]
            errors += _errors(level, y[known], w[known] / w.mean(), n_out)
            most = max(most, int(met.sum()))
    return round(float(_CHOICES[errors.argmin()]), 1) if most >= LEVELS else None


def _errors(level: Ints, y: Floats, w: Floats, n_out: int) -> Floats:
    """Return the expected squared error of the levels' means, on average over rows, for each of _CHOICES."""
    s2, t2 = components(level, y, w, n_out)
    total = np.bincount(level, w)
    k = _CHOICES[:, None]
    return np.asarray(((t2 * k**2 + s2 * total) / (total + k) ** 2) @ total / total.sum())


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
