"""Each row weighs the sources by how sure they are of it: inverse variances, errors that go together discounted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._gram import MANY, one_thread
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = "value"

FLOOR = 1e-6
"""Least std, relative to the root mean square error of the sources: one without error keeps a finite weight."""


class Params(Base):
    """Parameters of the precision weights."""

    shrink: Annotated[float, Field(ge=0, le=1), Tune(0.05, 1.0)] = 0.3
    """How far the correlations of the sources' errors are drawn to 0; 1 = plain inverse variances."""


@dataclass(frozen=True)
class Precision:
    """What rows are weighed by.

    Shape: alone (S,) std of a source that gives none; scale (S,) factors that make the others' std true; inverse and
    corr (S, S) of the errors; weights (S,) the mean weights on the rows it was fitted on. `blended`: the factor that
    makes the std of the blend true; `floor`: the least std.
    """

    alone: Floats
    scale: Floats
    corr: Floats
    inverse: Floats
    weights: Floats
    blended: float
    floor: float

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the weighted mean of z (S, n, 1) and its std."""
        std = self.stds(ctx.std, z.shape[1])
        weights = self.row_weights(std)
        mean = sum(weights[s] * z[s, :, 0] for s in range(len(z)))
        return Pred(np.asarray(mean)[:, None].astype(np.float32), self.spread(weights, std).astype(np.float32))

    def stds(self, given: Floats32 | None, n: int) -> Floats:
        """Return (S, n) the std of each source's error."""
        std = np.repeat(self.alone[:, None], n, axis=1)
        if given is not None:
            std = np.where(np.isnan(given), std, self.scale[:, None] * given)
        return np.maximum(std, self.floor)

    def row_weights(self, std: Floats) -> Floats:
        """Return (S, n) weights of sum one: in units of std, C^-1 (1 / std), negative ones cut off."""
        sure = 1 / std
        # Source by source and not as one product: BLAS sums in an order that depends on the number of rows.
        raw = np.stack([sure[s] * sum(c * sure[t] for t, c in enumerate(row)) for s, row in enumerate(self.inverse)])
        raw = np.maximum(raw, 0)
        return np.asarray(raw / sum(raw))

    def spread(self, weights: Floats, std: Floats) -> Floats:
        """Return (n,) the std of the weighted mean, given the correlations."""
        part = weights * std
        variance = sum(part[s] * sum(c * part[t] for t, c in enumerate(row)) for s, row in enumerate(self.corr))
        return np.asarray(np.maximum(self.blended * np.sqrt(np.maximum(np.asarray(variance), 0)), self.floor))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Precision:
    """Return the weighing of sources by their std, which is first made true: c^2 = E (error / std)^2.

    Shape: z (S, n, 1); y, v (n,).
    Source: Winkler 1981, Combining probability distributions from dependent information sources.
    """
    n_sources, share = len(z), v / v.sum()
    error = z[:, :, 0].astype(np.float64) - y
    rms = np.sqrt((share * error**2).sum(axis=1))
    floor = max(FLOOR * float(np.sqrt((rms**2).mean())), float(np.finfo(np.float32).tiny))
    blank = np.ones(n_sources)
    eye = np.eye(n_sources)
    made = Precision(rms, blank, eye, eye, blank / n_sources, 1.0, floor)
    std = made.stds(ctx.std, len(y))
    made = Precision(rms, np.sqrt((share * (error / std) ** 2).sum(axis=1)), eye, eye, blank, 1.0, floor)
    std = made.stds(ctx.std, len(y))
    corr = _correlations(error / std, share, params.shrink)
    with one_thread():
        inverse = np.asarray(np.linalg.inv(corr), np.float64)
    made = Precision(rms, made.scale, corr, inverse, blank, 1.0, floor)
    weights = made.row_weights(std)
    missed = sum(weights[s] * error[s] for s in range(n_sources))
    blended = float(np.sqrt((share * (missed / made.spread(weights, std)) ** 2).sum()))
    return Precision(rms, made.scale, corr, inverse, (share * weights).sum(axis=1), max(blended, FLOOR), floor)


def _correlations(z: Floats, share: Floats, shrink: float) -> Floats:
    """Return (S, S) the shrunk uncentred correlations of standardised errors z (S, n)."""
    with one_thread():
        raw = (z * share) @ z.T
    size = np.sqrt(np.maximum(np.diag(raw), np.finfo(float).tiny))
    corr = raw / size / size[:, None]
    corr = (1 - shrink) * corr
    np.fill_diagonal(corr, 1 + 1e-9)
    return np.asarray(corr)
