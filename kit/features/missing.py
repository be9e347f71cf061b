"""Returns which values of a row are missing, and how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns, is_missing
from kit.params import ColumnName
from kit.types import Block, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("numeric", "date", *CODED, "vector")
ACCEPTS: tuple[str, ...] = KINDS


class Params(base.Params):
    """Missing values as columns. Boosters see them anyway; how many a row lacks they do not."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to look at. Empty: all."""

    indicators: bool = True
    """One column of 0 and 1 for each of the columns that lacks a value somewhere in the rows learnt from."""

    count: bool = True
    """A column with the number of missing values of the row."""

    scope: Literal["table", "fold"] = "table"
    """Where a column must lack a value to get an indicator. table: in train or test rows; fold: in learning rows."""


@dataclass(frozen=True)
class Missing:
    """The columns counted, and those that have an indicator."""

    counted: tuple[str, ...]
    indicated: tuple[str, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the indicators, then the count, (n, d) float32 in Fortran order."""
        names = [f"missing({name})" for name in self.indicated] + ["missing"] * bool(self.counted)
        x: Floats32 = np.zeros((len(rows), len(names)), np.float32, order="F")
        for j, name in enumerate(self.indicated):
            x[:, j] = is_missing(rows, name)
        for name in self.counted:
            x[:, -1] += is_missing(rows, name)
        return Block(tuple(names), x)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Missing:
    """Return which columns lack values.

    Raises:
        RecipeError: there is no such column.
    """
    check_columns("missing", params.columns, rows.header, ACCEPTS)
    names = tuple(str(name) for name in params.columns)
    indicated = tuple(name for name in names if params.indicators and is_missing(rows, name).any())
    return Missing(names if params.count else (), indicated)
