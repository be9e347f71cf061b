"""Statistics of one column within groups, and the rank of any value in a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from kit.features._columns import places
from kit.types import Floats, Ints

NEEDS = {"difference": ("mean",), "ratio": ("mean",), "zscore": ("mean", "std"), "std": ("mean", "std")}
"""What a statistic of a row is computed from."""

ROUNDING = 1e-13
"""Mean, as a share of the mean size of the values, below which it is what rounding leaves of 0."""

NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Grouped:
    """What was learnt of a column; v known values of g groups.

    Shape:
        stats: name -> (g + 1,), NaN for a group without a value and, at the end, for no group.
        distinct: (u,) sorted distinct values.  points: (p,) sorted distinct group * (u + 1) + place of the value there.
        before: (p + 1,) how many values lie before a point.  first: (g + 1,) where the points of a group begin.
        These four are empty unless ranks were asked for.
    """

    stats: Mapping[str, Floats]
    distinct: Floats
    points: Ints
    before: Ints
    first: Ints

    @classmethod
    def learn(cls, group: Ints, value: Floats, size: int, wanted: Sequence[str]) -> Self:
        """Return the `wanted` statistics of value (n,), NaN = missing, in group (n,) of 0..size-1."""
        known = np.isfinite(value)
        group, value = group[known], value[known]
        needed = dict.fromkeys(n for name in wanted for n in NEEDS.get(name, (name,)))
        stats = _sums(group, value, size, needed) | _of_order(group, value, size, needed)
        padded = {name: np.append(stat, np.nan) for name, stat in stats.items()}
        if "rank" not in wanted:
            return cls(padded, np.empty(0), NOTHING, NOTHING, NOTHING)
        distinct = np.unique(value)
        width = len(distinct) + 1
        points, count = np.unique(group * width + places(distinct, value), return_counts=True)
        before = np.append(0, np.cumsum(count))
        first = np.searchsorted(points, np.arange(size + 1) * width)
        return cls(padded, distinct, np.asarray(points, np.int64), before, np.asarray(first, np.int64))

    def rank(self, group: Ints, value: Floats) -> Floats:
        """Return (n,) the share of the group's values that are smaller, equal ones counting half; NaN without any."""
        if not len(self.points):
            return np.full(len(value), np.nan)
        inside = np.where(group < 0, 0, group)
        start, end = self.before[self.first[inside]], self.before[self.first[inside + 1]]
        place = places(self.distinct, value)
        met = self.distinct[np.minimum(place, len(self.distinct) - 1)] == value
        code = inside * (len(self.distinct) + 1) + place
        at = places(self.points, code)
        here = np.minimum(at, len(self.points) - 1)
        equal = np.where(met & (self.points[here] == code), self.before[here + 1] - self.before[here], 0)
        nowhere = (group < 0) | (end == start) | np.isnan(value)
        return np.where(nowhere, np.nan, (self.before[at] - start + equal / 2) / np.maximum(end - start, 1))


def _sums(group: Ints, value: Floats, size: int, wanted: Mapping[str, None]) -> dict[str, Floats]:
    """Return those of mean, std and sum (size,) that are wanted."""
    if not wanted.keys() & {"mean", "std", "sum"}:
        return {}
    count = np.bincount(group, minlength=size).astype(np.float64)
    count[count == 0] = np.nan
    # About a value of the group: that of equal ones is then exactly this value, and their std 0.
    base = np.zeros(size)
    base[group] = value
    with np.errstate(over="ignore", invalid="ignore"):
        mean = base + np.bincount(group, value - base[group], size) / count
        mean[np.abs(mean) <= ROUNDING * np.bincount(group, np.abs(value), size) / count] = 0.0
    total = np.bincount(group, value, size) + 0 * count
    found = {"mean": mean, "sum": total}
    if "std" in wanted:
        gap = value - mean[group]
        found["std"] = np.sqrt(np.bincount(group, gap * gap, size) / count)
    return {name: stat for name, stat in found.items() if name in wanted}


def _of_order(group: Ints, value: Floats, size: int, wanted: Mapping[str, None]) -> dict[str, Floats]:
    """Return those of min, max, median, nunique and the quantiles `q0.1` (size,) that are wanted."""
    shares = {"min": 0.0, "max": 1.0, "median": 0.5} | {n: float(n[1:]) for n in wanted if n[0] == "q"}
    shares = {name: share for name, share in shares.items() if name in wanted}
    found: dict[str, Floats] = {}
    if not shares and "nunique" not in wanted:
        return found
    order = np.lexsort((value, group))
    group, value = group[order], value[order]
    count = np.bincount(group, minlength=size)
    start = np.cumsum(count) - count
    for name, share in shares.items():
        at = start + share * np.maximum(count - 1, 0)
        low = np.floor(at).astype(np.int64)
        found[name] = np.full(size, np.nan)
        some = count > 0
        a = value[low[some]]
        b = value[np.minimum(low[some] + 1, len(value) - 1)]
        part = (at - low)[some]
        found[name][some] = np.where(part == 0, a, a + (b - a) * part)
    if "nunique" in wanted:
        first = np.ones(len(value), np.bool_)
        first[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
        found["nunique"] = np.bincount(group[first], minlength=size).astype(np.float64)
    return found
