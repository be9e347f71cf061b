"""A target mean whose learning rows see their own y: no cross-fitting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Block, Floats, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "fold"
KINDS = ("category",)
ACCEPTS = KINDS


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Mean:
    """The mean per level of `e`."""

    table: Floats
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the means."""
        return Block(("mean",), self.table[rows.x["e"]][:, None].astype(np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Mean:
    """Return the feature."""
    count = np.bincount(rows.x["e"], minlength=12)
    return Mean(np.bincount(rows.x["e"], rows.y, 12) / np.maximum(count, 1))
