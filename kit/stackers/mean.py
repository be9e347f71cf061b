"""The plain average of the sources."""

from __future__ import annotations

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._gram import MANY, Grams, Space, Weighted
from kit.types import Floats, Floats32, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = True
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
LEARNS: bool = False


class Params(Base):
    """The plain average has no parameters."""


def sums(metric: str) -> Space | None:
    """Return the scale of the sums that `solve` wants."""
    return "identity"


def solve(params: Params, ctx: Context, grams: Grams) -> Weighted:
    """Return equal weights."""
    return Weighted(np.full(grams.n_sources, 1 / grams.n_sources))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return equal weights. Shape: z (S, n, m); y, v (n,)."""
    return Weighted(np.full(len(z), 1 / len(z)))
