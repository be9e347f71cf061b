"""Returns weights that drop rows of the commonest targets: 0 for them, 1 for the rest."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kit import params as base
from kit.bins import label_bins
from kit.params import Tune
from kit.types import Floats, Ints, Rows, require

LIBS: tuple[str, ...] = ()


class Params(base.Params):
    """A bin of y (or a class) keeps so many of its rows and no more; which ones hangs on their row numbers alone."""

    bins: Annotated[int, Field(ge=0, le=10_000), Tune(5, 50)] = 20
    """Bins of equal width over the range of y. Up to so many distinct values (classes, grades) are a bin each; 0 = each
    distinct value always is."""

    cap: Annotated[float, Field(gt=0, allow_inf_nan=False), Tune(0.2, 2.0)] = 1.0
    """Rows a bin keeps at most, as a multiple of what the filled bins hold on average."""

    draw: Annotated[int, Field(ge=0)] = 0
    """Another number keeps other rows."""


def weigh(params: Params, rows: Rows) -> Floats:
    """Return (n,) 0 or 1. Rows without weight are neither counted nor kept out."""
    require(rows.y is not None, "undersample weighs by y")
    counted = rows.w > 0
    factor = np.ones(len(rows))
    if not counted.any():
        return factor
    place = label_bins(np.asarray(rows.y), params.bins)
    count = np.bincount(place, counted)
    most = max(1, int(params.cap * count[count > 0].mean()))
    chance = _chance(rows.row, params.draw)
    for b in np.flatnonzero(count > most):
        mine = np.flatnonzero((place == b) & counted)
        factor[mine[np.argsort(chance[mine], kind="stable")[most:]]] = 0.0
    return factor


def _chance(row: Ints, draw: int) -> NDArray[np.uint64]:
    """Return (n,) numbers that look drawn, the same for the same row number.

    Source: the mixing step of SplitMix64, Steele, Lea and Flood, OOPSLA 2014.
    """
    with np.errstate(over="ignore"):
        x = row.astype(np.uint64) + np.uint64(draw + 1) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
