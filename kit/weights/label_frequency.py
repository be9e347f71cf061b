"""Returns weights that make rare targets count more."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.bins import label_bins
from kit.params import Tune
from kit.types import Floats, Rows, require

LIBS: tuple[str, ...] = ()


class Params(base.Params):
    """A row counts 1 / (frequency of its target) ** power, 1 on average."""

    power: Annotated[float, Field(ge=0, le=1), Tune(0.0, 1.0)] = 0.5
    """0 = no change, 0.5 = the square root of the inverse, 1 = every bin weighs the same."""

    bins: Annotated[int, Field(ge=0, le=10_000), Tune(5, 50)] = 20
    """Bins of equal width over the range of y. Up to so many distinct values (classes, grades) are a bin each; 0 = each
    distinct value always is."""


def weigh(params: Params, rows: Rows) -> Floats:
    """Return (n,) factors for w, mean 1 over the rows with w > 0.

    The frequency of a bin is its share of w. Rows without weight get the factor of their bin, 1 where that is empty.

    Source: inverse and square-root-inverse weighting as in Yang et al., Delving into Deep Imbalanced Regression, 2021.
    """
    require(rows.y is not None, "label_frequency weighs by y")
    counted = rows.w > 0
    if not counted.any():
        return np.ones(len(rows))
    bins = label_bins(np.asarray(rows.y), params.bins)
    mass = np.bincount(bins, rows.w)
    factor = np.ones(len(mass))
    filled = mass > 0
    factor[filled] = (mass[filled] / mass.sum()) ** -params.power
    return np.asarray(factor[bins] / factor[bins[counted]].mean())
