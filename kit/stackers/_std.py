"""The std of the one source of a stacker, and the factor that makes it true."""

from __future__ import annotations

import numpy as np

from kit.contracts import Context
from kit.types import Floats


def given(ctx: Context, n: int, alone: float, floor: float) -> Floats:
    """Return (n,) the std that the source gives, `alone` where it gives none."""
    if ctx.std is None:
        return np.full(n, alone)
    std = ctx.std[0].astype(np.float64)
    return np.maximum(np.where(np.isnan(std), alone, std), floor)


def factor(error: Floats, std: Floats, weight: Floats) -> float:
    """Return what std (n,) is to be taken times so that (error / std)^2 is one on average.

    Source: Laves et al., MIDL 2020, Well-calibrated regression uncertainty.
    """
    return float(np.sqrt((weight * (error / std) ** 2).sum() / weight.sum()))
