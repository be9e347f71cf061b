"""Weighted ranks and correlations."""

from __future__ import annotations

import numpy as np

from kit.rowgroups import Groups
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


def ranks(values: Array, groups: Groups) -> Floats:
    """Return (n,) the ranks within each group, as `rank` makes them; rows as in `groups.order`."""
    order = groups.rising(values)
    ranked, starts = values[order], groups.starts
    new = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    new[starts] = True
    ties = np.flatnonzero(new)
    weight = np.add.reduceat(groups.v[order], ties)
    below = np.cumsum(weight) - weight
    middle = below + weight / 2 - below[np.searchsorted(ties, starts)][groups.of[ties]]
    out = np.empty(len(values))
    out[order] = np.repeat(middle, np.diff(np.append(ties, len(values))))
    return out


def correlations(y: Floats, p: Floats, groups: Groups) -> Floats:
    """Return (G,) the weighted correlations of y (n,) and p (n,): NaN where y is constant, 0 where p is alone."""
    dy, dp = (x - groups.mean(x)[groups.of] for x in (y, p))
    var_y, var_p = groups.mean(dy**2), groups.mean(dp**2)
    level = var_p <= CONSTANT * groups.mean(p**2)
    found = np.where(level, 0.0, groups.mean(dy * dp) / np.sqrt(np.where(level, 1.0, var_y * var_p)))
    return np.where(var_y <= CONSTANT * groups.mean(y**2), np.nan, found)
