"""One source, moved from the distribution of y it was made for to the one declared, as far as its std allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import tilt
from kit._mlp.params import Density
from kit.bins import step_edges
from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._std import factor, given
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = "value"

LEAST_ROWS = 20
"""Bins with fewer rows are joined with a neighbour."""

TINY = float(np.finfo(np.float32).tiny)

LEAST, MOST = 0.5, 2.0
"""Bounds of the factor that makes a std true: beyond them few rare rows speak, not the std."""


class Params(Base):
    """Parameters of the shift. A source without std gets one for all rows, its root mean square error."""

    was: Literal["rows", "uniform"] | Density = "rows"
    """The distribution of y the source was made for: that of the training rows by their weights; every value alike (a
    weighting, or a model told so); or {edges, shares}."""

    to: Literal["declared", "uniform"] | Density = "declared"
    """The distribution to predict for: the one that `evaluate` declares; every value alike; or {edges, shares}."""

    strength: Annotated[float, Field(gt=0, le=1), Tune(0.1, 1.0)] = 1.0
    """How far to go: the distribution predicted for is so much of `to`, the rest of `was`. An estimated distribution is
    wrong by some: half of the way wins most of what there is to win, at half of the risk."""

    bins: Annotated[int, Field(ge=2, le=200)] = 10
    """Bins of equal width over the range of y in which the training rows are counted, or one for each step of a target
    of up to twice as many (ratings); small ones are joined."""

    true_std: bool = True
    """First multiply the std by what makes the errors as large as it says."""


@dataclass(frozen=True, eq=False)
class Shifted:
    """grid (g,) of y; was and to (g,), its distributions; the factor and the constant std."""

    grid: Floats
    was: Floats
    to: Floats
    scale: float
    alone: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return mean and std of the source z (1, n, 1) under the other distribution."""
        mean = z[0, :, 0].astype(np.float64)
        # What stands in for a missing std is true as it is: only given ones are to be scaled.
        std = given(ctx, len(mean), self.alone / self.scale, TINY) * self.scale
        moved, var = np.empty(len(mean)), np.empty(len(mean))
        for part in tilt.pieces(len(mean)):
            share = tilt.likelihood(mean[part], std[part], self.grid, self.was) * self.to
            share /= share.sum(axis=1, keepdims=True)
            moved[part] = (share * self.grid).sum(axis=1)
            # About the mean and not about 0: the std of a sure row would drown in rounding.
            var[part] = (share * (self.grid - moved[part, None]) ** 2).sum(axis=1)
        least = float(np.ptp(self.grid)) / len(self.grid) or TINY
        return Pred(moved[:, None].astype(np.float32), np.maximum(np.sqrt(var), least).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Shifted:
    """Return the shift; the rows say how y was distributed, their scoring weights v how it is declared to be.

    Shape: z (1, n, 1); y, v (n,).
    """
    given = [d for d in (params.was, params.to) if isinstance(d, Density)]
    found = step_edges(y, params.bins)
    own = np.array([y.min(), y.max()]) if found is None else found
    low = min(float(own[0]), *(d.edges[0] for d in given), float(own[-1]))
    high = max(float(own[-1]), *(d.edges[-1] for d in given), low + 1e-9)
    grid, counted = tilt.grid(low, high), np.where(v > 0, 1.0 if ctx.plain is None else ctx.plain, 0.0)
    edges = _edges(y, low, high, own[1:-1] if len(own) > 2 else np.linspace(low, high, params.bins + 1)[1:-1])
    place = np.clip(np.searchsorted(edges, y, side="right") - 1, 0, len(edges) - 2)
    rows, declared = (np.bincount(place, w, len(edges) - 1) / w.sum() for w in (counted, v))

    def held(wanted: str | Density) -> Floats:
        if isinstance(wanted, Density):
            return tilt.density(grid, np.array(wanted.edges), np.array(wanted.shares))
        known = {"rows": rows, "declared": declared, "uniform": np.diff(edges)}
        return tilt.density(grid, edges, known[wanted])

    was = held(params.was)
    at = np.clip(((y - low) / (high - low) * len(grid)).astype(np.int64), 0, len(grid) - 1)
    weight = counted * was[at] / tilt.density(grid, edges, rows)[at]
    error = y - z[0, :, 0]
    alone = float(np.sqrt((weight * error**2).sum() / weight.sum()))
    to = (1 - params.strength) * was + params.strength * held(params.to)
    return Shifted(grid, was, to, _scale(params, ctx, error, weight), alone)


def _scale(params: Params, ctx: Context, error: Floats, weight: Floats) -> float:
    """Return the factor with which (error / std)^2 is one on average, within bounds."""
    if not params.true_std or ctx.std is None or np.isnan(ctx.std[0]).any():
        return 1.0
    std = given(ctx, len(error), 1.0, TINY)
    return float(np.clip(factor(error, std, weight), LEAST, MOST))


def _edges(y: Floats, low: float, high: float, inner: Floats) -> Floats:
    """Return edges of bins over the range of at least LEAST_ROWS rows each, small ones joined with the next."""
    edges = [low]
    ordered = np.sort(y)
    for edge in inner:
        inside = np.searchsorted(ordered, edge) - np.searchsorted(ordered, edges[-1])
        rest = len(y) - np.searchsorted(ordered, edge)
        if inside >= LEAST_ROWS and rest >= LEAST_ROWS:
            edges.append(float(edge))
    return np.array([*edges, high])
