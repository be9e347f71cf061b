"""Returns sums, differences, products and ratios of two numeric columns each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import check_columns, check_together, sets_of
from kit.params import ColumnName
from kit.types import Block, Column, Floats, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ("numeric",)
ACCEPTS: tuple[str, ...] = ("numeric", "date")

Kind = Literal["sum", "difference", "product", "ratio"]
SIGNS = {"sum": "+", "difference": "-", "product": "*", "ratio": "/"}


class Params(base.Params):
    """Combinations of every two of the columns; a missing value makes a missing one, so does a ratio to 0."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to combine, every two of them in this order (100 columns are 4950 pairs). Empty: all numeric columns."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("difference", "product", "ratio")
    """What to compute: sum, difference (first minus second), product, ratio (first by second)."""


@dataclass(frozen=True)
class Pairs:
    """The pairs and what is computed of each."""

    pairs: tuple[tuple[str, ...], ...]
    kinds: tuple[Kind, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the combinations, (n, pairs * kinds) float32 in Fortran order; what is infinite = NaN."""
        names = tuple(f"{left} {SIGNS[kind]} {right}" for left, right in self.pairs for kind in self.kinds)
        x: Floats32 = np.empty((len(rows), len(names)), np.float32, order="F")
        columns = {name: rows.x[name].astype(np.float64) for pair in self.pairs for name in pair}
        with np.errstate(all="ignore"):
            for i, (left, right) in enumerate(self.pairs):
                for j, kind in enumerate(self.kinds):
                    column = x[:, i * len(self.kinds) + j]
                    column[:] = _combined(kind, columns[left], columns[right])
                    column[np.isinf(column)] = np.nan
        return Block(names, x)


def ready(params: Params, header: dict[str, Column]) -> Params:
    """Return the params, checked when the plan is made.

    Raises:
        RecipeError: fewer than two columns, or too many results.
    """
    check_together("pairs", params.columns, 2, len(params.kinds))
    return params


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Pairs:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a named column is not numeric.
    """
    check_columns("pairs", params.columns, rows.header, ACCEPTS)
    return Pairs(tuple(sets_of(params.columns, 2)), params.kinds)


def _combined(kind: Kind, left: Floats, right: Floats) -> Floats:
    if kind == "sum":
        return left + right
    if kind == "difference":
        return left - right
    return left * right if kind == "product" else left / right
