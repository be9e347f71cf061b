"""Greedy selection with replacement: each step adds the source that improves the metric of the average most."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._climb import Moves, climb_exact, climb_squared
from kit.stackers._gram import MANY, Grams, Space, Weighted, one_thread, space_of, squared
from kit.stackers._handed import residual_gram
from kit.stackers._judge import Judge, judge_of, score_judge
from kit.types import Floats, Floats32, Ints, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""Under rmsle alone, and with negative weights of probabilities, it is not."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None


class Params(Base):
    """Parameters of the hill climb."""

    steps: Annotated[int, Field(ge=1, le=10_000), Tune(20, 300, log=True)] = 100
    """Most steps. The average after the best of them is kept, so more of them do no harm to the score they climb."""

    start: Annotated[int, Field(ge=0, le=1000), Tune(0, 20)] = 0
    """Sources to begin with: the average of so many of the best, whichever number of them up to this is best. It keeps
    the first, most greedy steps from settling on too few."""

    swaps: bool = False
    """Whether after each step one source may be exchanged for another as long as that improves the average."""

    negative: bool = False
    """Whether sources may be taken off beyond what was added, which gives them a weight below zero."""

    bags: Annotated[int, Field(ge=1, le=1000)] = 1
    """Climbs whose weights are averaged, each over random sources. Above 1 it guards many sources on few rows."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the sources that one of several bags may use."""

    by: Literal["metric", "score"] = "metric"
    """What is climbed under a metric of labels: itself, or the logloss (of a regression the squared error) of what the
    labels are cut from. That is better where thresholds follow. Other metrics are climbed by themselves."""


def sums(metric: str) -> Space | None:
    """Return the scale of the sums that `solve` wants, or None where the metric is no squared error."""
    return squared(metric)


def solve(params: Params, ctx: Context, grams: Grams) -> Weighted:
    """Return weights that are counts / steps, by squared error: after the sums no step depends on the rows."""
    return _weights(params, ctx, grams.mean()[:-1, :-1], None)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return weights that are counts / steps; by what is climbed never worse than the best source on these rows.

    Shape: z (S, n, m); y, v (n,).
    Source: Caruana et al. 2004, Ensemble selection from libraries of models; bags: Caruana et al. 2006.
    """
    gram = residual_gram(ctx.task, z, y, v, space_of(ctx.metric.name))[:-1, :-1]
    if squared(ctx.metric.name):
        return _weights(params, ctx, gram, None)
    scored = params.by == "score" and ctx.metric.wants == "label"
    return _weights(params, ctx, gram, score_judge(ctx, z, y, v) if scored else judge_of(ctx, z, y, v))


def _weights(params: Params, ctx: Context, gram: Floats, judge: Judge | None) -> Weighted:
    moves = Moves(params.steps, params.start, params.swaps, params.negative)
    with one_thread():
        if params.bags == 1:
            weights = _climb(moves, gram, judge, np.arange(len(gram)))
        else:
            weights = _bagged(params, moves, ctx, gram, judge)
    return Weighted(weights, space_of(ctx.metric.name))


def _bagged(params: Params, moves: Moves, ctx: Context, gram: Floats, judge: Judge | None) -> Floats:
    """Return (S,) the mean weights of climbs over random sources, or one climb's where the best source beats that.

    They are drawn by their rank of squared error, so that the order in which sources are given does not matter.
    """
    ranked = np.argsort(np.diag(gram), kind="stable")
    n_drawn = max(1, round(params.share * len(gram)))
    climbs = np.zeros((params.bags, len(gram)))
    for climb in climbs:
        drawn = ranked[np.sort(ctx.rng.choice(len(gram), n_drawn, replace=False))]
        climb[:] = _climb(moves, gram, judge, drawn)
    weights = climbs.mean(axis=0)
    if judge is None:
        losses, loss = np.diag(gram), weights @ gram @ weights
    else:
        losses, loss = np.array([judge.loss(one) for one in judge.z]), judge.loss(weights @ judge.z)
    return weights if loss <= losses.min() else _climb(moves, gram, judge, np.arange(len(gram)))


def _climb(moves: Moves, gram: Floats, judge: Judge | None, drawn: Ints) -> Floats:
    """Return (S,) the weights of one climb over the sources `drawn`."""
    inner = gram[np.ix_(drawn, drawn)]
    counts = climb_squared(moves, inner) if judge is None else climb_exact(moves, judge, inner, drawn)
    weights = np.zeros(len(gram))
    weights[drawn] = counts / counts.sum()
    return weights
