"""What the stackers share: sums over rows that say all about squared loss, and the weighted combination of sources."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.contracts import Context
from kit.grouped import split
from kit.types import Bools, Floats, Floats32, Ints, Pred, Task

Space = Literal["identity", "log1p"]

SQUARED: Mapping[str, Space] = {
    **{"rmse": "identity", "r2": "identity", "rmsle": "log1p"},
    **{"brier": "identity", "crps": "identity", "nll": "identity"},
}
"""Metrics that are a monotone function of a squared error, and the scale it is taken on; and those of a distribution,
for which the means are blended."""

OF_DISTRIBUTION = ("crps", "nll")
"""Metrics that want a standard deviation beside the mean, which only weights of at least zero keep."""

CHUNK = 1 << 19
"""Numbers of one chunk of residuals (4 MiB): its float64 copy stays in the cache of one core."""

TAKEN_OFF = 0.5
"""Share of the spread between fold models that is taken off. All of it would be right on average, but it is known no
better than the sums, and sources that overfit have most of it: half was best on the re-splits of docs/blending.md."""

MANY = 1_000_000
"""The most sources a stacker takes: no limit of its own."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread: with more it sums in another order, and a near tie is decided otherwise."""
    with _libraries(len(sys.modules)).limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Return the libraries that threadpoolctl finds; it looks again only after something was imported."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def space_of(metric: str) -> Space:
    """Return the scale on which sources are averaged where squared error stands for the metric."""
    return SQUARED.get(split(metric)[0], "identity")


def squared(metric: str) -> Space | None:
    """Return the scale on which the metric is a squared error, or None: a mean over groups of its roots is none.

    Of distributions squared error is what can be told at all, within groups as well.
    """
    base = split(metric)[0]
    return SQUARED.get(metric) or (SQUARED.get(base) if base in OF_DISTRIBUTION else None)


def truth(task: Task, y: Floats) -> Floats:
    """Return (n, m) float64, what a perfect source predicts: y itself, or 0 and 1 per class."""
    if task.kind == "multiclass":
        return np.asarray(y[:, None] == np.arange(task.n_out), np.float64)
    return np.asarray(y[:, None], np.float64)


def lift(z: NDArray[np.floating], space: Space) -> Floats:
    """Return z in float64, on the scale on which it is averaged."""
    wide = z.astype(np.float64)
    return np.log1p(np.maximum(wide, 0)) if space == "log1p" else wide


@dataclass(frozen=True)
class Grams:
    """Sums over the rows of each part: all that squared loss depends on, whatever the number of rows.

    Shape:
        sums: (P, S + 1, S + 1) float64, the Gram matrix of the S residuals z_s - y and, last, of y, under v.
        weight: (P,) float64, the sum of v.  fold: (P,) int64, the fold a part belongs to.
        spread: (S, S) float64, the mean over test rows of the covariance between fold models, or None = not known.
        ends: (P, 2) float64, the least and the largest y of a part of a regression, on the scale of the sums.

    Residuals, not predictions, because y'y - 2 p'y + p'p cancels: blends differ in the fifth digit. All outputs are
    pooled. Parts are added up, never taken off: a difference would carry the rounding of what was taken.
    """

    sums: Floats
    weight: Floats
    fold: Ints
    spread: Floats | None = None
    ends: Floats | None = None

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def n_sources(self) -> int:
        """S."""
        return int(self.sums.shape[1]) - 1

    def mean(self, times: Floats | None = None) -> Floats:
        """Return (S + 1, S + 1): for weights w of sum one, w' G[:S, :S] w is the mean squared error of the combination.

        `times` (P,): how often each part counts. Multiplicities of a bootstrap, 0 for parts left out, or, where parts
        are cut by ranges of y, the ratio of a declared distribution's share to the share there is.
        """
        total, weight = np.zeros(self.sums.shape[1:]), 0.0
        for p in range(len(self)):
            factor = 1.0 if times is None else float(times[p])
            if factor:
                total += factor * self.sums[p]
                weight += factor * self.weight[p]
        return total / weight

    def at(self, parts: Bools) -> Grams:
        """Return the sums of some parts."""
        ends = None if self.ends is None else self.ends[parts]
        return Grams(self.sums[parts], self.weight[parts], self.fold[parts], self.spread, ends)

    def of(self, sources: Ints) -> Grams:
        """Return the sums of some sources."""
        kept = np.append(sources, self.n_sources)
        spread = None if self.spread is None else self.spread[np.ix_(sources, sources)]
        return Grams(self.sums[:, kept[:, None], kept], self.weight, self.fold, spread, self.ends)

    def limits(self) -> tuple[float, float] | None:
        """Return the range of y, a twentieth wider at both ends, of all parts; None of classes."""
        if self.ends is None:
            return None
        low, high = float(self.ends[:, 0].min()), float(self.ends[:, 1].max())
        return low - (high - low) / 20, high + (high - low) / 20

    def residuals(self, times: Floats | None = None) -> Floats:
        """Return (S, S), the mean Gram of the residuals, brought nearer to that of test rows: less half of the spread.

        Test rows get the fold models' average, which is rid of their spread. What is left is made positive
        semidefinite again.
        """
        gram = self.mean(times)[:-1, :-1]
        if self.spread is None:
            return gram
        value, vector = np.linalg.eigh(gram - TAKEN_OFF * self.spread)
        return np.asarray((vector * np.maximum(value, 0)) @ vector.T)

    def _loss(self, w: Floats, own: Floats, weight: float) -> float:
        """Return the squared error of weights on a part, as test rows would have it.

        In truth the spread is no more than the error itself. Weights for which it seems to be are far out, where
        neither is known, and must not look good.
        """
        loss = float(w @ own @ w)
        if self.spread is None:
            return loss
        return max(loss - TAKEN_OFF * weight * float(w @ self.spread @ w), (1 - TAKEN_OFF) * loss)

    def left_out(self, solve: Callable[[Floats], Sequence[Floats]]) -> Floats:
        """Return (C, P) float64, the summed squared error of each part under weights solved on the other parts.

        `solve` returns C candidates (S,) for the residual Gram of the rows it may see.
        """
        losses = []
        for p in range(len(self)):
            own = self.sums[p, :-1, :-1]
            seen = self.residuals(np.asarray(np.arange(len(self)) != p, np.float64))
            losses.append([self._loss(w, own, float(self.weight[p])) for w in solve(seen)])
        return np.array(losses).T


Sources = Sequence[NDArray[np.floating]] | NDArray[np.floating]
"""S arrays (n, m), or one (S, n, m)."""


def blend(weights: Floats, z: Sources, space: Space = "identity") -> Floats:
    """Return (n, m) float64, sum_s w_s z_s, row by row: a row's result does not hang on the rows beside it."""
    total = _total(weights, z, space)
    return np.expm1(total) if space == "log1p" else total


def _total(weights: Floats, z: Sources, space: Space, limits: tuple[float, float] | None = None) -> Floats:
    total = np.zeros(z[0].shape)
    for s, weight in enumerate(weights):
        if weight:
            total += weight * cut(lift(z[s], space), limits)
    return total


def cut(lifted: Floats, limits: tuple[float, float] | None) -> Floats:
    """Return predictions cut to `limits`, where there are some."""
    return lifted if limits is None else np.clip(lifted, *limits)


@dataclass(frozen=True)
class Weighted:
    """A weighted combination of sources, averaged in `space`; `weights` (S,) float64.

    `chosen`: parameters that were left open and what they were set to. `centre` (S,): weights from whose combination
    of a row this one may be no further than `reach`; `limits`: what sources are cut to before; both in `space`.
    """

    weights: Floats
    space: Space = "identity"
    chosen: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)
    centre: Floats | None = None
    reach: float = np.inf
    limits: tuple[float, float] | None = None

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the combination of z (S, n, m), with std where every source has one and the weights are a mean.

        The variance is the mean of the variances, as if the errors of the sources were wholly shared: a safe bound.
        """
        total = _total(self.weights, z, self.space, self.limits)
        middle = total if self.centre is None else _total(self.centre, z, self.space, self.limits)
        mean = self.finish(total, middle, ctx.task).astype(np.float32)
        is_mean = self.space == "identity" and bool((self.weights >= 0).all()) and abs(self.weights.sum() - 1) < 1e-6
        if ctx.std is None or not is_mean or np.isnan(ctx.std).any():
            return Pred(mean)
        variance = blend(self.weights, ctx.std[:, :, None].astype(np.float64) ** 2)[:, 0]
        return Pred(mean, np.sqrt(variance).astype(np.float32))

    def finish(self, total: Floats, middle: Floats, task: Task) -> Floats:
        """Return the prediction made of sums (n, m) in `space` under `weights` and under `centre`.

        Probabilities are cut to [0, 1] and made to sum to one, where negative weights may have led out of it.
        """
        near = total if self.centre is None else middle + np.clip(total - middle, -self.reach, self.reach)
        mean: Floats = np.expm1(near) if self.space == "log1p" else near
        if task.kind == "regression" or (self.weights >= 0).all():
            return mean
        mean = np.clip(mean, 0, 1)
        return mean / mean.sum(axis=1, keepdims=True) if task.kind == "multiclass" else mean
