"""Greedy selection with replacement: each step adds the source that improves the metric of the average most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._gram import MANY, Space, Weighted, blend, one_thread, residual_gram, truth
from kit.types import Bools, Floats, Floats32, Ints, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""Under rmsle alone it is not: there the logarithms are averaged."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None

SQUARED: dict[str, Space] = {
    **{"rmse": "identity", "r2": "identity", "rmsle": "log1p"},
    **{"crps": "identity", "nll": "identity"},
}
"""Metrics that are a monotone function of a squared error, and the scale it is taken on; and those of a distribution,
for which the means are climbed."""

EXACT_UP_TO = 16
"""With more sources than this the other metrics are computed for a shortlist only."""

SHORTLIST = 8

TIE = 1e-12
"""Scores that differ by less than this share of their size are equal."""

PATIENCE = 25
"""Steps without a better score after which a climb by an exact metric ends; one by squared error costs nothing."""


class Params(Base):
    """Parameters of the hill climb."""

    steps: Annotated[int, Field(ge=1, le=10_000), Tune(20, 300, log=True)] = 100
    """Most steps. The average after the best of them is kept, so more of them do no harm to the score they climb."""

    bags: Annotated[int, Field(ge=1, le=1000)] = 1
    """Climbs whose weights are averaged, each over random sources. Above 1 it guards many sources on few rows."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the sources that one of several bags may use."""


@dataclass(frozen=True)
class Judge:
    """The exact climb's view of the rows: z (S, n, m) and what is needed to score an average of sources."""

    ctx: Context
    z: Floats32
    y: Floats
    v: Floats

    def loss(self, mean: NDArray[np.floating]) -> float:
        """Return the metric of `mean` (n, m), signed so that less is better."""
        metric = self.ctx.metric
        return metric.sign * metric.score(self.ctx.task, self.y, Pred(mean.astype(np.float32)), self.v)

    def gains(self, mean: Floats) -> Floats | None:
        """Return (S,) first-order changes of the loss from `mean` (n, m) towards each source; None = no formula."""
        target = truth(self.ctx.task, self.y)
        if self.ctx.metric.name == "mae":
            gradient = np.sign(mean - target)
        elif self.ctx.metric.name == "logloss":
            # Bounded: a step of finite length undoes one certain and wrong row long before its slope says so.
            p = np.clip(mean, 1e-3, 1 - 1e-3)
            gradient = (p - target) / (p * (1 - p)) if mean.shape[1] == 1 else -target / p
        else:
            return None
        weighted = (gradient * self.v[:, None]).astype(np.float32).ravel()
        return np.asarray(self.z.reshape(len(self.z), -1) @ weighted, np.float64)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return weights that are counts / steps; never worse than the best single source on these rows.

    Shape: z (S, n, m); y, v (n,).
    Source: Caruana et al. 2004, Ensemble selection from libraries of models; bags: Caruana et al. 2006.
    """
    space = SQUARED.get(ctx.metric.name, "identity")
    gram = residual_gram(ctx.task, z, y, v, space)[:-1, :-1]
    judge = Judge(ctx, np.ascontiguousarray(z), y, v)
    with one_thread():
        if params.bags > 1:
            weights = _bagged(params, judge, gram)
            singles = [judge.loss(z[s]) for s in range(len(z))]
            if judge.loss(blend(weights, z, space)) <= min(singles):
                return Weighted(weights, space)
        return Weighted(_climb(params, judge, gram, np.arange(len(z))), space)


def _bagged(params: Params, judge: Judge, gram: Floats) -> Floats:
    """Return (S,) the mean weights of climbs over random sources.

    They are drawn by their rank of squared error, so that the order in which sources are given does not matter.
    """
    ranked = np.argsort(np.diag(gram), kind="stable")
    n_drawn = max(1, round(params.share * len(gram)))
    climbs = np.zeros((params.bags, len(gram)))
    for climb in climbs:
        drawn = ranked[np.sort(judge.ctx.rng.choice(len(gram), n_drawn, replace=False))]
        climb[:] = _climb(params, judge, gram, drawn)
    return np.asarray(climbs.mean(axis=0))


def _climb(params: Params, judge: Judge, gram: Floats, drawn: Ints) -> Floats:
    """Return (S,) the weights of one climb over the sources `drawn`."""
    inner = gram[np.ix_(drawn, drawn)]
    if judge.ctx.metric.name in SQUARED:
        counts = climb_squared(inner, params.steps)
    else:
        counts = climb_exact(judge, inner, drawn, params.steps)
    weights = np.zeros(len(gram))
    weights[drawn] = counts / counts.sum()
    return weights


def climb_squared(gram: Floats, steps: int) -> Ints:
    """Return (S,) how often each source was taken, by the squared error alone: O(S) a step.

    With q = c'Rc and h = Rc for the counts c of k sources, adding source s gives (q + 2 h_s + R_ss) / (k + 1)^2.
    """
    counts, best = np.zeros(len(gram), np.int64), np.zeros(len(gram), np.int64)
    h, q, lowest = np.zeros(len(gram)), 0.0, np.inf
    diagonal = np.diag(gram)
    for k in range(steps):
        sums = q + 2 * h + diagonal
        s = _pick(sums, counts > 0)
        q = sums[s]
        h += gram[s]
        counts[s] += 1
        if _is_better(q / (k + 1) ** 2, lowest):
            lowest, best = q / (k + 1) ** 2, counts.copy()
    return best


def climb_exact(judge: Judge, gram: Floats, drawn: Ints, steps: int) -> Ints:
    """Return (len(drawn),) how often each source was taken, by the metric itself.

    Every source is tried at the first step, and at each where they are few; else those a surrogate likes best.
    """
    counts, best = np.zeros(len(drawn), np.int64), np.zeros(len(drawn), np.int64)
    total, lowest, last = np.zeros(judge.z.shape[1:]), np.inf, 0
    for k in range(steps):
        tried = np.arange(len(drawn))
        if k > 0 and len(drawn) > EXACT_UP_TO:
            tried = _shortlist(judge.gains(total / k), gram, counts, drawn)
        losses = np.array([judge.loss((total + judge.z[drawn[s]]) / (k + 1)) for s in tried])
        at = _pick(losses, counts[tried] > 0)
        counts[tried[at]] += 1
        total += judge.z[drawn[tried[at]]]
        if _is_better(losses[at], lowest):
            lowest, best, last = losses[at], counts.copy(), k
        if k - last >= PATIENCE:
            break
    return best


def _shortlist(gains: Floats | None, gram: Floats, counts: Ints, drawn: Ints) -> Ints:
    """Return the sources worth an exact look: half by the metric's slope, which far steps mislead, half by square."""
    squares = np.argsort(2 * gram @ counts + np.diag(gram), kind="stable")
    if gains is None:
        return squares[:SHORTLIST]
    slopes = np.argsort(gains[drawn], kind="stable")
    return np.unique(np.concatenate([squares[: SHORTLIST // 2], slopes[: SHORTLIST // 2]]))


def _pick(losses: Floats, used: Bools) -> int:
    """Return the position of the least loss; of equal ones a source that is used already, else the first."""
    tied = losses <= losses.min() + TIE * abs(losses.min())
    return int(np.argmax(tied & used) if (tied & used).any() else np.argmax(tied))


def _is_better(loss: float, lowest: float) -> bool:
    return bool(loss < lowest - TIE * abs(loss))
