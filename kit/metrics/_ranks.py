"""Weighted ranks and correlations."""

from __future__ import annotations

import numpy as np

from kit.types import Array, Floats

CONSTANT = 1e-28
"""Variance relative to the mean square below which values count as constant: what is left then is rounding."""


def rank(values: Array, v: Floats) -> Floats:
    """Return (n,) the middle of the weight from below, ties sharing theirs: a weight of 2 ranks like two rows."""
    _, tied = np.unique(values, return_inverse=True)
    weight = np.bincount(tied, v)
    return np.asarray((np.cumsum(weight) - weight / 2)[tied])


def correlation(a: Floats, b: Floats, v: Floats) -> float:
    """Return the weighted correlation of a (n,) and b (n,); 0 where one is constant."""
    share = v / v.sum()
    da, db = a - (share * a).sum(), b - (share * b).sum()
    var_a, var_b = (share * da**2).sum(), (share * db**2).sum()
    if var_a <= CONSTANT * (share * a**2).sum() or var_b <= CONSTANT * (share * b**2).sum():
        return 0.0
    return float((share * da * db).sum() / np.sqrt(var_a * var_b))
