"""How much one column alone says: of the target (cross-fitted), and of whether a row is a training or a test row."""

from __future__ import annotations

import numpy as np
import scipy.stats

from kit.types import Array, Floats, Ints, Task

BINS = 64
"""Numbers are looked at in so many ranges of equal count, and by value where there are fewer values."""
CHANCE = 0.01
"""Probability that columns of which none differs are told to be apart."""


def strata(x: Array, coded: bool, bins: int = BINS) -> Ints:
    """Return (n,) a stratum for each value of a column: its level, or its range by rank; missing is one more."""
    if coded:
        return np.asarray(x, np.int64) + 1
    missing = np.isnan(x)
    known = x[~missing]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else known
    values = np.unique(known)
    found = np.searchsorted(values if len(values) <= 4 * bins else edges, x, side="right") + 1
    return np.where(missing, 0, found).astype(np.int64)


def guesses(stratum: Ints, y: Floats, fold: Ints) -> Floats:
    """Return (n, m) for y (n, m): the mean of y in a row's stratum over the other folds, shrunk by one row."""
    n_strata, n_folds = int(stratum.max(initial=0)) + 1, int(fold.max(initial=0)) + 1
    cell = fold * n_strata + stratum

    def without_own_fold(values: Floats | None) -> Floats:
        table: Floats = np.bincount(cell, values, n_folds * n_strata).reshape(n_folds, n_strata).astype(np.float64)
        return np.asarray(table.sum(axis=0) - table)

    count = without_own_fold(None)
    out = np.empty_like(y)
    for j in range(y.shape[1]):
        total = without_own_fold(y[:, j])
        mean = total.sum(axis=1, keepdims=True) / np.maximum(count.sum(axis=1, keepdims=True), 1)
        out[:, j] = ((total + mean) / (count + 1)).ravel()[cell]
    return out


def telling(stratum: Ints, y: Floats, fold: Ints) -> float:
    """Return the share of the variance of y (n, m) that a column explains alone, out of fold: 1 = all of it."""
    total = float(((y - y.mean(axis=0)) ** 2).sum())
    return 1 - float(((y - guesses(stratum, y, fold)) ** 2).sum()) / total if total else 0.0


def as_targets(y: Floats, task: Task) -> Floats:
    """Return (n, m) what a column is asked about: the rank of a number, whether a row is of each class."""
    if task.kind == "regression":
        return np.asarray(np.searchsorted(np.sort(y), y) / len(y))[:, None]
    if task.kind == "binary":
        return y[:, None]
    return np.asarray(y[:, None] == np.arange(len(task.classes)), np.float64)


def distance(left: Ints, right: Ints, columns: int = 1) -> float:
    """Return how far the shares of the strata lie apart, beyond what chance alone would do: 0 = alike, 1 = disjoint.

    It is the total variation distance less its expectation for two samples of one distribution; 0 where, of so many
    `columns` that are looked at, chance would set one as far apart (chi-square, CHANCE for all of them together).
    """
    n = int(max(left.max(initial=0), right.max(initial=0))) + 1
    counts = [np.bincount(s, minlength=n) for s in (left, right)]
    p, q = (c / max(c.sum(), 1) for c in counts)
    both = (counts[0] + counts[1]) / max(len(left) + len(right), 1)
    spread = np.sqrt(both * (1 - both) * (1 / max(len(left), 1) + 1 / max(len(right), 1)))
    seen = both > 0
    chi2 = float(((p - q)[seen] ** 2 / both[seen]).sum() / (1 / max(len(left), 1) + 1 / max(len(right), 1)))
    if scipy.stats.chi2.sf(chi2, max(int(seen.sum()) - 1, 1)) > CHANCE / columns:
        return 0.0
    return float(max(0.0, np.abs(p - q).sum() / 2 - np.sqrt(2 / np.pi) * spread.sum() / 2))
