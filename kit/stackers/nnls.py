"""Weights of at least zero that minimise the squared error, exactly."""

from __future__ import annotations

import numpy as np

from kit.contracts import Context
from kit.errors import FitError
from kit.params import Params as Base
from kit.stackers._gram import MANY, Grams, Space, Weighted, one_thread, space_of
from kit.stackers._handed import gathered
from kit.stackers._simplex import simplex
from kit.types import Floats, Floats32, PredKind, TaskKind

LIBS: tuple[str, ...] = ("scipy",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""Under rmsle alone it is not: there the logarithms are averaged."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None


class Params(Base):
    """Parameters of the non-negative least squares. Squared error is minimised whatever the metric is."""

    sum_to_one: bool = True
    """Whether the weights sum to one. False lets a regression shrink or stretch all sources; refused for classes."""


def sums(metric: str) -> Space | None:
    """Return the scale of the sums that `solve` wants."""
    return space_of(metric)


def solve(params: Params, ctx: Context, grams: Grams) -> Weighted:
    """Return the weights w >= 0 that minimise sum v (sum_s w_s z_s - y)^2, over all outputs.

    Raises:
        FitError: probabilities whose weights need not sum to one.
    """
    if not params.sum_to_one and ctx.task.kind != "regression":
        raise FitError("weights of probabilities must sum to one", got="sum_to_one: false", allowed="true")
    gram, space = grams.mean(), space_of(ctx.metric.name)
    with one_thread():
        return Weighted(simplex(gram[:-1, :-1]) if params.sum_to_one else _free(gram), space)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return what `solve` makes of the sums over these rows. Shape: z (S, n, m); y, v (n,)."""
    return solve(params, ctx, gathered(ctx, z, y, v))


def _free(gram: Floats) -> Floats:
    """Return (S,) the w >= 0 that minimises u' gram u for u = (w, 1'w - 1), gram (S + 1, S + 1) of residuals and y.

    The combination misses y by u: sum_s w_s z_s - y = sum_s w_s (z_s - y) + (1'w - 1) y. With L'L = gram this is least
    squares in S unknowns.
    Source: Lawson & Hanson 1974.
    """
    from scipy.optimize import nnls

    n = len(gram) - 1
    scale = np.trace(gram[:-1, :-1]) / n
    if scale <= 0:
        return np.full(n, 1 / n)
    ridge = np.append(np.full(n, 1e-9), 1e-12 * gram[-1, -1] / scale)
    factor = np.linalg.cholesky(gram / scale + np.diag(ridge)).T
    left = factor[:, :n] + factor[:, n:]
    return np.asarray(nnls(left, factor[:, n], maxiter=30 * (n + 10))[0], np.float64)
