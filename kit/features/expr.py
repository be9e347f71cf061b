"""Returns columns computed by SQL expressions from the columns of the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from kit import params as base
from kit.contracts import Scope
from kit.errors import RecipeError
from kit.features._columns import CODED, check_columns
from kit.features._sql import Query, check, read
from kit.params import ColumnName
from kit.types import Array, Block, Column, ColumnKind, Floats32, Rows, Task

if TYPE_CHECKING:
    import polars as pl

LIBS: tuple[str, ...] = ("polars",)
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = ("numeric", "date", *CODED)
TAKES_TIME = True
CATEGORIES = True


class Params(base.Params):
    """Expressions in SQL as polars reads it, one column each. Numbers, truth values and dates become numbers (a date or
    a duration counts days), text becomes a category. A missing value, a value that cannot be cast, and what is infinite
    are missing. Categories and texts are compared as written: `colour = 'red'`.
    """

    expressions: Annotated[dict[str, str], Field(min_length=1)]
    """Name of the column -> expression: {rooms_each: "total_rooms / NULLIF(households, 0)"}. Column names with blanks
    or signs, or equal to a word of SQL, stand in double quotes, text in single ones. No aggregates: see `aggregate`."""

    scope: Literal["row", "table", "fold"] = "row"
    """Where the levels of an expression with text as its value come from. row: from those of the one column it reads.
    table or fold: from the values it has in those rows, which an expression of several columns needs."""

    reads: tuple[ColumnName, ...] = ()
    """The columns the expressions read; found when the plan is made, whatever stands here."""

    queries: dict[str, tuple[str, tuple[int, ...]]] = Field(default={})
    """The expressions as polars gets them, and the places of their columns in `reads`; found when the plan is made."""

    @field_validator("expressions", mode="before")
    @classmethod
    def _cut_by_commas(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and None in value.values():
            raise ValueError("names with expressions; one that holds a comma stands in quotes")
        return value


@dataclass(frozen=True, eq=False)
class Expr:
    """The expressions, and per expression the levels of its value (None where it is a number)."""

    names: tuple[str, ...]
    queries: tuple[Query, ...]
    levels: tuple[tuple[str, ...] | None, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the values, (n, d) float32 in Fortran order."""
        x: Floats32 = np.empty((len(rows), len(self.names)), np.float32, order="F")
        with np.errstate(over="ignore"):
            for j in range(len(self.names)):
                x[:, j] = self._numbers(j, rows)
        x[np.isinf(x)] = np.nan
        sizes = {name: len(levels) for name, levels in zip(self.names, self.levels, strict=True) if levels is not None}
        return Block(self.names, x, sizes)

    @property
    def column(self) -> Column | None:
        """One expression makes an ordinary column, several make vectors."""
        if len(self.names) > 1:
            return None
        return Column("numeric") if self.levels[0] is None else Column("category", self.levels[0])

    def values(self, rows: Rows) -> Array:
        """Return (n,) the values of the first expression: numbers, or codes of its levels."""
        found = self._numbers(0, rows)
        if self.levels[0] is not None:
            return np.where(np.isnan(found), -1, found).astype(np.int32)
        return np.where(np.isfinite(found), found, np.nan)

    def _numbers(self, j: int, rows: Rows) -> Array:
        values, levels = _values(self.queries[j], rows), self.levels[j]
        return _numbers(values) if levels is None else _codes(values, levels)


def ready(params: Params, header: Mapping[str, Column]) -> Params:
    """Return the params with the columns that the expressions read, checked when the plan is made.

    Raises:
        RecipeError: an expression is not let through, names an unknown column or cannot be computed.
    """
    known = _known(header)
    queries = {name: read(name, sql, known) for name, sql in params.expressions.items()}
    for name, query in queries.items():
        _needs_rows(params, name, query, check(name, query, known), header)
    reads = list(dict.fromkeys(column for query in queries.values() for column in query.columns))
    places = {name: (query.sql, tuple(reads.index(c) for c in query.columns)) for name, query in queries.items()}
    return params.model_copy(update={"reads": tuple(ColumnName(c) for c in reads), "queries": places})


def kind(params: Params, header: Mapping[str, Column]) -> ColumnKind:
    """Return what a computed column of these params is: numbers or a category where there is one expression.

    Raises:
        RecipeError: one of several expressions has text as its value, of which vectors know nothing.
    """
    known = _known(header)
    kinds = {name: check(name, query, known) for name, query in _queries(params).items()}
    words = [name for name, its in kinds.items() if its == "category"]
    if len(kinds) == 1:
        return "category" if words else "numeric"
    if words:
        rule = "several expressions make vectors, which hold no text"
        raise RecipeError(rule, got=", ".join(words), next="make each a computed column of its own")
    return "vector"


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Expr:
    """Return the expressions, which `ready` has checked, and the levels of those whose values are text.

    Raises:
        RecipeError: a named column has the wrong kind.
    """
    params = params if params.queries else ready(params, rows.header)
    check_columns("expr", params.reads, rows.header, ACCEPTS)
    queries, levels = _queries(params), []
    for name, query in queries.items():
        of_rows = rows if params.scope != "row" else _every_level(query, rows.header)
        is_text = check(name, query, _known(rows.header)) == "category"
        levels.append(_levels(_values(query, of_rows)) if is_text else None)
    return Expr(tuple(queries), tuple(queries.values()), tuple(levels))


def _known(header: Mapping[str, Column]) -> dict[str, str]:
    """Return the kinds of the columns an expression may read."""
    return {name: column.kind for name, column in header.items() if column.kind in ACCEPTS}


def _queries(params: Params) -> dict[str, Query]:
    """Return the queries over the columns as they are called now; a computed one is renamed after the plan."""
    return {
        name: Query(sql, tuple(str(params.reads[i]) for i in places)) for name, (sql, places) in params.queries.items()
    }


def _needs_rows(params: Params, name: str, query: Query, kind: str, header: Mapping[str, Column]) -> None:
    """Return nothing: the levels of a text value can be told from the header, or rows are learnt from."""
    single = len(query.columns) == 1 and header[query.columns[0]].kind in CODED
    if kind == "category" and params.scope == "row" and not single:
        rule = f"the levels of the expression {name} are not known without rows: it does not read one category alone"
        got = f"text made of {', '.join(query.columns)}"
        raise RecipeError(rule, got=got, allowed="scope: table or fold", next="add scope: table")


def _every_level(query: Query, header: Mapping[str, Column]) -> Rows:
    """Return one row for each level of the column a query reads, and one without a value."""
    n = len(header[query.columns[0]].levels)
    codes = np.arange(-1, n, dtype=np.int32)
    return Rows(np.arange(n + 1), {query.columns[0]: codes}, header)


def _levels(values: pl.Series) -> tuple[str, ...]:
    return tuple(str(level) for level in values.drop_nulls().unique().sort())


def _values(query: Query, rows: Rows) -> pl.Series:
    """Return (n,) the values of a query; one that reads a single category is computed once for each level."""
    import polars as pl

    coded = [name for name in query.columns if rows.header[name].kind in CODED]
    if coded == list(query.columns) and len(coded) == 1:
        codes, place = np.unique(rows.x[coded[0]], return_inverse=True)
        small = Rows(np.arange(len(codes)), {coded[0]: codes}, rows.header)
        return _frame(query, small).select(x=pl.sql_expr(query.sql))["x"].gather(place)
    return _frame(query, rows).select(x=pl.sql_expr(query.sql))["x"]


def _frame(query: Query, rows: Rows) -> pl.DataFrame:
    """Return the columns of a query as polars computes with them, named c0, c1, ..."""
    import polars as pl

    columns = {}
    for i, name in enumerate(query.columns):
        column, kind = rows.x[name], rows.header[name].kind
        if kind in CODED:
            known, place = np.unique(column, return_inverse=True)
            levels = rows.header[name].levels
            words = pl.Series([levels[int(code)] if code >= 0 else None for code in known], dtype=pl.String)
            columns[f"c{i}"] = words.gather(place)
        else:
            numbers = pl.Series(column.astype(np.float64), nan_to_null=True)
            days = (numbers * 86.4e9).round().cast(pl.Int64).cast(pl.Datetime("us")) if kind == "date" else numbers
            columns[f"c{i}"] = days
    return pl.DataFrame(columns)


def _numbers(values: pl.Series) -> Array:
    """Return (n,) float64: truth values as 0 and 1, moments and durations as days, missing = NaN."""
    import polars as pl

    if values.dtype.is_temporal() and values.dtype != pl.Date:
        us = values.cast(pl.Duration("us") if isinstance(values.dtype, pl.Duration) else pl.Datetime("us"))
        values = us.cast(pl.Int64) / 86.4e9
    elif values.dtype == pl.Date:
        values = values.cast(pl.Int32)
    return values.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _codes(values: pl.Series, levels: tuple[str, ...]) -> Array:
    """Return (n,) the places of text values among the levels; missing, and what is not among them, = NaN."""
    import polars as pl

    known = pl.Series(levels, dtype=pl.String)
    codes = values.replace_strict(known, pl.Series(range(len(levels)), dtype=pl.Float64), default=None)
    return codes.fill_null(np.nan).to_numpy()
