"""A feature with a place for each text of the header, and none for those that come later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Block, Floats, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE = "table"
KINDS = ("text",)
ACCEPTS = ("text",)


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Counts:
    """How often each text occurs; the missing one at the end."""

    table: Floats
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the counts."""
        return Block(("count",), self.table[rows.x["text"]][:, None].astype(np.float32))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Counts:
    """Return the counts."""
    n = len(rows.header["text"].levels)
    code = rows.x["text"]
    return Counts(np.bincount(np.where(code < 0, n, code), minlength=n + 1).astype(np.float64))
