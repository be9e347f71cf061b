"""Returns what is known of a row's group: statistics of other columns within it, and where the row stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.errors import RecipeError
from kit.features._columns import CODED, check_columns
from kit.features._grouped import Grouped
from kit.features._keys import Keys
from kit.params import ColumnName, KeyName
from kit.types import Array, Block, Column, Floats, Floats32, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("numeric",)
ACCEPTS: tuple[str, ...] = ("numeric", "date", "vector", *CODED)

Stat = Literal[
    "mean", "std", "min", "max", "median", "sum", "count", "nunique", "rank", "difference", "ratio", "zscore"
]
OF_ANY_KIND = ("count", "nunique")
"""What has a meaning for columns that hold no numbers."""

OF_THE_ROW = ("rank", "difference", "ratio", "zscore")


class Params(base.Params):
    """Statistics of columns over the rows that share a key, x only; the target has `target_mean`.

    Missing values do not count; a missing key is a key. A group without a value, or never met, gives missing values.
    """

    columns: tuple[ColumnName, ...] = ()
    """Columns to describe, each by itself, a vector element by element. Empty: all numeric columns (those of the key
    left out)."""

    by: Annotated[tuple[KeyName, ...], Field(min_length=1, max_length=4)]
    """The key: rows that agree in all these columns are a group. The columns of groups and time may stand here."""

    stats: Annotated[tuple[Stat, ...], Field(min_length=1)] = ("mean", "std", "count", "rank", "difference")
    """Of the group: mean, std (of the population), min, max, median, sum, nunique (distinct values), count (rows, one
    column per key). Of the row in it: rank (share of the values below, ties half), difference to the mean, ratio to
    the mean, zscore. count and nunique take columns of any kind."""

    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Quantiles of the group's values, in addition."""

    scope: Literal["table", "fold"] = "table"
    """table: groups of train and test rows. fold: of the learning rows of the fold, the strict form."""


@dataclass(frozen=True, eq=False)
class Aggregate:
    """The groups, how many rows each has (size + 1,), and what is known of each column within them.

    `elements`: which element of a vector column, -1 where the column holds numbers or codes.
    """

    keys: Keys
    counts: Floats32
    columns: tuple[str, ...]
    elements: tuple[int, ...]
    grouped: tuple[Grouped, ...]
    stats: tuple[Stat, ...]
    quantiles: tuple[float, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the statistics, (n, d) float32 in Fortran order; what is infinite = NaN."""
        group = self.keys(rows)
        names = ["count"] if "count" in self.stats else []
        x: list[Array] = [self.counts[group]] if names else []
        for name, element, grouped in zip(self.columns, self.elements, self.grouped, strict=True):
            label = name if element < 0 else f"{name}[{element}]"
            for stat in (s for s in self.stats if s != "count"):
                names.append(f"{stat}({label})")
                x.append(self._of(stat, grouped, group, _part(rows.x[name], element)))
            for q in self.quantiles:
                names.append(f"q{100 * q:g}({label})")
                x.append(grouped.stats[f"q{q}"][group])
        out: Floats32 = np.empty((len(rows), len(x)), np.float32, order="F")
        with np.errstate(over="ignore"):
            for j, column in enumerate(x):
                out[:, j] = column
        out[np.isinf(out)] = np.nan
        return Block(tuple(f"{name} by {self.keys.label}" for name in names), out)

    def _of(self, stat: Stat, grouped: Grouped, group: Ints, column: Array) -> Floats:
        """Return (n,) a statistic of the rows' groups, or of their values in `column` (n,) within them."""
        if stat not in OF_THE_ROW:
            return grouped.stats[stat][group]
        value = column.astype(np.float64)
        if stat == "rank":
            return grouped.rank(group, value)
        mean = grouped.stats["mean"][group]
        with np.errstate(divide="ignore", invalid="ignore"):
            if stat == "ratio":
                return np.asarray(value / np.where(mean == 0, np.nan, mean))
            gap = value - mean
            std = grouped.stats["std"][group] if stat == "zscore" else np.ones(len(gap))
            return np.where(std == 0, np.where(np.isnan(gap), np.nan, 0.0), gap / std)


def ready(params: Params, header: dict[str, Column]) -> Params:
    """Return the params without the columns of the key, checked when the plan is made.

    Raises:
        RecipeError: a column without numbers has no such statistic, or nothing is left to do.
    """
    names = tuple(name for name in params.columns if name not in params.by)
    ranked = [*(s for s in params.stats if s not in OF_ANY_KIND), *("quantiles" for _ in params.quantiles[:1])]
    words = [name for name in names if name in header and header[name].kind in CODED]
    if ranked and words:
        got = f"{', '.join(ranked)} of {', '.join(words)}, which hold no numbers"
        rule = "aggregate cannot compute this"
        raise RecipeError(
            rule, got=got, allowed=OF_ANY_KIND, next="describe those columns by an aggregate of their own"
        )
    if set(params.stats) == {"count"} and not params.quantiles:
        names = ()
    elif not names:
        got = ", ".join(params.columns)
        raise RecipeError("aggregate is left without a column to describe", got=got, next="name one that is not a key")
    return params.model_copy(update={"columns": names})


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Aggregate:
    """Return the groups of all `rows` and what is known of them.

    Raises:
        RecipeError: a named column has the wrong kind.
    """
    check_columns("aggregate", params.columns, rows.header, ACCEPTS)
    check_columns("aggregate", params.by, rows.header, KeyName.KINDS)
    keys, group = Keys.learn(params.by, rows)
    counts = np.append(np.bincount(group, minlength=keys.size), 0).astype(np.float32)
    columns: list[str] = []
    elements: list[int] = []
    for name in (str(name) for name in params.columns):
        column = rows.header[name]
        parts = range(column.width) if column.kind == "vector" else range(-1, 0)
        columns += [name] * len(parts)
        elements += parts
    grouped = []
    for name, element in zip(columns, elements, strict=True):
        value = _part(rows.x[name], element).astype(np.float64)
        if rows.header[name].kind in CODED:
            value[value < 0] = np.nan
        grouped.append(Grouped.learn(group, value, keys.size, (*params.stats, *(f"q{q}" for q in params.quantiles))))
    return Aggregate(keys, counts, tuple(columns), tuple(elements), tuple(grouped), params.stats, params.quantiles)


def _part(column: Array, element: int) -> Array:
    """Return (n,) one element of a vector column, or a column of numbers as it is."""
    return column if element < 0 else column[:, element]
