"""What the stackers share: the residual Gram matrix and the weighted combination of sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kit.contracts import Context
from kit.types import Floats, Floats32, Pred, Task

Space = Literal["identity", "log1p"]

CHUNK = 1 << 19
"""Numbers of one chunk of residuals (4 MiB): its float64 copy stays in the cache of one core."""

MANY = 1_000_000
"""The most sources a stacker takes: no limit of its own."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread: with more it sums in another order, and a near tie is decided otherwise."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


def truth(task: Task, y: Floats) -> Floats:
    """Return (n, m) float64, what a perfect source predicts: y itself, or 0 and 1 per class."""
    if task.kind == "multiclass":
        return np.asarray(y[:, None] == np.arange(task.n_out), np.float64)
    return np.asarray(y[:, None], np.float64)


def lift(z: NDArray[np.floating], space: Space) -> Floats:
    """Return z in float64, on the scale on which it is averaged."""
    wide = z.astype(np.float64)
    return np.log1p(np.maximum(wide, 0)) if space == "log1p" else wide


def residual_gram(task: Task, z: Floats32, y: Floats, v: Floats, space: Space = "identity") -> Floats:
    """Return (S + 1, S + 1) float64: the Gram matrix of the S residuals z_s - y and, last, of y, under v / sum v.

    For weights w of sum one, w' G[:S, :S] w is the mean squared error of the combination. Residuals, not predictions,
    because y'y - 2 p'y + p'p cancels: blends differ in the fifth digit. All outputs are pooled.

    Shape: z (S, n, m); y, v (n,).
    """
    n_sources, n, m = z.shape
    size = max(1, CHUNK // ((n_sources + 1) * m))
    root = np.sqrt(v / v.sum())
    gram = np.zeros((n_sources + 1, n_sources + 1))
    with one_thread():
        for a in range(0, n, size):
            b = min(a + size, n)
            target = lift(truth(task, y[a:b]), space)
            rows = np.empty((n_sources + 1, b - a, m))
            np.subtract(lift(z[:, a:b], space), target, out=rows[:-1])
            rows[-1] = target
            rows *= root[a:b, None]
            flat = rows.reshape(n_sources + 1, -1)
            gram += flat @ flat.T
    return gram


def blend(weights: Floats, z: NDArray[np.floating], space: Space = "identity") -> Floats:
    """Return (n, m) float64, sum_s w_s z_s, row by row: a row's result does not hang on the rows beside it."""
    total = np.zeros(z.shape[1:])
    for s in np.flatnonzero(weights):
        total += weights[s] * lift(z[s], space)
    return np.expm1(total) if space == "log1p" else total


@dataclass(frozen=True)
class Weighted:
    """A weighted combination of sources, averaged in `space`; `weights` (S,) float64."""

    weights: Floats
    space: Space = "identity"

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the combination of z (S, n, m), with std where every source has one and the weights are a mean.

        The variance is the mean of the variances, as if the errors of the sources were wholly shared: a safe bound.
        """
        mean = blend(self.weights, z, self.space).astype(np.float32)
        is_mean = self.space == "identity" and bool((self.weights >= 0).all()) and abs(self.weights.sum() - 1) < 1e-6
        if ctx.std is None or not is_mean or np.isnan(ctx.std).any():
            return Pred(mean)
        variance = blend(self.weights, ctx.std[:, :, None].astype(np.float64) ** 2)[:, 0]
        return Pred(mean, np.sqrt(variance).astype(np.float32))
