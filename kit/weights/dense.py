"""Returns weights that fall with the density of the target."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.params import Tune
from kit.types import Floats, Rows, require

LIBS: tuple[str, ...] = ()

GRID = 2048
"""Points at which the density is computed; between them it is read off a straight line."""

LEAST = 1e-6


class Params(base.Params):
    """DenseWeight: a row counts 1 - alpha * (density of its target, scaled to 0 .. 1), 1 on average."""

    alpha: Annotated[float, Field(ge=0, le=10), Tune(0.2, 2.0)] = 1.0
    """0 = no change, 1 = the commonest target counts next to nothing, beyond 1 more and more common ones do."""

    bandwidth: Annotated[float, Field(gt=0, le=100), Tune(0.3, 3.0, log=True)] = 1.0
    """Multiple of the rule of thumb 1.06 sd n^(-1/5)."""


def weigh(params: Params, rows: Rows) -> Floats:
    """Return (n,) factors for w, mean 1 over the rows with w > 0.

    Source: Steininger et al., Density-based weighting for imbalanced regression, Machine Learning 110, 2021.
    """
    require(rows.y is not None, "dense weighs by y")
    counted, y = rows.w > 0, np.asarray(rows.y)
    if not counted.any():
        return np.ones(len(rows))
    density = _density(y, rows.w, params.bandwidth)
    low, high = density[counted].min(), density[counted].max()
    scaled = (density - low) / (high - low) if high > low else np.zeros(len(y))
    factor = np.maximum(1 - params.alpha * np.clip(scaled, 0.0, 1.0), LEAST)
    return np.asarray(factor / factor[counted].mean())


def _density(y: Floats, w: Floats, bandwidth: float) -> Floats:
    """Return (n,) the gaussian kernel density at each y, up to a factor; rows count by w."""
    counted = w > 0
    known, share = y[counted], w[counted] / w[counted].sum()
    low, high = known.min(), known.max()
    sd = np.sqrt((share * (known - (share * known).sum()) ** 2).sum())
    h = bandwidth * 1.06 * sd * len(known) ** -0.2
    if h == 0 or high == low:
        return np.ones(len(y))
    step = (high - low) / (GRID - 1)
    # Each target is shared by the two grid points beside it, so that the grid does not show in the density.
    place = np.minimum(((known - low) / step).astype(np.int64), GRID - 2)
    part = (known - low) / step - place
    mass = np.bincount(place, share * (1 - part), GRID) + np.bincount(place + 1, share * part, GRID)
    kernel = np.exp(-((np.arange(-GRID + 1, GRID) * step / h) ** 2) / 2)
    smooth = np.convolve(mass, kernel)[GRID - 1 : 2 * GRID - 1]
    return np.asarray(np.interp(y, np.linspace(low, high, GRID), smooth))
