"""Returns category columns as codes, which a learner treats in its own way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.contracts import Scope
from kit.errors import DataError
from kit.features._columns import check_columns
from kit.params import ColumnName
from kit.types import Block, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ("category",)
ACCEPTS: tuple[str, ...] = ("category", "text", "key")

MAX_LEVELS = 2**24
"""float32 holds whole numbers exactly up to here."""


class Params(base.Params):
    """Category columns as codes; two levels stay a category."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to take, in this order; a text column works too, each distinct text is a level. Empty: all categories."""


@dataclass(frozen=True)
class Category:
    """The columns to gather and how many levels each has."""

    columns: tuple[str, ...]
    n_levels: tuple[int, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the codes, (n, d) float32 in Fortran order; missing = NaN."""
        x: Floats32 = np.empty((len(rows), len(self.columns)), np.float32, order="F")
        for j, name in enumerate(self.columns):
            codes = rows.x[name]
            x[:, j] = codes
            x[codes < 0, j] = np.nan
        return Block(self.columns, x, dict(zip(self.columns, self.n_levels, strict=True)))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Category:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a named column holds neither categories nor texts.
        DataError: a column has more levels than float32 can number.
    """
    check_columns("category", params.columns, rows.header, ACCEPTS)
    n_levels = tuple(len(rows.header[name].levels) for name in params.columns)
    for name, n in zip(params.columns, n_levels, strict=True):
        if n > MAX_LEVELS:
            raise DataError("a category has too many levels", place=name, got=n, allowed=f"at most {MAX_LEVELS}")
    return Category(tuple(str(name) for name in params.columns), n_levels)
