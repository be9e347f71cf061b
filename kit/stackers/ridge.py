"""Weights of sum one, negative ones allowed, drawn towards the plain average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._gram import MANY, blend, one_thread, residual_gram
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""For probabilities alone it is not: negative weights may leave [0, 1], and what does is cut off."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None


class Params(Base):
    """Parameters of the ridge. Squared error is minimised whatever the metric is."""

    l2: Annotated[float, Field(gt=0, le=1e6), Tune(1e-5, 1.0, log=True)] = 1e-2
    """Strength of the pull to equal weights, relative to the mean squared error of the sources."""


@dataclass(frozen=True)
class Combination:
    """A weighted sum; probabilities are cut to [0, 1] and made to sum to one again. `weights` (S,) float64."""

    weights: Floats

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the combination of z (S, n, m), without std: negative weights have no bound for it."""
        mean = blend(self.weights, z)
        if ctx.task.kind != "regression":
            mean = np.clip(mean, 0, 1)
        if ctx.task.kind == "multiclass":
            mean /= mean.sum(axis=1, keepdims=True)
        return Pred(mean.astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Combination:
    """Return the w of sum one that minimises w'Rw + l |w - w0|^2; R is the residual Gram, w0 = 1 / S, l = l2 tr R / S.

    w = A^-1 (l w0 + nu 1) with A = R + l I; as w0 is uniform, that is A^-1 1 divided by its sum.

    Shape: z (S, n, m); y, v (n,).
    """
    gram = residual_gram(ctx.task, z, y, v)[:-1, :-1]
    scale = np.trace(gram) / len(z)
    if scale == 0:
        return Combination(np.full(len(z), 1 / len(z)))
    with one_thread():
        raw = np.linalg.solve(gram / scale + params.l2 * np.eye(len(z)), np.ones(len(z)))
    return Combination(raw / raw.sum())
