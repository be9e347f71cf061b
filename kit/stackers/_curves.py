"""Piecewise linear curves, one for each output or source: what a calibration or a distribution is kept as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.types import Floats, Ints

KNOTS = 1000
"""Most knots of a distribution: its steps are then a thousandth of the rows."""


@dataclass(frozen=True)
class Curves:
    """Curves through their knots, level beyond the ends. Curve k has the knots start[k] .. start[k + 1] of x and y."""

    x: Floats
    y: Floats
    start: Ints

    def at(self, k: int, values: NDArray[np.floating]) -> Floats:
        """Return curve k at `values`."""
        own = slice(int(self.start[k]), int(self.start[k + 1]))
        return np.asarray(np.interp(values, self.x[own], self.y[own]))

    def back(self, k: int, values: NDArray[np.floating]) -> Floats:
        """Return where the rising curve k has `values`."""
        own = slice(int(self.start[k]), int(self.start[k + 1]))
        return np.asarray(np.interp(values, self.y[own], self.x[own]))


def joined(knots: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Ints]:
    """Return the x, y and start of `Curves`, from pairs (x, y) of knots, x rising."""
    start = np.concatenate([[0], np.cumsum([len(x) for x, _ in knots])]).astype(np.int64)
    return np.concatenate([x for x, _ in knots]), np.concatenate([y for _, y in knots]), start


def steps(values: NDArray[np.floating], v: Floats) -> tuple[Floats, Floats]:
    """Return a distribution as at most 1000 places (b,), rising, and the shares (b + 1,) of weight up to each's ends.

    Equal values are one place; of many, neighbours are put together and stand at their mean. Rows of weight 0 do not
    count.
    """
    counted = v > 0
    places, of = np.unique(values[counted].astype(np.float64), return_inverse=True)
    weight = np.bincount(of, v[counted])
    upto = np.cumsum(weight) / weight.sum()
    if len(places) > KNOTS:
        middle = (upto - weight / weight.sum() / 2) * KNOTS
        bins = np.unique(np.minimum(middle, KNOTS - 1).astype(np.int64), return_inverse=True)[1]
        places = np.bincount(bins, weight * places) / np.bincount(bins, weight)
        upto = np.cumsum(np.bincount(bins, weight)) / weight.sum()
    return places, np.concatenate([[0.0], upto])
