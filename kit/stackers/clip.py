"""One source, cut to a range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import model_validator

from kit.contracts import Context
from kit.params import Params as Base
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
LINEAR: bool = False
LEARNS: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = "value"


class Params(Base):
    """Parameters of the range."""

    low: float | None = None
    """Smallest value. None = not cut below."""

    high: float | None = None
    """Largest value. None = not cut above."""

    @model_validator(mode="after")
    def _ordered(self) -> Params:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low must not exceed high")
        return self


@dataclass(frozen=True)
class Clip:
    """The range from `low` to `high`; an infinite end does not cut."""

    low: float
    high: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the source z (1, n, 1) cut to the range, with its std as it is."""
        std = None if ctx.std is None or np.isnan(ctx.std).any() else ctx.std[0]
        return Pred(np.clip(z[0], self.low, self.high), std)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Clip:
    """Return the range as given: nothing is learnt. Shape: z (1, n, 1); y, v (n,)."""
    low = -np.inf if params.low is None else params.low
    high = np.inf if params.high is None else params.high
    return Clip(low, high)
