"""Weights of at least zero that minimise the squared error, exactly."""

from __future__ import annotations

import numpy as np

from kit.contracts import Context
from kit.errors import FitError
from kit.params import Params as Base
from kit.stackers._gram import MANY, Weighted, one_thread, residual_gram
from kit.types import Floats, Floats32, PredKind, TaskKind

LIBS: tuple[str, ...] = ("scipy",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = True
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None

JITTER = 1e-9
"""Ridge relative to the mean squared error of the sources: it makes duplicates share their weight evenly."""


class Params(Base):
    """Parameters of the non-negative least squares. Squared error is minimised whatever the metric is."""

    sum_to_one: bool = True
    """Whether the weights sum to one. False lets a regression shrink or stretch all sources; refused for classes."""


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return the weights w >= 0 that minimise sum v (sum_s w_s z_s - y)^2, over all outputs.

    Shape: z (S, n, m); y, v (n,).

    Raises:
        FitError: probabilities whose weights need not sum to one.
    """
    if not params.sum_to_one and ctx.task.kind != "regression":
        raise FitError("weights of probabilities must sum to one", got="sum_to_one: false", allowed="true")
    gram = residual_gram(ctx.task, z, y, v)
    scale = np.trace(gram[:-1, :-1]) / len(z)
    if scale == 0:
        return Weighted(np.full(len(z), 1 / len(z)))
    gram /= scale
    if params.sum_to_one:
        gram[-1], gram[:, -1], gram[-1, -1] = 0.0, 0.0, 1.0
    weights = _solve(gram)
    return Weighted(weights / weights.sum() if params.sum_to_one else weights)


def _solve(gram: Floats) -> Floats:
    """Return (S,) the w >= 0 that minimises u' gram u for u = (w, 1'w - 1), gram (S + 1, S + 1) of residuals and y.

    The combination misses y by u: sum_s w_s z_s - y = sum_s w_s (z_s - y) + (1'w - 1) y. With a row for y that is 1
    alone, w is the weights of sum one times a number (for every sum s the best w is s times the same vector), so no
    large penalty is needed, which would spoil the condition. With L'L = gram this is least squares in S unknowns.
    Source: Lawson & Hanson 1974.
    """
    from scipy.optimize import nnls

    n = len(gram) - 1
    with one_thread():
        ridge = np.append(np.full(n, JITTER), 1e-12 * gram[-1, -1])
        factor = np.linalg.cholesky(gram + np.diag(ridge)).T
        left = factor[:, :n] + factor[:, n:]
        weights, _ = nnls(left, factor[:, n], maxiter=30 * (n + 10))
    return np.asarray(weights, np.float64)
