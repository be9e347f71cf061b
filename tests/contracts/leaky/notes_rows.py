"""A feature that notes which rows it learns from and is called on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit import params as base
from kit.types import Block, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "table"
KINDS = ("numeric",)
ACCEPTS = KINDS

LEARNT_FROM: list[Rows] = []
CALLED_ON: list[Rows] = []


class Params(base.Params):
    """The scope."""

    scope: Literal["table", "fold"] = "table"
    """What to be handed."""


@dataclass(frozen=True)
class Note:
    """Nothing."""

    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return zeros."""
        CALLED_ON.append(rows)
        return Block(("nothing",), np.zeros((len(rows), 1), np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Note:
    """Return the feature."""
    LEARNT_FROM.append(rows)
    return Note()
