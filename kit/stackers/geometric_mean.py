"""The geometric mean of probabilities: the average of their logarithms, made to sum to one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._gram import MANY
from kit.stackers._proba import expit, logit, logs, softmax
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
LEARNS: bool = False


class Params(Base):
    """The geometric mean has no parameters."""


@dataclass(frozen=True)
class Geometric:
    """Equal `weights` (S,) float64 of the logarithms."""

    weights: Floats

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the mean of z (S, n, m), probabilities below 1e-6 counting as 1e-6."""
        # One source after the other: numpy may sum an axis in another order for another number of rows.
        total = np.zeros(z.shape[1:])
        for weight, source in zip(self.weights, z, strict=True):
            total += weight * (logit(source) if ctx.task.kind == "binary" else logs(source))
        return Pred((expit(total) if ctx.task.kind == "binary" else softmax(total)).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Geometric:
    """Return equal weights. Shape: z (S, n, m); y, v (n,)."""
    return Geometric(np.full(len(z), 1 / len(z)))
