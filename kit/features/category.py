"""Returns category columns as codes, which a learner treats in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from kit import params as base
from kit.contracts import Scope
from kit.errors import DataError
from kit.features._columns import check_columns, codes_of
from kit.params import ColumnName, Tune
from kit.types import Array, Block, Floats32, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ("category",)
ACCEPTS: tuple[str, ...] = ("category", "text", "key")
CATEGORIES = True

MAX_LEVELS = 2**24
"""float32 holds whole numbers exactly up to here."""


class Params(base.Params):
    """Category columns as codes; two levels stay a category."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to take, in this order; a text column works too, each distinct text is a level. Empty: all categories."""

    min_count: Annotated[int, Field(ge=1), Tune(1, 50, log=True)] = 1
    """Levels in fewer rows become one level, `other`; 1 keeps all."""

    scope: Literal["row", "table", "fold"] = "row"
    """Whose rows are counted for `min_count`: table, those of train and test (the default there), or fold, the learning
    rows of the fold (the strict form). Without it nothing is counted: row."""

    @model_validator(mode="before")
    @classmethod
    def _count_over_the_table(cls, data: Any) -> Any:
        rare = isinstance(data, Mapping) and isinstance(n := data.get("min_count"), int | float) and n > 1
        return {"scope": "table", **data} if rare else data

    @model_validator(mode="after")
    def _count_over_some_rows(self) -> Self:
        if self.min_count > 1 and self.scope == "row":
            raise ValueError("scope must be table or fold where min_count counts rows")
        return self


@dataclass(frozen=True, eq=False)
class Category:
    """The columns to gather, and for each (n_levels + 1,) the code of a level; the last is NaN, where code -1 points.

    `n_codes`: how many codes each column has.
    """

    columns: tuple[str, ...]
    codes: tuple[Floats32, ...]
    n_codes: tuple[int, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the codes, (n, d) float32 in Fortran order; missing, and a level that was not learnt, = NaN."""
        x: Floats32 = np.empty((len(rows), len(self.columns)), np.float32, order="F")
        for j, (name, codes) in enumerate(zip(self.columns, self.codes, strict=True)):
            x[:, j] = codes[codes_of(rows, name, len(codes) - 1)]
        return Block(self.columns, x, dict(zip(self.columns, self.n_codes, strict=True)))


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Category:
    """Return the feature; only the header is read where `min_count` is 1.

    Raises:
        RecipeError: a named column holds neither categories nor texts.
        DataError: a column has more levels than float32 can number.
    """
    check_columns("category", params.columns, rows.header, ACCEPTS)
    codes, n_codes = [], []
    for name in params.columns:
        n = len(rows.header[name].levels)
        if n > MAX_LEVELS:
            raise DataError("a category has too many levels", place=name, got=n, allowed=f"at most {MAX_LEVELS}")
        made = np.arange(n) if params.scope == "row" else _common(rows.x[name], n, params.min_count)
        codes.append(np.append(made, np.nan).astype(np.float32))
        n_codes.append(int(made.max(initial=-1)) + 1)
    return Category(tuple(str(name) for name in params.columns), tuple(codes), tuple(n_codes))


def _common(column: Array, n: int, min_count: int) -> Ints:
    """Return (n,) new codes: the common levels keep their order, the rare ones share the last code."""
    kept = np.bincount(column[column >= 0], minlength=n) >= min_count
    return np.asarray(np.where(kept, np.cumsum(kept) - 1, kept.sum()), np.int64)
