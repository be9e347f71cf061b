"""Returns categories made of the values of several columns together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns, check_together, sets_of
from kit.features._keys import Keys
from kit.params import ColumnName, Tune
from kit.types import Block, Column, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("category",)
ACCEPTS: tuple[str, ...] = (*CODED, "numeric", "date")
CATEGORIES = True


class Params(base.Params):
    """Crosses of categories, a category each: two rows agree where they agree in every column of the cross.

    The target mean or the count of a cross is had from `target_mean` and `count` with `together`.
    """

    columns: tuple[ColumnName, ...] = ()
    """Columns to cross; numbers count by value. Empty: all category columns."""

    together: Annotated[int, Field(ge=2, le=3)] = 2
    """How many columns make a cross: 2 = every pair of them, 3 = every three."""

    min_count: Annotated[int, Field(ge=1), Tune(1, 50, log=True)] = 2
    """Crosses in fewer rows become one level, `other`; so does what was never met."""

    scope: Literal["table", "fold"] = "table"
    """table: crosses of train and test rows. fold: of the learning rows of the fold, the strict form."""


@dataclass(frozen=True, eq=False)
class Cross:
    """Groups, and for each set of columns (size + 1,) the code of a group; the last code is that of `other`."""

    keys: tuple[Keys, ...]
    codes: tuple[Floats32, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the codes, (n, sets) float32 in Fortran order."""
        names = tuple(f"cross({key.label})" for key in self.keys)
        x: Floats32 = np.empty((len(rows), len(names)), np.float32, order="F")
        for i, (key, codes) in enumerate(zip(self.keys, self.codes, strict=True)):
            x[:, i] = codes[key(rows)]
        return Block(names, x, {n: int(codes[-1]) + 1 for n, codes in zip(names, self.codes, strict=True)})


def ready(params: Params, header: dict[str, Column]) -> Params:
    """Return the params, checked when the plan is made.

    Raises:
        RecipeError: too few columns to cross, or too many crosses.
    """
    check_together("cross", params.columns, params.together)
    return params


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Cross:
    """Return the crosses that `rows` have.

    Raises:
        RecipeError: a named column holds vectors.
    """
    check_columns("cross", params.columns, rows.header, ACCEPTS)
    keys, codes = [], []
    for columns in sets_of(params.columns, params.together):
        key, group = Keys.learn(columns, rows)
        kept = np.append(np.bincount(group, minlength=key.size) >= params.min_count, False)
        keys.append(key)
        codes.append(np.where(kept, np.cumsum(kept) - 1, kept.sum()).astype(np.float32))
    return Cross(tuple(keys), tuple(codes))
