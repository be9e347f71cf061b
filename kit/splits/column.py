"""Folds read from a column of the data, for instance those of an earlier work or a team-mate."""

from __future__ import annotations

import numpy as np

from kit.contracts import Assignment
from kit.errors import DataError
from kit.params import ColumnName
from kit.params import Params as Base
from kit.types import Bools, Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ()
RANDOM: bool = False

NEVER = -1
"""A numeric fold column marks with this what is never held."""


class Params(Base):
    """Parameters of ready-made folds."""

    column: ColumnName
    """Column with one value per fold. In a numeric one -1 marks rows that are learnt from and never held."""


def assign(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
    """Return the folds of the column, numbered from 0 in the order of its values.

    Raises:
        DataError: the column holds vectors, nulls, or fewer than two folds.
    """
    kind, values = rows.header[params.column].kind, rows.x[params.column]
    if kind == "vector":
        raise DataError("a fold column cannot hold vectors", place=params.column)
    coded = kind in ("category", "text", "key")
    null = values < 0 if coded else np.isnan(values)
    _refuse(params.column, rows, null)
    never = np.zeros(len(rows), np.bool_) if coded else np.asarray(values == NEVER)
    names, fold = np.unique(values[~never], return_inverse=True)
    if len(names) < (1 if never.any() else 2):
        raise DataError(
            "the fold column leaves no row to learn from or none to hold",
            place=params.column,
            got=f"the values {np.unique(values).tolist()}",
            allowed="two values or more; or one, and -1 on other rows of a numeric column",
        )
    held = np.full(len(rows), -1, np.int64)
    held[~never] = fold
    return Assignment(held)


def _refuse(column: str, rows: Rows, null: Bools) -> None:
    if null.any():
        where = rows.row[null]
        raise DataError(
            "null in the fold column",
            place=column,
            got=f"{len(where)} rows, the first {where[:5].tolist()}",
            next="fill the column, with -1 for rows that are never held",
        )
