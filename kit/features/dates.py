"""Returns what a date says: its parts, where it stands in their cycles, how far it is from others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from pydantic import field_validator

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import check_columns, sets_of
from kit.params import ColumnName
from kit.types import Block, Floats, Floats32, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ("date",)
ACCEPTS: tuple[str, ...] = ("date",)
TAKES_TIME = True

Part = Literal["year", "quarter", "month", "week", "day_of_year", "day", "weekday", "hour", "minute", "second"]
Cycle = Literal["year", "month", "week", "day", "hour"]
Flag = Literal["weekend", "month_start", "month_end", "quarter_start", "quarter_end", "year_start", "year_end"]

DAY = 86_400


class Params(base.Params):
    """Parts of dates (UTC); a missing date gives missing values."""

    columns: tuple[ColumnName, ...] = ()
    """Date columns. Empty: all, that of times (data.time) among them."""

    parts: tuple[Part, ...] = ("year", "month", "day", "weekday", "day_of_year", "hour")
    """Parts as numbers: year, quarter (1-4), month (1-12), week (of ISO 8601, 1-53), day_of_year (1-366), day (1-31),
    weekday (0 = Monday), hour, minute, second."""

    cycles: tuple[Cycle, ...] = ()
    """Sine and cosine of where the date stands in a year, month, week, day or hour: December is next to January, which
    nets and linear models cannot know from a number."""

    flags: tuple[Flag, ...] = ("weekend",)
    """Whether it is a weekend, or the first or last day of a month, quarter or year, as 0 and 1."""

    since: str | None = "1970-01-01"
    """Days passed since this date, parts of days included; null = leave it out."""

    differences: bool = True
    """Days between every two of the columns, second minus first."""

    @field_validator("since")
    @classmethod
    def _is_a_date(cls, since: str | None) -> str | None:
        if since is not None:
            try:
                datetime.fromisoformat(since)
            except ValueError:
                raise ValueError("a date like 2020-01-31") from None
        return since


@dataclass(frozen=True)
class Dates:
    """The columns and what is asked of them; nothing is learnt."""

    columns: tuple[str, ...]
    params: Params
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the parts, (n, d) float32 in Fortran order."""
        found: dict[str, Any] = {}
        for name in self.columns:
            found |= _of(name, rows.x[name].astype(np.float64), self.params)
        if self.params.differences:
            for first, second in sets_of(self.columns, 2):
                found[f"{second} - {first}"] = rows.x[second].astype(np.float64) - rows.x[first]
        x: Floats32 = np.empty((len(rows), len(found)), np.float32, order="F")
        for j, column in enumerate(found.values()):
            x[:, j] = column
        return Block(tuple(found), x)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Dates:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a named column holds no dates.
    """
    check_columns("dates", params.columns, rows.header, ACCEPTS)
    return Dates(tuple(str(name) for name in params.columns), params)


def _of(name: str, days: Floats, params: Params) -> dict[str, Floats]:
    """Return name of the part -> (n,) of days since 1970-01-01 (n,)."""
    missing = ~np.isfinite(days)
    # By whole seconds: 12:00 as a fraction of a day may lie just below it.
    seconds = np.round(np.where(missing, 0.0, days) * DAY).astype(np.int64)
    clock = _Clock(seconds)
    found: dict[str, Any] = {f"{part}({name})": getattr(clock, part) for part in params.parts}
    for cycle in params.cycles:
        angle = 2 * np.pi * clock.passed(cycle)
        found |= {f"sin {cycle}({name})": np.sin(angle), f"cos {cycle}({name})": np.cos(angle)}
    found |= {f"{flag}({name})": FLAGS[flag](clock) for flag in params.flags}
    if params.since is not None:
        since = np.datetime64(datetime.fromisoformat(params.since).replace(tzinfo=None), "s").astype(np.int64)
        found[f"days since {params.since}({name})"] = (seconds - since) / DAY
    return {name: np.where(missing, np.nan, part) for name, part in found.items()}


class _Clock:
    """Parts of moments, given as (n,) whole seconds since 1970-01-01; each part is (n,) whole numbers."""

    def __init__(self, seconds: Ints) -> None:
        self.days, self.of_day = seconds // DAY, seconds % DAY
        date = self.days.astype("datetime64[D]")
        month = date.astype("datetime64[M]")
        self.year_from = _day(date.astype("datetime64[Y]"))
        self.year_until = _day(date.astype("datetime64[Y]") + 1)
        self.month_from, self.month_until = _day(month), _day(month + 1)
        self.year = date.astype("datetime64[Y]").astype(np.int64) + 1970
        self.month = month.astype(np.int64) % 12 + 1
        self.quarter = (self.month + 2) // 3
        self.day = self.days - self.month_from + 1
        self.day_of_year = self.days - self.year_from + 1
        self.weekday = (self.days + 3) % 7  # 1970-01-01 was a Thursday
        thursday = self.days - self.weekday + 3  # its year is that of the ISO week
        first = _day(thursday.astype("datetime64[D]").astype("datetime64[Y]"))
        self.week = (thursday - first) // 7 + 1
        self.hour, self.minute, self.second = self.of_day // 3600, self.of_day // 60 % 60, self.of_day % 60

    def passed(self, cycle: Cycle) -> Floats:
        """Return (n,) how much of the year, month, week, day or hour has passed, 0 to 1."""
        today = self.of_day / DAY
        if cycle == "year":
            return np.asarray((self.day_of_year - 1 + today) / (self.year_until - self.year_from))
        if cycle == "month":
            return np.asarray((self.day - 1 + today) / (self.month_until - self.month_from))
        if cycle == "week":
            return np.asarray((self.weekday + today) / 7)
        return np.asarray(today if cycle == "day" else self.of_day % 3600 / 3600)


def _day(date: Any) -> Ints:
    """Return (n,) the number of the first day of years or months."""
    return np.asarray(date.astype("datetime64[D]").astype(np.int64))


FLAGS: Mapping[Flag, Callable[[_Clock], Any]] = {
    "weekend": lambda c: c.weekday >= 5,
    "month_start": lambda c: c.days == c.month_from,
    "month_end": lambda c: c.days == c.month_until - 1,
    "quarter_start": lambda c: (c.days == c.month_from) & (c.month % 3 == 1),
    "quarter_end": lambda c: (c.days == c.month_until - 1) & (c.month % 3 == 0),
    "year_start": lambda c: c.days == c.year_from,
    "year_end": lambda c: c.days == c.year_until - 1,
}
