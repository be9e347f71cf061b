"""Returns the numeric columns as they are: one matrix column each."""

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
KINDS: tuple[str, ...] = ("numeric",)
ACCEPTS: tuple[str, ...] = ("numeric", "date")


class Params(base.Params):
    """Numeric columns, unchanged; infinities become missing."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to take, in this order; a date counts in its own unit. Empty: all numeric columns."""


@dataclass(frozen=True)
class Numeric:
    """The columns to gather."""

    columns: tuple[str, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the columns, (n, d) float32 in Fortran order; infinite and beyond float32 = NaN."""
        x: Floats32 = np.empty((len(rows), len(self.columns)), np.float32, order="F")
        with np.errstate(over="ignore"):
            for j, name in enumerate(self.columns):
                column = x[:, j]
                column[:] = rows.x[name]
                # Column by column, so that the mask is n bytes and not n * d.
                infinite = np.isinf(column)
                if infinite.any():
                    column[infinite] = np.nan
        return Block(self.columns, x)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Numeric:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a named column is not numeric.
    """
    check_columns("numeric", params.columns, rows.header, ACCEPTS)
    return Numeric(tuple(str(name) for name in params.columns))
