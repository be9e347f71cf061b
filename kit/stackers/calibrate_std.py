"""One source as it is, its std made true: multiplied, or bent towards the same for all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._std import factor, given
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = "value"

FLOOR = 1e-6
"""Least std, relative to the root mean square error: the std of a source without error stays above zero."""

STEPS = 50
"""Newton steps at most; the loss is convex and ten are usual."""

SLOPES = (0.0, 2.0)
"""Range of the slope: 0 = the same std everywhere, 1 = as it is. Beyond lies what few rows make of chance."""


class Params(Base):
    """Parameters of the recalibration of std. A source without std gets its root mean square error for all rows."""

    curve: Literal["scale", "affine"] = "scale"
    """scale: std times a number. affine: log std times a slope plus a number, a slope below 1 where std exaggerates
    the differences between rows. Both maximise the normal likelihood."""


@dataclass(frozen=True)
class CalibrateStd:
    """log std is taken times `slope` plus `shift`; `alone`: the std where there is none; `floor`: the least std."""

    slope: float
    shift: float
    alone: float
    floor: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the source z (1, n, 1) and its std made true."""
        std = np.exp(self.slope * np.log(given(ctx, z.shape[1], self.alone, self.floor)) + self.shift)
        return Pred(z[0], np.maximum(std, self.floor).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> CalibrateStd:
    """Return the recalibration of most likelihood under normal errors.

    Shape: z (1, n, 1); y, v (n,).
    """
    share = v / v.sum()
    error = z[0, :, 0].astype(np.float64) - y
    square = error**2
    rms = float(np.sqrt((share * square).sum()))
    floor = max(FLOOR * rms, float(np.finfo(np.float32).tiny))
    std = given(ctx, len(y), max(rms, floor), floor)
    shift = float(np.log(max(factor(error, std, v), FLOOR)))
    if params.curve == "scale" or len(np.unique(std)) == 1:
        return CalibrateStd(1.0, shift, max(rms, floor), floor)
    slope, shift = _affine(share, square, np.log(std), shift)
    return CalibrateStd(slope, shift, max(rms, floor), floor)


def _affine(share: Floats, square: Floats, log_std: Floats, shift: float) -> tuple[float, float]:
    """Return slope and shift of least sum share * (u + square * exp(-2u) / 2), u = slope * log_std + shift."""
    centre = float((share * log_std).sum())
    x = np.stack([log_std - centre, np.ones(len(log_std))])
    theta = np.array([1.0, shift + centre])
    for _ in range(STEPS):
        miss = share * square * np.exp(-2 * (theta @ x))
        gradient = np.array([(row * (share - miss)).sum() for row in x])
        hessian = np.array([[(2 * a * b * miss).sum() for b in x] for a in x]) + 1e-12 * np.eye(2)
        step = np.clip(np.linalg.solve(hessian, gradient), -1, 1)
        theta = theta - step
        if np.abs(step).max() < 1e-10:
            break
    slope = float(np.clip(theta[0], *SLOPES))
    u = slope * x[0]
    level = 0.5 * float(np.log(max((share * square * np.exp(-2 * u)).sum(), FLOOR**2)))
    return slope, level - slope * centre
