"""One source of probabilities through a beta calibration: bends both ends, and may leave good ones alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._proba import EPS, expit, fit_logistic
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("binary",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = None
SETS_SCALE: bool = True

STEADY = 1e-9
"""A pull to no change that only counts where the rows say nothing."""

NEVER = 1e12
"""A pull that holds a number at its place."""


class Params(Base):
    """Beta calibration has no parameters."""


@dataclass(frozen=True)
class Beta:
    """Log odds become a log p - b log(1 - p) + c, with a and b at least 0."""

    a: float
    b: float
    c: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the calibrated probability of the source z (1, n, 1)."""
        x = _parts(z[0, :, 0])
        return Pred(expit(self.a * x[0] + self.b * x[1] + self.c)[:, None].astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Beta:
    """Return the a, b >= 0 and c of least logarithmic loss.

    Shape: z (1, n, 1); y, v (n,).
    Source: Kull, Silva Filho & Flach 2017, Beta calibration.
    """
    x = np.concatenate([_parts(z[0, :, 0]), np.ones((1, len(y)))])
    pull, centre = np.full(3, STEADY), np.array([1.0, 1.0, 0.0])
    w = fit_logistic(x, y, v, pull, centre)
    for at in np.flatnonzero(w[:2] < 0)[:1]:
        # The other one is fitted anew without it; alone it is at least 0 unless the source ranks backwards.
        pull[at], centre[at] = NEVER, 0.0
        w = fit_logistic(x, y, v, pull, centre)
    return Beta(max(float(w[0]), 0.0), max(float(w[1]), 0.0), float(w[2]))


def _parts(p: Floats32) -> Floats:
    """Return (2, n) log p and -log(1 - p), p kept within [1e-6, 1 - 1e-6]."""
    inside = np.clip(p.astype(np.float64), EPS, 1 - EPS)
    return np.stack([np.log(inside), -np.log1p(-inside)])
