"""One source of probabilities, its log odds stretched and moved (Platt scaling)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._proba import effective, expit, fit_logistic, logit
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("binary",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = None
SETS_SCALE: bool = True

STEADY = np.array([1e-9, 1e-9])
"""A pull to no change that only counts where the rows say nothing."""


class Params(Base):
    """Platt scaling has no parameters."""


@dataclass(frozen=True)
class Platt:
    """Log odds become slope * log odds + constant."""

    slope: float
    constant: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the calibrated probability of the source z (1, n, 1)."""
        return Pred(expit(self.slope * logit(z[0]) + self.constant).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Platt:
    """Return the slope and constant of least logarithmic loss, for targets a little inside 0 and 1.

    Shape: z (1, n, 1); y, v (n,).
    Source: Platt 1999, Probabilistic outputs for support vector machines: targets (n+ + 1) / (n+ + 2), 1 / (n- + 2).
    """
    rows = effective(v)
    good = rows * float((v * y).sum() / v.sum())
    target = np.where(y == 1, (good + 1) / (good + 2), 1 / (rows - good + 2))
    x = np.stack([logit(z[0, :, 0]), np.ones(len(y))])
    slope, constant = fit_logistic(x, target, v, STEADY, np.array([1.0, 0.0]))
    return Platt(float(slope), float(constant))
