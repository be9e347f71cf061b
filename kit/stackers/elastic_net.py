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

JITTER = 1e-12
"""Ridge relative to the variance of the sources, for those that stand in a pool twice."""

SLACK = 1e-10
"""Share of the strongest pull by which one must exceed the penalty for its source to be taken in."""

TINY = float(np.finfo(np.float64).tiny)


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
    Source: Zou & Hastie 2005; on the covariances: Friedman et al. 2010.
    """
    mean, cov = _moments(ctx.task, z, y, v)
    gram, aim = cov[:-1, :-1], cov[:-1, -1]
    strength = params.alpha * np.abs(aim).max() / params.l1_ratio
    with one_thread():
        weights = _sparse(gram, aim, strength * params.l1_ratio, strength * (1 - params.l1_ratio), params.positive)
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


def _sparse(gram: Floats, aim: Floats, l1: float, l2: float, positive: bool) -> Floats:
    """Return (S,) the minimiser of w'Gw / 2 - a'w + l1 |w|_1 + l2 |w|^2 / 2, exactly.

    An active-set method: on the sources in use, with given signs, the optimum solves a linear system; the first weight
    that would change its sign on the way leaves, and once there the source that is pulled most comes in. Sources that
    are much alike, for which going weight by weight takes thousands of rounds, cost no more than others.
    Source: feature-sign search, Lee et al. 2006.
    """
    n = len(aim)
    a = gram + (l2 + JITTER * np.trace(gram) / n) * np.eye(n)
    weights, enough = np.zeros(n), l1 + SLACK * np.abs(aim).max()
    for _ in range(30 * (n + 10)):
        pull = aim - a @ weights
        outside = np.where(weights == 0, pull if positive else np.abs(pull), -np.inf)
        s = int(np.argmax(outside))
        if outside[s] <= enough:
            break
        signs = np.sign(weights)
        signs[s] = np.sign(pull[s])
        weights = _settled(a, aim, l1, weights, signs)
    return weights


def _settled(a: Floats, aim: Floats, l1: float, weights: Floats, signs: Floats) -> Floats:
    """Return the optimum over (a part of) the sources of these signs, 0 for the others."""
    while True:
        used = signs != 0
        goal = np.zeros(len(aim))
        goal[used] = np.linalg.solve(a[np.ix_(used, used)], aim[used] - l1 * signs[used])
        turned = used & (goal * signs <= 0)
        if not turned.any():
            return goal
        steps = np.full(len(aim), np.inf)
        steps[turned] = np.abs(weights[turned]) / np.maximum(np.abs(weights - goal)[turned], TINY)
        step = float(steps.min())
        signs = np.where(steps <= step, 0.0, signs)
        weights = np.where(signs != 0, weights + step * (goal - weights), 0.0)
