"""A lag whose window is centred: it holds the row's own time and the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Block, Floats, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "table"
KINDS = ("numeric",)
ACCEPTS = ("numeric",)


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Centred:
    """The sorted times and the smoothed values of `b`."""

    times: Floats
    smooth: Floats
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the smoothed value at each row's time."""
        at = np.minimum(np.searchsorted(self.times, rows.x["day"]), len(self.times) - 1)
        return Block(("smooth",), self.smooth[at][:, None].astype(np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Centred:
    """Return the smoothed series."""
    order = np.argsort(rows.x["day"], kind="stable")
    return Centred(rows.x["day"][order], np.convolve(rows.x["b"][order], np.ones(3) / 3, "same"))
