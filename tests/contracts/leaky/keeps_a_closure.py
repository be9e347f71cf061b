"""A feature that keeps a function: it cannot be saved without pickle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Array, Block, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "table"
KINDS = ("numeric",)
ACCEPTS = ("numeric",)


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Centred:
    """How to centre `b`."""

    centre: Callable[[Array], Array]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return `b`, centred."""
        return Block(("b",), self.centre(rows.x["b"])[:, None].astype(np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Centred:
    """Return the feature."""
    mean = rows.x["b"].mean()
    return Centred(lambda b: b - mean)
