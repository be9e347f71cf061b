"""Inner folds of learning rows, for features that learn from y."""

from __future__ import annotations

import numpy as np

from kit.errors import DataError
from kit.types import Ints, Rows


def inner_folds(feature: str, folds: int, rows: Rows, rng: np.random.Generator) -> Ints:
    """Return (n,) the inner fold of each row: equal parts, groups whole and drawn at random.

    The groups stand one after another in random order; the fold is where the middle of a group falls. So the first and
    the last group are always apart, however unequal they are.

    Raises:
        DataError: the rows cannot be cut in two.
    """
    n = len(rows)
    if rows.group is None:
        n_units, member = n, np.arange(n)
    else:
        labels, member = np.unique(rows.group, return_inverse=True)
        n_units = len(labels)
    if n_units < 2:
        what = "rows" if rows.group is None else "groups"
        raise DataError(f"{feature} needs at least 2 {what} to learn from", got=n_units)
    order = rng.permutation(n_units)
    size = np.bincount(member)[order]
    fold_of = np.empty(n_units, np.int64)
    fold_of[order] = (2 * np.cumsum(size) - size) * folds // (2 * n)
    return np.asarray(fold_of[member])
