"""Which rows an augmenter takes: by score, by a column's value, by what all rows of a key have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from kit.errors import RecipeError, nearest
from kit.params import ValueName
from kit.types import Array, Bools, Ints, Rows


class Where(BaseModel):
    """Conditions, all of which a row must meet."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    y: tuple[FiniteFloat | None, FiniteFloat | None] | None = None
    """Low and high end of the score, both included; null = no limit."""

    column: ValueName | None = None
    """A category, text or numeric column that must have one of `values`."""

    values: tuple[str | int | float | bool, ...] = ()
    """Values of `column`."""

    key: ValueName | None = None
    """A column, of categories as a rule, whose learning rows of one value are looked at together."""

    keys_above: FiniteFloat | None = None
    """All learning rows of the row's key have at least this score."""

    keys_below: FiniteFloat | None = None
    """All learning rows of the row's key have at most this score."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.column is None) != (not self.values):
            raise ValueError("where: column and values belong together")
        if (self.key is None) != (self.keys_above is None and self.keys_below is None):
            raise ValueError("where: key and keys_above or keys_below belong together")
        low, high = self.y or (None, None)
        if low is not None and high is not None and low > high:
            raise ValueError("where: the low end of y must not be above the high end")
        return self

    def names(self) -> tuple[str, ...]:
        """Return the columns that are looked at."""
        return tuple(str(name) for name in (self.column, self.key) if name is not None)


def chosen(where: Where | None, rows: Rows) -> Ints:
    """Return the positions (p,) of the rows that meet the conditions.

    Raises:
        RecipeError: a value does not occur in its column.
    """
    keep = np.ones(len(rows), np.bool_)
    if where is None:
        return np.flatnonzero(keep)
    y = np.asarray(rows.y)
    if where.y is not None:
        low, high = where.y
        keep &= (y >= (-np.inf if low is None else low)) & (y <= (np.inf if high is None else high))
    if where.column is not None:
        keep &= _has(rows, str(where.column), where.values)
    if where.key is not None:
        keep &= _keys(rows, str(where.key), y, where.keys_above, where.keys_below)
    return np.flatnonzero(keep)


def _has(rows: Rows, name: str, values: Sequence[object]) -> Bools:
    """Return (n,) whether a column has one of the values."""
    levels = rows.header[name].levels
    if rows.header[name].kind not in ("category", "text", "key"):
        return np.isin(rows.x[name], [_number(name, value) for value in values])
    place = {level: code for code, level in enumerate(levels)}
    wanted = [str(value) for value in values]
    for value in wanted:
        if value not in place:
            rule = f"where: {name} has no such value"
            raise RecipeError(
                rule, got=value, allowed=list(levels), next=nearest(value, levels) or "kit check lists them"
            )
    return np.isin(rows.x[name], [place[value] for value in wanted])


def _number(name: str, value: object) -> float:
    """Return a value as the numbers of a column are read.

    Raises:
        RecipeError: it is none.
    """
    try:
        return float(str(value))
    except ValueError:
        rule, advice = f"where: {name} holds numbers", "write values as numbers; dates count in days since 1970-01-01"
        raise RecipeError(rule, got=value, next=advice) from None


def _keys(rows: Rows, name: str, y: Array, above: float | None, below: float | None) -> Bools:
    """Return (n,) whether all rows with a row's value of `name` score at least `above` and at most `below`."""
    _, place = np.unique(rows.x[name], return_inverse=True)
    least, most = np.full(place.max(initial=-1) + 1, np.inf), np.full(place.max(initial=-1) + 1, -np.inf)
    np.minimum.at(least, place, y)
    np.maximum.at(most, place, y)
    keep = np.ones(len(least), np.bool_)
    if above is not None:
        keep &= least >= above
    if below is not None:
        keep &= most <= below
    return np.asarray(keep[place])
