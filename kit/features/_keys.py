"""Groups: rows that agree in one or several columns, learnt once and found again in any rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from kit.features._columns import CODED, codes_of, places
from kit.types import Array, Floats, Ints, Rows


@dataclass(frozen=True, eq=False)
class Keys:
    """Numbers the groups 0..size-1. A missing value is a value like any other; what was not learnt is group -1.

    Shape:
        levels: number of levels of each coded column, -1 for one of numbers.
        values: per column its sorted distinct numbers, empty for a coded one.
        joins: for each column after the first, the sorted codes of the pairs (group so far, place in the column).
    """

    columns: tuple[str, ...]
    levels: tuple[int, ...]
    values: tuple[Floats, ...]
    joins: tuple[Ints, ...]

    @classmethod
    def learn(cls, columns: Sequence[str], rows: Rows) -> tuple[Self, Ints]:
        """Return the groups of these rows in `columns` (of any kind but vectors), and (n,) who is in which."""
        names = tuple(str(name) for name in columns)
        levels = tuple(len(c.levels) if (c := rows.header[n]).kind in CODED else -1 for n in names)
        values = tuple(np.empty(0) if k >= 0 else _distinct(rows.x[n]) for n, k in zip(names, levels, strict=True))
        keys = cls(names, levels, values, ())
        group = keys._place(0, rows)
        joins = []
        for j in range(1, len(names)):
            packed = group * keys._width(j) + keys._place(j, rows)
            join, group = np.unique(packed, return_inverse=True)
            joins.append(np.asarray(join, np.int64))
        return cls(names, levels, values, tuple(joins)), np.asarray(group, np.int64)

    @property
    def size(self) -> int:
        """The number of groups, those of levels that never occurred included."""
        return len(self.joins[-1]) if self.joins else self._width(0)

    @property
    def label(self) -> str:
        """What the groups are called in names of columns."""
        return " & ".join(self.columns)

    def __call__(self, rows: Rows) -> Ints:
        """Return (n,) the group of each row, -1 where learning met none like it."""
        group = self._place(0, rows)
        for j in range(1, len(self.columns)):
            place = self._place(j, rows)
            packed = np.where((group < 0) | (place < 0), -1, group * self._width(j) + place)
            group = _find(self.joins[j - 1], packed)
        return group

    def _width(self, j: int) -> int:
        """Return how many values column j has, the missing one included."""
        return 1 + (self.levels[j] if self.levels[j] >= 0 else len(self.values[j]))

    def _place(self, j: int, rows: Rows) -> Ints:
        """Return (n,) the place of each row's value among those of column j; the last place is the missing value."""
        name, n_levels = self.columns[j], self.levels[j]
        if n_levels >= 0:
            place = codes_of(rows, name, n_levels).astype(np.int64)
            place[rows.x[name] < 0] = n_levels
            return place
        column = rows.x[name].astype(np.float64)
        place = _find(self.values[j], column)
        place[np.isnan(column)] = len(self.values[j])
        return place


def _distinct(column: Array) -> Floats:
    numbers = np.unique(column).astype(np.float64)
    return np.asarray(numbers[~np.isnan(numbers)])


def _find(known: Array, wanted: Array) -> Ints:
    """Return (n,) the positions of `wanted` in the sorted `known`, -1 where it is not there."""
    if not len(known):
        return np.full(len(wanted), -1)
    at = np.minimum(places(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)
