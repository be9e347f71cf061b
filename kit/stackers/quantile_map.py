"""One source, stretched so that its predictions are spread as the target is: for metrics that punish caution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._curves import Curves, joined, steps
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = "value"
SETS_SCALE: bool = True


class Params(Base):
    """Parameters of the map of quantiles."""

    strength: Annotated[float, Field(gt=0, le=1), Tune(0.1, 1.0)] = 1.0
    """How far a prediction is moved to the quantile of the target: 1 = all the way, near 0 = hardly."""


@dataclass(frozen=True)
class Mapped(Curves):
    """The curve from a prediction to the target's quantile, and how far it is followed."""

    strength: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the source z (1, n, 1) mapped; without std, whose scale the map changes."""
        own = z[0, :, 0].astype(np.float64)
        return Pred((own + self.strength * (self.at(0, own) - own))[:, None].astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Mapped:
    """Return the map of each predicted value to the mean of the target over the same range of ranks.

    Shape: z (1, n, 1); y, v (n,).
    """
    places, upto = steps(z[0, :, 0], v)
    order = np.argsort(y, kind="stable")
    share = np.concatenate([[0.0], np.cumsum(v[order])]) / v.sum()
    total = np.concatenate([[0.0], np.cumsum((v * y)[order])]) / v.sum()
    below = np.interp(upto, share, total)
    return Mapped(*joined([(places, np.diff(below) / np.diff(upto))]), params.strength)
