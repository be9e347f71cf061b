"""The plain average of the sources."""

from __future__ import annotations

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._gram import MANY, Weighted
from kit.types import Floats, Floats32, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = True
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None


class Params(Base):
    """The plain average has no parameters."""


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return equal weights. Shape: z (S, n, m); y, v (n,)."""
    return Weighted(np.full(len(z), 1 / len(z)))
