"""Bins of a target."""

from __future__ import annotations

import numpy as np

from kit.types import Floats, Ints

SEEN = 0.75
"""Share of a target's steps that must occur for each to be a bin."""

STRAY = 0.01
"""Share of the rows that may lie beside the steps: one 9.5 among 5000 ratings of 0 to 10 makes no steps of halves."""


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


def steps_of(y: Floats, most: int) -> Floats | None:
    """Return the values a target of equal steps may have, `most` at most, ascending; None of a target of none.

    The widest steps between which next to nothing lies, if most of them occur; else those on which all values lie.

    >>> steps_of(np.array([1.0, 2.5, 1.5]), 20).tolist(), steps_of(np.array([0.0, 1.0, 1.3]), 20)
    ([1.0, 1.5, 2.0, 2.5], None)
    >>> steps_of(np.append(np.repeat([7.0, 8, 9, 10], 50), 9.5), 20).tolist()
    [7.0, 8.0, 9.0, 10.0]
    """
    values, counts = np.unique(y, return_counts=True)
    if not 1 < len(values) <= 2 * most:
        return None
    usual, finest = values[np.argmax(counts)], None
    for step in np.unique(np.diff(values))[::-1].tolist():
        place = (values - usual) / step
        off = np.abs(place - np.round(place)) > 1e-6
        on = values[~off]
        if counts[off].sum() > STRAY * len(y) or len(on) < 2 or on[-1] - on[0] > (most - 0.5) * step:
            continue
        steps = _filled(on, step)
        if len(on) >= SEEN * len(steps):
            return steps
        finest = finest if off.any() else steps
    return finest


def _filled(on: Floats, step: float) -> Floats:
    """Return the steps from the first to the last of some; these keep their bits."""
    place = np.round((on - on[0]) / step).astype(np.int64)
    steps = on[0] + step * np.arange(place[-1] + 1)
    steps[place] = on
    return np.asarray(steps)


def step_edges(y: Floats, bins: int) -> Floats | None:
    """Return edges around each step of a target of up to twice `bins` steps, None of others.

    So of one with steps that hardly ever came: bins without a row are of no use.

    >>> step_edges(np.array([1.0, 3.0, 2.0]), 10).tolist(), step_edges(np.array([0.0, 1.0, 9.5, 10.0]), 20)
    ([0.5, 1.5, 2.5, 3.5], None)
    """
    steps = steps_of(y, 2 * bins)
    if steps is None or np.isin(steps, y).sum() < SEEN * len(steps):
        return None
    half = (steps[1] - steps[0]) / 2
    return np.append(steps - half, steps[-1] + half)
