"""A feature that gives a row its rank among the rows it is called with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Block, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "row"
KINDS = ("numeric",)
ACCEPTS = KINDS


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Rank:
    """Nothing."""

    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the ranks."""
        return Block(("rank",), np.argsort(np.argsort(rows.x["b"]))[:, None].astype(np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Rank:
    """Return the feature."""
    return Rank()
