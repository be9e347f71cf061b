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
        """Return curve k at `values` (n,).

        They are looked up in rising order, which finds each next to the one before.
        """
        own = slice(int(self.start[k]), int(self.start[k + 1]))
        order = np.argsort(values)
        found = np.empty(len(values))
        found[order] = np.interp(values[order], self.x[own], self.y[own])
        return found

    def back(self, ks: Sequence[int]) -> tuple[Floats, Floats]:
        """Return the mean over the rising curves `ks` of where each has a value, as a curve of the value: its knots.

        Each is a curve of straight lines, and so is their mean, which bends where one of them does.
        """
        own = [slice(int(self.start[k]), int(self.start[k + 1])) for k in ks]
        values = np.unique(np.concatenate([self.y[o] for o in own]))
        mean = np.zeros(len(values))
        for o in own:
            mean += np.interp(values, self.y[o], self.x[o]) / len(own)
        return values, mean


def joined(knots: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Ints]:
    """Return the x, y and start of `Curves`, from pairs (x, y) of knots, x rising."""
    start = np.concatenate([[0], np.cumsum([len(x) for x, _ in knots])]).astype(np.int64)
    return np.concatenate([x for x, _ in knots]), np.concatenate([y for _, y in knots]), start


def steps(values: NDArray[np.floating], v: Floats) -> tuple[Floats, Floats]:
    """Return a distribution as at most 1000 places (b,), rising, and the shares (b + 1,) of weight up to each's ends.

    Equal values are one place; of many, neighbours are put together and stand at their mean. Rows of weight 0 do not
    count.
    """
    places, weight = _tallied(values, v)
    upto = np.cumsum(weight) / weight.sum()
    if len(places) > KNOTS:
        middle = (upto - weight / weight.sum() / 2) * KNOTS
        bins = np.minimum(middle, KNOTS - 1).astype(np.int64)  # rising, as the places do
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        held = np.add.reduceat(weight, starts)
        places = np.add.reduceat(weight * places, starts) / held
        upto = np.cumsum(held) / weight.sum()
    return places, np.concatenate([[0.0], upto])


def _tallied(values: NDArray[np.floating], v: Floats) -> tuple[Floats, Floats]:
    """Return the distinct values of rows that count, rising, and the weight of each. Equal weights need but a sort."""
    counted = v > 0
    if not counted.all():
        values, v = values[counted], v[counted]
    if (v == v[0]).all():
        ranked = np.sort(values)
        starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        return ranked[starts].astype(np.float64), v[0] * np.diff(starts, append=len(ranked)).astype(np.float64)
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    return ranked[starts].astype(np.float64), np.add.reduceat(v[order], starts)
