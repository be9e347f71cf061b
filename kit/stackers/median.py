"""The median of the sources: one source that goes astray does not move it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._gram import MANY
from kit.stackers._proba import proper
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
LEARNS: bool = False


class Params(Base):
    """The median has no parameters."""


@dataclass(frozen=True)
class Median:
    """Nothing is learnt."""

    @property
    def weights(self) -> None:
        """None: which source counts differs from row to row."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the median of z (S, n, m), class by class; classes are made to sum to one again."""
        return Pred(proper(ctx.task, np.median(z.astype(np.float64), axis=0)).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Median:
    """Return the median. Shape: z (S, n, m); y, v (n,)."""
    return Median()
