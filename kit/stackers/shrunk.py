"""The default blend: weights that serve the metric, drawn to non-negative ones as strongly as the rows ask for it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Combiner, Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers import hill_climb, logistic, softmax
from kit.stackers._averaged import STRENGTHS, averaged
from kit.stackers._climb import picks_squared
from kit.stackers._gram import MANY, OF_DISTRIBUTION, SQUARED, Grams, Space, Weighted, one_thread, squared
from kit.stackers._halves import Halves
from kit.stackers._handed import gathered
from kit.stackers._simplex import simplex
from kit.types import Floats, Floats32, Ints, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""Under rmsle alone it is not: there the logarithms are averaged."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
SPREAD: bool = True

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of sources tried under `simple`."""

PASSES, NEAR = 6, 0.05
"""Reweightings for the absolute error, and the share of the median error below which errors weigh the same."""


RANKS = ("auc", "gini")
"""Metrics of the order alone."""

BAGS, BAG_SHARE, BAG_LEAST = 20, 0.4, 3
"""Random subsets of the sources whose best non-negative weights are averaged under such a metric; how many sources."""


class Params(Base):
    """Parameters of the default blend.

    Squared error (rmse, rmsle, r2, brier): ridges of sum one, of many strengths, drawn to the best non-negative
    weights, to equal ones and to the best source, averaged by how they do on rows left out. Half of the spread between
    fold models is taken off first, for test rows are predicted by their average, and sources are cut to the range of
    the target. Other metrics take the mean of a hill
    climb by the metric itself and of something that errs otherwise. Absolute error: the ridges, of rows weighted by the
    inverse of their error. Logloss, by which metrics of labels are blended too: `logistic` or `softmax`. auc and gini:
    the best non-negative weights of random sources. Metrics of a distribution (crps, nll) take the best non-negative
    weights, which keep the standard deviation; those not named here the hill climb alone.
    """

    l2: Annotated[float | None, Field(gt=0, le=1e6), Tune(1e-6, 1.0, log=True)] = None
    """Strength of the pull to non-negative weights, relative to the mean squared error of the sources. None = many
    strengths, averaged. Metrics that are no errors have none."""

    shares: tuple[float, ...] = ()
    """How much each strength and centre counts, as a fit says under `chosen`. Empty = by leaving out parts of the rows
    that are learnt from."""

    simple: bool = False
    """Whether to take the fewest sources whose squared error on rows left out is within one standard error of the
    least, with weights of at least zero."""


def sums(metric: str) -> Space | None:
    """Return the scale of the sums that `solve` wants, or None where the metric is no squared error."""
    return squared(metric)


def solve(params: Params, ctx: Context, grams: Grams) -> Weighted:
    """Return the weights that squared error asks for."""
    space = SQUARED.get(ctx.metric.name, "identity")
    with one_thread():
        if params.simple:
            members = few(grams)
            weights = np.zeros(grams.n_sources)
            weights[members] = simplex(grams.of(members).residuals())
            return Weighted(weights, space, {"sources": float(len(members))})
        if ctx.metric.base in OF_DISTRIBUTION:
            return Weighted(simplex(grams.residuals()), space)
        return _drawn(params, grams, space)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Combiner:
    """Return the weights that the metric asks for. Shape: z (S, n, m); y, v (n,)."""
    name = ctx.metric.name
    if squared(name):
        return solve(params, ctx, gathered(ctx, z, y, v))
    if params.simple:
        return _fewest(params, ctx, z, y, v)
    if name == "mae":
        return _absolute(params, ctx, z, y, v)
    if name == "logloss" or ctx.metric.wants == "label":
        return _likely(ctx, z, y, v)
    if name in RANKS and ctx.task.kind == "binary":
        return _ranked(ctx, z, y, v)
    return hill_climb.fit(hill_climb.Params(), ctx, z, y, v)


def _likely(ctx: Context, z: Floats32, y: Floats, v: Floats) -> Combiner:
    """Return the mean of a climb by logloss and of a fit to it in logarithms; of ratings the averaged ridges."""
    if ctx.task.kind == "regression":
        with one_thread():
            return _drawn(Params(), gathered(ctx, z, y, v), "identity")
    climbed = hill_climb.fit(hill_climb.Params(by="score"), ctx, z, y, v)
    if ctx.task.kind == "binary":
        return Halves(climbed, logistic.fit(logistic.Params(), ctx, z, y, v))
    return Halves(climbed, softmax.fit(softmax.Params(), ctx, z, y, v))


def _fewest(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return the climb over the fewest sources; of the absolute error what it is over these."""
    with one_thread():
        members = few(gathered(ctx, z, y, v))
    if ctx.metric.name == "mae":
        part = _absolute(params, ctx, z[members], y, v)
    else:
        part = hill_climb.fit(hill_climb.Params(by="score"), ctx, z[members], y, v)
    weights = np.zeros(len(z))
    weights[members] = part.weights
    return Weighted(weights, part.space, {"sources": float(len(members))})


def _ranked(ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return the mean of a climb and of the weights of least squared error over random sources.

    These are drawn by their rank of squared error, so that the order in which sources are given does not matter.
    """
    gram = gathered(ctx, z, y, v).mean()[:-1, :-1]
    ranked = np.argsort(np.diag(gram), kind="stable")
    n_drawn = min(len(z), max(BAG_LEAST, round(BAG_SHARE * len(z))))
    bagged = np.zeros(len(z))
    with one_thread():
        for _ in range(BAGS):
            drawn = ranked[np.sort(ctx.rng.choice(len(z), n_drawn, replace=False))]
            bagged[drawn] += simplex(gram[np.ix_(drawn, drawn)]) / BAGS
    return Weighted((bagged + hill_climb.fit(hill_climb.Params(), ctx, z, y, v).weights) / 2)


def few(grams: Grams) -> Ints:
    """Return the fewest sources, in the order in which a climb takes them, by the one-standard-error rule.

    Source: Breiman et al. 1984, Classification and regression trees, section 3.4.3.
    """
    sizes = [size for size in SIZES if size < grams.n_sources] + [grams.n_sources]

    def candidates(gram: Floats) -> list[Floats]:
        order = picks_squared(gram)
        return [_on(gram, order[:size]) for size in sizes]

    losses = grams.left_out(candidates)
    best = int(np.argmin(losses.sum(axis=1)))
    gaps = losses - losses[best]
    error = gaps.std(axis=1, ddof=1) * np.sqrt(len(grams)) if len(grams) > 1 else np.zeros(len(sizes))
    size = sizes[int(np.argmax(gaps.sum(axis=1) <= error))]
    return np.sort(picks_squared(grams.residuals())[:size])


def _on(gram: Floats, members: Ints) -> Floats:
    weights = np.zeros(len(gram))
    weights[members] = simplex(gram[np.ix_(members, members)])
    return weights


def _drawn(params: Params, grams: Grams, space: Space) -> Weighted:
    """Return the averaged ridges, or the one of a given strength."""
    strengths = STRENGTHS if params.l2 is None else np.array([params.l2])
    made = averaged(grams, strengths, params.shares)
    chosen = {"shares": tuple(float(share) for share in made.shares)} if params.l2 is None else {}
    return Weighted(made.weights, space, chosen, made.centre, made.reach, grams.limits())


def _absolute(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return weights for the absolute error: squared error of rows weighted by the inverse of their error, repeated.

    They are averaged with those of a climb by the absolute error itself, negative ones allowed.
    Source: iteratively reweighted least squares, Schlossmacher 1973.
    """
    best, lowest, weight = Weighted(np.full(len(z), 1 / len(z))), np.inf, v
    with one_thread():
        for _ in range(PASSES):
            drawn = _drawn(params, gathered(ctx, z, y, weight), "identity")
            made = Weighted(drawn.weights, "identity", drawn.chosen, limits=drawn.limits)
            error = np.abs(made(z, ctx).mean[:, 0] - y)
            loss = float((v * error).sum())
            if loss < lowest:
                best, lowest = made, loss
            weight = v / np.maximum(error, NEAR * np.median(error[v > 0]) + 1e-300)
    if params.simple:
        return best
    climbed = hill_climb.fit(hill_climb.Params(swaps=True, negative=True), ctx, z, y, v)
    return Weighted((best.weights + climbed.weights) / 2, "identity", best.chosen, limits=best.limits)
