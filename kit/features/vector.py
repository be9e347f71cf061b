"""Returns vector columns side by side: one matrix column per element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import check_columns
from kit.params import ColumnName
from kit.types import Block, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ("vector",)
ACCEPTS: tuple[str, ...] = ("vector",)


class Params(base.Params):
    """Vector columns (embeddings, arrays), element by element."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to take, in this order. Empty: all vector columns."""


@dataclass(frozen=True)
class Vector:
    """The columns to gather and how wide each is."""

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the elements, (n, sum of widths) float32; one column alone is passed on without a copy."""
        names = tuple(f"{c}[{j}]" for c, width in zip(self.columns, self.widths, strict=True) for j in range(width))
        if len(self.columns) == 1:
            return Block(names, np.asarray(rows.x[self.columns[0]], np.float32))
        x: Floats32 = np.empty((len(rows), sum(self.widths)), np.float32)
        at = 0
        for name, width in zip(self.columns, self.widths, strict=True):
            x[:, at : at + width] = rows.x[name]
            at += width
        return Block(names, x)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Vector:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a named column holds no vectors.
    """
    check_columns("vector", params.columns, rows.header, ACCEPTS)
    return Vector(tuple(str(name) for name in params.columns), tuple(rows.header[n].width for n in params.columns))
