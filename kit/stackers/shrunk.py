"""The default blend: weights that serve the metric, drawn to non-negative ones as strongly as the rows ask for it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers import hill_climb
from kit.stackers._climb import picks_squared
from kit.stackers._gram import MANY, OF_DISTRIBUTION, SQUARED, Grams, Space, Weighted, gathered, one_thread
from kit.stackers._simplex import simplex, unit_ridge
from kit.types import Floats, Floats32, Ints, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""Under rmsle alone it is not: there the logarithms are averaged."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
SPREAD: bool = True

GRID = 10.0 ** np.arange(-4, 2.01, 0.5)
"""Strengths tried where none is given."""

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of sources tried under `simple`."""

PASSES, NEAR = 6, 0.05
"""Reweightings for the absolute error, and the share of the median error below which errors weigh the same."""


class Params(Base):
    """Parameters of the default blend.

    Squared error (rmse, rmsle, r2): a ridge of sum one whose prior is the best non-negative weights of sum one. Half of
    the spread between fold models is taken off first, for test rows are predicted by their average. Absolute error:
    the same on rows weighted by the inverse of their error. Metrics of a distribution (crps, nll): the best
    non-negative weights, which keep the standard deviation. Other metrics: a hill climb by the metric itself.
    """

    l2: Annotated[float | None, Field(gt=0, le=1e6), Tune(1e-6, 1.0, log=True)] = None
    """Strength of the pull to non-negative weights, relative to the mean squared error of the sources. None = by
    leaving out parts of the rows that are learnt from. Metrics that are no errors have none."""

    simple: bool = False
    """Whether to take the fewest sources whose squared error on rows left out is within one standard error of the
    least, with weights of at least zero."""


def sums(metric: str) -> Space | None:
    """Return the scale of the sums that `solve` wants, or None where the metric is no squared error."""
    return SQUARED.get(metric)


def solve(params: Params, ctx: Context, grams: Grams) -> Weighted:
    """Return the weights that squared error asks for."""
    space = SQUARED.get(ctx.metric.name, "identity")
    with one_thread():
        if params.simple:
            members = few(grams)
            weights = np.zeros(grams.n_sources)
            weights[members] = simplex(grams.of(members).residuals())
            return Weighted(weights, space, {"sources": float(len(members))})
        if ctx.metric.name in OF_DISTRIBUTION:
            return Weighted(simplex(grams.residuals()), space)
        return _drawn(params, grams, space)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return the weights that the metric asks for. Shape: z (S, n, m); y, v (n,)."""
    name = ctx.metric.name
    if name in SQUARED:
        return solve(params, ctx, gathered(ctx, z, y, v))
    if params.simple:
        with one_thread():
            members = few(gathered(ctx, z, y, v))
        part = fit(params.model_copy(update={"simple": False}), ctx, z[members], y, v)
        weights = np.zeros(len(z))
        weights[members] = part.weights
        return Weighted(weights, part.space, {"sources": float(len(members))})
    if name == "mae":
        return _absolute(params, ctx, z, y, v)
    return hill_climb.fit(hill_climb.Params(), ctx, z, y, v)


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
    """Return the ridge that is drawn to the best non-negative weights; its strength by leaving out parts."""
    strengths = GRID if params.l2 is None else np.array([params.l2])
    near = simplex(grams.residuals())

    def candidates(gram: Floats) -> list[Floats]:
        prior = simplex(gram, start=near)
        return [unit_ridge(gram, float(one), prior) for one in strengths]

    at = 0
    if len(strengths) > 1:
        at = int(np.argmin(grams.left_out(candidates).sum(axis=1))) if len(grams) > 1 else len(GRID) - 1
    return Weighted(unit_ridge(grams.residuals(), float(strengths[at]), near), space, {"l2": float(strengths[at])})


def _absolute(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return weights for the absolute error: squared error of rows weighted by the inverse of their error, repeated.

    Source: iteratively reweighted least squares, Schlossmacher 1973.
    """
    made, best, lowest = Weighted(np.full(len(z), 1 / len(z))), None, np.inf
    weight = v
    with one_thread():
        for _ in range(PASSES):
            made = _drawn(params, gathered(ctx, z, y, weight), "identity")
            error = np.abs(made(z, ctx).mean[:, 0] - y)
            loss = float((v * error).sum())
            if loss < lowest:
                best, lowest = made, loss
            weight = v / np.maximum(error, NEAR * np.median(error[v > 0]) + 1e-300)
    return made if best is None else best
