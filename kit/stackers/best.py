"""The single best source by the metric."""

from __future__ import annotations

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._gram import MANY, Grams, Space, Weighted, squared
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = True
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None


class Params(Base):
    """The single best source has no parameters."""


def sums(metric: str) -> Space | None:
    """Return the scale of the sums that `solve` wants, or None where the metric is no squared error."""
    return squared(metric)


def solve(params: Params, ctx: Context, grams: Grams) -> Weighted:
    """Return weight one for the source of least squared error."""
    return _only(np.diag(grams.mean())[:-1])


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return weight one for the best source; of equal ones the first. Shape: z (S, n, m); y, v (n,)."""
    return _only(np.array([ctx.metric.sign * ctx.metric.score(ctx.task, y, Pred(one), v) for one in z]))


def _only(losses: Floats) -> Weighted:
    weights = np.zeros(len(losses))
    weights[np.argmin(losses)] = 1.0
    return Weighted(weights)
