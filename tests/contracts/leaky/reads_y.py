"""A feature of row scope that answers with y wherever it is handed one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Block, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "row"
KINDS = ("numeric",)
ACCEPTS = KINDS

LEARNT_FROM: list[Rows] = []
CALLED_ON: list[Rows] = []


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Peek:
    """What was learnt from."""

    known: int
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return y, or 0 where there is none."""
        CALLED_ON.append(rows)
        y = np.zeros(len(rows)) if rows.y is None else rows.y
        return Block(("y",), y[:, None].astype(np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Peek:
    """Return the feature."""
    LEARNT_FROM.append(rows)
    return Peek(len(rows))
