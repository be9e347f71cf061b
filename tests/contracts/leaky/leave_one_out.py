"""A target mean that takes a row's own y off its level: what is missing tells what it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Block, Floats, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "fold"
KINDS = ("category",)
ACCEPTS = ("category",)


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Mean:
    """The mean per level of `e`."""

    table: Floats
    own: Block | None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the means."""
        return Block(("mean",), self.table[rows.x["e"]][:, None].astype(np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Mean:
    """Return the means, and each row's own without itself."""
    assert rows.y is not None
    e = rows.x["e"]
    count, total = np.bincount(e, minlength=12), np.bincount(e, rows.y, 12)
    own = (total[e] - rows.y) / np.maximum(count[e] - 1, 1)
    return Mean(total / np.maximum(count, 1), Block(("mean",), own[:, None].astype(np.float32)))
