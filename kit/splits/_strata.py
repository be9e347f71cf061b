"""Strata: the classes of a target, or ranges of it where it is a number."""

from __future__ import annotations

import numpy as np

from kit.errors import DataError
from kit.types import Floats, Ints, Rows, Task


def strata(task: Task, rows: Rows, bins: int) -> Ints:
    """Return (n,) int64, numbered from 0: the class of each row, or the range its target lies in.

    The ranges hold about n / bins rows each; equal values share one, whichever that is of the first of them.

    Raises:
        DataError: the rows have no target.
    """
    if rows.y is None:
        raise DataError("a stratified split needs the target", next="use kfold")
    found = _ranges(rows.y, bins) if task.kind == "regression" else rows.y
    return np.asarray(np.unique(found, return_inverse=True)[1], np.int64)


def _ranges(y: Floats, bins: int) -> Floats:
    """Return (n,) float64, the range of each value by the rank of its first occurrence."""
    first = np.searchsorted(np.sort(y), y)
    return np.floor(first * bins / len(y))
