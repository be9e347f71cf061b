"""A sparse weighted sum of the sources with a constant: weights of no use become exactly 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._gram import CHUNK, MANY, blend, one_thread, truth
from kit.stackers._proba import proper
from kit.types import Floats, Floats32, Pred, PredKind, Task, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""For probabilities alone it is not: what leaves [0, 1] is cut off."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None

SWEEPS = 10_000
DONE = 1e-10
"""A sweep that moves no weight by more than this ends the descent."""


class Params(Base):
    """Parameters of the elastic net. Squared error is minimised whatever the metric is."""

    alpha: Annotated[float, Field(gt=0, le=1), Tune(1e-5, 0.1, log=True)] = 1e-3
    """Strength of both penalties, as a share of the one at which every weight is 0."""

    l1_ratio: Annotated[float, Field(ge=0.01, le=1), Tune(0.1, 1.0)] = 0.5
    """Share of the penalty on |w|, which makes weights 0; the rest is on w^2, which shares them out."""

    positive: bool = True
    """Whether weights must be at least 0."""


@dataclass(frozen=True)
class Sparse:
    """`weights` (S,) float64, and the constant that is added."""

    weights: Floats
    constant: float

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return sum_s w_s z_s + constant of z (S, n, m), as probabilities where those are wanted."""
        return Pred(proper(ctx.task, blend(self.weights, z) + self.constant).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Sparse:
    """Return the w and b that minimise E (y - b - w'z)^2 / 2 + a (r |w|_1 + (1 - r) |w|^2 / 2), E under v.

    Shape: z (S, n, m); y, v (n,).
    Source: Zou & Hastie 2005; coordinate descent on the covariances: Friedman et al. 2010.
    """
    mean, cov = _moments(ctx.task, z, y, v)
    gram, aim = cov[:-1, :-1], cov[:-1, -1]
    strength = params.alpha * np.abs(aim).max() / params.l1_ratio
    weights = _descend(gram, aim, strength * params.l1_ratio, strength * (1 - params.l1_ratio), params.positive)
    return Sparse(weights, float(mean[-1] - weights @ mean[:-1]))


def _moments(task: Task, z: Floats32, y: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Return the means (S + 1,) and covariances (S + 1, S + 1) of the sources and, last, of the target, under v."""
    n_sources, n, m = z.shape
    share, size = v / v.sum() / m, max(1, CHUNK // ((n_sources + 1) * m))
    level = float((share[:, None] * truth(task, y)).sum())
    total, gram = np.zeros(n_sources + 1), np.zeros((n_sources + 1, n_sources + 1))
    with one_thread():
        for a in range(0, n, size):
            b = min(a + size, n)
            # About the target's mean, so that a large one does not drown the differences.
            rows = np.concatenate([z[:, a:b].astype(np.float64), truth(task, y[a:b])[None]]) - level
            flat, weigh = rows.reshape(n_sources + 1, -1), np.repeat(share[a:b], m)
            total += flat @ weigh
            gram += (flat * weigh) @ flat.T
    return total + level, gram - np.outer(total, total)


def _descend(gram: Floats, aim: Floats, l1: float, l2: float, positive: bool) -> Floats:
    """Return (S,) the minimiser of w'Gw / 2 - a'w + l1 |w|_1 + l2 |w|^2 / 2, weight by weight."""
    weights, pulled = np.zeros(len(aim)), np.zeros(len(aim))
    for _ in range(SWEEPS):
        moved = 0.0
        for s in range(len(aim)):
            if gram[s, s] <= 0:
                continue
            alone = aim[s] - pulled[s] + gram[s, s] * weights[s]
            sunk = max(abs(alone) - l1, 0.0) * (1.0 if alone > 0 else 0.0 if positive else -1.0)
            change = sunk / (gram[s, s] + l2) - weights[s]
            if change:
                weights[s] += change
                pulled += change * gram[s]
                moved = max(moved, abs(change))
        if moved < DONE:
            break
    return weights
