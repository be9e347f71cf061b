"""One source, rounded to multiples of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from kit.contracts import Context
from kit.params import Params as Base
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
LINEAR: bool = False
LEARNS: bool = False
PER_FOLD: bool = False
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = "value"


class Params(Base):
    """Parameters of the rounding."""

    step: Annotated[float, Field(gt=0)] = 1.0
    """Distance between two allowed values; 0 is one of them."""

    low: float | None = None
    """Smallest value. None = no bound."""

    high: float | None = None
    """Largest value. None = no bound."""

    @model_validator(mode="after")
    def _ordered(self) -> Params:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low must not exceed high")
        return self


@dataclass(frozen=True)
class Round:
    """The multiples of `step` from `low` to `high`."""

    step: float
    low: float
    high: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the source z (1, n, 1) rounded, halves up; without std, for a rounded value has another error."""
        multiple = np.floor(z[0].astype(np.float64) / self.step + 0.5) * self.step
        return Pred(np.clip(multiple, self.low, self.high).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Round:
    """Return the step and the bounds as given: nothing is learnt. Shape: z (1, n, 1); y, v (n,)."""
    low = -np.inf if params.low is None else params.low
    high = np.inf if params.high is None else params.high
    return Round(params.step, low, high)
