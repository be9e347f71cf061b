"""Bins of a target."""

from __future__ import annotations

import numpy as np

from kit.types import Floats, Ints


def label_bins(y: Floats, bins: int) -> Ints:
    """Return (n,) the bin of each y: its place among the distinct values, or one of `bins` equal parts of the range.

    Up to `bins` distinct values are a bin each; with 0 they always are.

    >>> label_bins(np.array([3.0, 1.0, 3.0]), 5).tolist(), label_bins(np.array([0.0, 0.4, 1.0]), 2).tolist()
    ([1, 0, 1], [0, 0, 1])
    """
    values, place = np.unique(y, return_inverse=True)
    if bins == 0 or len(values) <= bins:
        return np.asarray(place, np.int64)
    low, high = values[0], values[-1]
    return np.asarray(np.minimum((y - low) / (high - low) * bins, bins - 1), np.int64)
