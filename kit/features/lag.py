"""Returns what a column was at earlier times of the same group: lags, differences to them, means of the last few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.errors import RecipeError
from kit.features._columns import check_columns, is_missing, places
from kit.features._keys import Keys
from kit.params import ColumnName, KeyName, TimeName
from kit.types import Array, Block, Column, Floats, Floats32, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("numeric",)
ACCEPTS: tuple[str, ...] = ("numeric", "date")

Steps = tuple[Annotated[int, Field(ge=1, le=10_000)], ...]


class Params(base.Params):
    """The past of x columns within a group, over train and test rows; never y, never the same or a later time.

    A step is one time that the group has, whatever lies between two of them; rows of one group and time count as one,
    by their mean. Where there is no earlier time, or the time or key is missing, the result is missing.
    """

    columns: tuple[ColumnName, ...] = ()
    """Columns to look back at. Empty: all numeric columns (those of the key and time left out)."""

    by: tuple[KeyName, ...] = ()
    """The key: rows that agree in all these columns are a group. Empty: all rows are one."""

    time: TimeName
    """The column that says what is earlier, a date or a number. The columns of groups and time may stand here."""

    lags: Steps = (1,)
    """Steps back: 1 = the value at the group's last earlier time."""

    differences: Steps = (1,)
    """Steps back: the row's own value minus that one."""

    means: Steps = ()
    """Mean of the known values at so many last earlier times."""

    position: bool = True
    """How many earlier times the group has, and how long ago the last one was in units of `time`."""


@dataclass(frozen=True, eq=False)
class Lag:
    """The history: p points, one for each group and time.

    Shape:
        times: (T,) sorted distinct times.  points: (p,) sorted group * (T + 1) + place of the time in `times`.
        first: (groups,) where the points of a group begin.
        values: per column (p,) float64, the mean of the rows at that point, NaN = missing.
    """

    params: Params
    keys: Keys | None
    times: Floats
    points: Ints
    first: Ints
    values: tuple[Floats, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the history of each row, (n, d) float32 in Fortran order; what is infinite = NaN."""
        params, found = self.params, dict[str, Array]()
        group, time = group_of(self.keys, params, rows), rows.x[params.time].astype(np.float64)
        now, first = self.bounds(group, time)
        if params.position:
            last = np.maximum(now - 1, 0)
            before = self.times[self.points[last] % (len(self.times) + 1)] if len(self.points) else time
            found[f"before({params.time})"] = np.where(now < 0, np.nan, now - first)
            found[f"since({params.time})"] = np.where(now > first, time - before, np.nan)
        for name, values in zip(params.columns, self.values, strict=True):
            back = {k: at_points(values, now - k, first) for k in {*params.lags, *params.differences}}
            found |= {f"lag{k}({name})": back[k] for k in params.lags}
            found |= {f"diff{k}({name})": rows.x[name].astype(np.float64) - back[k] for k in params.differences}
            found |= {f"mean{k}({name})": mean_before(values, now, first, k) for k in params.means}
        x: Floats32 = np.empty((len(rows), len(found)), np.float32, order="F")
        with np.errstate(over="ignore"):
            for j, column in enumerate(found.values()):
                x[:, j] = column
        x[np.isinf(x)] = np.nan
        return Block(tuple(found), x)

    def bounds(self, group: Ints, time: Floats) -> tuple[Ints, Ints]:
        """Return (n,) where the row's own time would stand among the points, and where its group begins.

        Both are -1 for a row without a group or a time.
        """
        known = (group >= 0) & ~np.isnan(time)
        width = len(self.times) + 1
        inside = np.where(known, group, 0)
        now = places(self.points, inside * width + places(self.times, np.where(known, time, 0.0)))
        return np.where(known, now, -1), np.where(known, self.first[inside], -1)


def ready(params: Params, header: dict[str, Column]) -> Params:
    """Return the params without the columns of key and time, checked when the plan is made.

    Raises:
        RecipeError: nothing is asked for, or no column is left.
    """
    names = tuple(name for name in params.columns if name not in (*params.by, params.time))
    if not (params.lags or params.differences or params.means):
        raise RecipeError("lag has nothing to do", next="give lags, differences or means")
    if not names:
        raise RecipeError("lag is left without a column to look back at", got=", ".join(params.columns))
    return params.model_copy(update={"columns": names})


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Lag:
    """Return the history of all `rows`.

    Raises:
        RecipeError: a named column has the wrong kind.
    """
    check_columns("lag", params.columns, rows.header, ACCEPTS)
    check_columns("lag", params.by, rows.header, KeyName.KINDS)
    check_columns("lag", [params.time], rows.header, TimeName.KINDS)
    keys = Keys.learn(params.by, rows)[0] if params.by else None
    group, time = group_of(keys, params, rows), rows.x[params.time].astype(np.float64)
    known = (group >= 0) & ~np.isnan(time)
    times = np.unique(time[known])
    code = group[known] * (len(times) + 1) + places(times, time[known])
    points, place = np.unique(code, return_inverse=True)
    n_groups = 1 if keys is None else keys.size
    first = np.searchsorted(points, np.arange(n_groups) * (len(times) + 1)).astype(np.int64)
    values = tuple(_means(rows.x[name][known].astype(np.float64), place, len(points)) for name in params.columns)
    return Lag(params, keys, times, np.asarray(points, np.int64), first, values)


def group_of(keys: Keys | None, params: Params, rows: Rows) -> Ints:
    """Return (n,) the group of each row, -1 where the key is missing or was never met."""
    group = np.zeros(len(rows), np.int64) if keys is None else keys(rows)
    for name in params.by:
        group = np.where(is_missing(rows, name), -1, group)
    return group


def _means(value: Floats, place: Ints, size: int) -> Floats:
    """Return (size,) the mean of the known values at each place, NaN without any."""
    known = np.isfinite(value)
    count = np.bincount(place[known], minlength=size)
    total = np.bincount(place[known], value[known], size)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def at_points(values: Floats, at: Ints, first: Ints) -> Floats:
    """Return (n,) the values at these points, NaN where they lie before the group's first."""
    if not len(values):
        return np.full(len(at), np.nan)
    inside = (at >= first) & (at >= 0)
    return np.where(inside, values[np.where(inside, at, 0)], np.nan)


def mean_before(values: Floats, now: Ints, first: Ints, steps: int) -> Floats:
    """Return (n,) the mean of the known values at the last `steps` points before `now`."""
    total, count = np.zeros(len(now)), np.zeros(len(now))
    for k in range(1, steps + 1):
        back = at_points(values, now - k, first)
        known = ~np.isnan(back)
        total += np.where(known, back, 0.0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
