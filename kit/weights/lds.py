"""Returns weights that fall with the smoothed density of the target."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.bins import label_bins
from kit.params import Tune
from kit.types import Floats, Rows, require

LIBS: tuple[str, ...] = ()


class Params(base.Params):
    """Label distribution smoothing: a row counts 1 / (smoothed count of its bin), 1 on average."""

    bins: Annotated[int, Field(ge=0, le=10_000), Tune(20, 100)] = 100
    """Bins of equal width over the range of y. Up to so many distinct values are a bin each; 0 = each always is."""

    counts: Literal["sqrt", "inverse"] = "sqrt"
    """sqrt: the root of the counts is smoothed, the milder way; inverse: the counts, held between 5 and 1000."""

    kernel: Literal["gaussian", "triangle", "laplace"] = "gaussian"
    """Shape of the smoothing."""

    width: Annotated[int, Field(ge=1, le=99), Tune(3, 15)] = 5
    """Bins under the kernel, an odd number."""

    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False), Tune(0.5, 4.0)] = 2.0
    """Breadth of the gaussian and laplace kernels, in bins."""


def weigh(params: Params, rows: Rows) -> Floats:
    """Return (n,) factors for w, mean 1 over the rows with w > 0. Rows without weight get the factor of their bin.

    Source: Yang et al., Delving into Deep Imbalanced Regression, ICML 2021.
    """
    require(rows.y is not None, "lds weighs by y")
    counted = rows.w > 0
    if not counted.any():
        return np.ones(len(rows))
    place = label_bins(np.asarray(rows.y), params.bins)
    count = np.bincount(place, rows.w / rows.w[counted].mean())
    value = np.sqrt(count) if params.counts == "sqrt" else np.where(count > 0, np.clip(count, 5, 1000), 0.0)
    kernel = _kernel(params)
    half = len(kernel) // 2
    smooth = np.convolve(np.pad(value, half), kernel, "valid")
    factor = np.ones(len(smooth))
    factor[smooth > 0] = 1 / smooth[smooth > 0]
    return np.asarray(factor[place] / factor[place[counted]].mean())


def _kernel(params: Params) -> Floats:
    """Return (odd,) the kernel, 1 in the middle."""
    half = params.width // 2
    gap = np.abs(np.arange(-half, half + 1))
    if params.kernel == "gaussian":
        return np.asarray(np.exp(-(gap**2) / (2 * params.sigma**2)))
    if params.kernel == "laplace":
        return np.asarray(np.exp(-gap / params.sigma))
    return np.asarray(1 - gap / (half + 1))
