"""Weights of its own for every class: a source that is good at one class need not be believed on the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._gram import CHUNK, MANY, one_thread
from kit.stackers._proba import proper
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ("scipy",)
TASKS: tuple[TaskKind, ...] = ("multiclass",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None


class Params(Base):
    """Parameters of the weights by class. Squared error is minimised whatever the metric is."""

    l2: Annotated[float, Field(gt=0, le=1e6), Tune(1e-4, 1.0, log=True)] = 3e-2
    """Strength of the pull to equal weights, relative to the mean square of the sources' probabilities of the class."""


@dataclass(frozen=True)
class ByClass:
    """Weights `by_class` (S, C) float64, at least 0."""

    by_class: Floats

    @property
    def weights(self) -> Floats:
        """(S,) the mean over the classes of a source's share."""
        return np.asarray((self.by_class / self.by_class.sum(axis=0)).mean(axis=1))

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return sum_s W_sk z_sk of z (S, n, C), made to sum to one over the classes k."""
        total = np.zeros(z.shape[1:])
        for weights, source in zip(self.by_class, z, strict=True):
            total += weights * source
        return Pred(proper(ctx.task, total).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> ByClass:
    """Return for each class k the w >= 0 that minimises E (w'z_k - [y = k])^2 + l |w - 1 / S|^2, E under v.

    Shape: z (S, n, C); y, v (n,).
    """
    columns = [_solve(z[:, :, k], y == k, v, params.l2) for k in range(z.shape[2])]
    return ByClass(np.stack(columns, axis=1))


def _solve(z: Floats32, true: np.ndarray, v: Floats, l2: float) -> Floats:
    """Return (S,) the weights of one class. With L L' = G + l I this is least squares in S unknowns."""
    from scipy.optimize import nnls

    n_sources, n = z.shape
    gram, aim, size = np.zeros((n_sources, n_sources)), np.zeros(n_sources), max(1, CHUNK // n_sources)
    share = v / v.sum()
    with one_thread():
        for a in range(0, n, size):
            rows = z[:, a : a + size].astype(np.float64)
            weighed = rows * share[a : a + size]
            gram += weighed @ rows.T
            aim += weighed @ true[a : a + size]
        pull = l2 * np.trace(gram) / n_sources
        if pull <= 0:
            return np.full(n_sources, 1 / n_sources)
        factor = np.linalg.cholesky(gram + pull * np.eye(n_sources))
        weights, _ = nnls(factor.T, np.linalg.solve(factor, aim + pull / n_sources), maxiter=30 * (n_sources + 10))
    return np.asarray(weights if weights.sum() > 0 else np.full(n_sources, 1 / n_sources), np.float64)
