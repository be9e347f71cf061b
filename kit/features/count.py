"""Returns how often the value of a column, or of several together, occurs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns, check_together, sets_of
from kit.features._keys import Keys
from kit.params import ColumnName
from kit.types import Block, Column, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("category",)
ACCEPTS: tuple[str, ...] = (*CODED, "numeric", "date")

Kind = Literal["count", "frequency"]


class Params(base.Params):
    """Counts of values over train and test; a missing value is counted like any other, a value never met counts 0."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to count in; numbers are counted as they are. Empty: all category columns."""

    together: Annotated[int, Field(ge=1, le=3)] = 1
    """How many columns make a value: 1 = each alone, 2 = every pair of them, 3 = every three."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("count",)
    """count: number of rows; frequency: their share, which does not grow with the table."""

    scope: Literal["table", "fold"] = "table"
    """table: over train and test rows. fold: over the learning rows of the fold, the strict form."""


@dataclass(frozen=True, eq=False)
class Count:
    """Groups, and for each set of columns (size + 1,) how many rows a group has, 0 at the end; n learnt rows."""

    keys: tuple[Keys, ...]
    counts: tuple[Floats32, ...]
    kinds: tuple[Kind, ...]
    n: int
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the counts, (n, sets * kinds) float32 in Fortran order."""
        names = tuple(f"{kind}({key.label})" for key in self.keys for kind in self.kinds)
        x: Floats32 = np.empty((len(rows), len(names)), np.float32, order="F")
        for i, (key, counts) in enumerate(zip(self.keys, self.counts, strict=True)):
            found = counts[key(rows)]
            for j, kind in enumerate(self.kinds):
                x[:, i * len(self.kinds) + j] = found if kind == "count" else found / max(self.n, 1)
        return Block(names, x)


def ready(params: Params, header: dict[str, Column]) -> Params:
    """Return the params, checked when the plan is made.

    Raises:
        RecipeError: too few columns to put together, or too many results.
    """
    check_together("count", params.columns, params.together, len(params.kinds))
    return params


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Count:
    """Return the counts of all `rows`.

    Raises:
        RecipeError: a named column holds vectors.
    """
    check_columns("count", params.columns, rows.header, ACCEPTS)
    keys, counts = [], []
    for columns in sets_of(params.columns, params.together):
        key, group = Keys.learn(columns, rows)
        keys.append(key)
        counts.append(np.append(np.bincount(group, minlength=key.size), 0).astype(np.float32))
    return Count(tuple(keys), tuple(counts), params.kinds, len(rows))
