"""Dates as people write them: 2021-01-05, 5.1.2021, 1/5/2021 3:30 PM, Jan 5, 2021, 2021-W05. Over distinct values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kit.dateshapes import AND, ANY, BEGINNING, EITHER, MONTHLY, ORDERS, SHAPES
from kit.errors import DataError
from kit.types import Floats

if TYPE_CHECKING:
    import polars as pl

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
EPOCHS = {
    "seconds since 1970": (1e11, 86_400.0),
    "milliseconds since 1970": (1e14, 86.4e6),
    "microseconds since 1970": (1e17, 86.4e9),
    "nanoseconds since 1970": (float("inf"), 86.4e12),
}
"""What numbers are that stay below the first, and how many make a day."""
LEAST_EPOCH = 1e7
"""Seconds since 1970 that are at most so many are April 1970, and more likely something else."""
NUMBERS = ("years", "yyyymm", "yyyymmdd", *EPOCHS)
"""What `epoch` may say."""


@dataclass(frozen=True)
class Dates:
    """How a column of dates is written: a name of SHAPES, or several with AND; "dmy" or "mdy" where that says it; and a
    doubt or ""."""

    shape: str
    order: str = ""
    doubt: str = ""


def find(levels: pl.Series, order: str = "") -> Dates | None:
    """Return how these distinct strings are written as dates, or None unless all of them are dates.

    `order` ("dmy", "mdy") decides where the values leave it open; else month first, as in the United States, but day
    first between dots. Values that speak for both orders are no dates of one column, nor are dates of several shapes
    where nothing says the order.

    >>> import polars as pl
    >>> find(pl.Series(["13/1/2021", "2/1/2021"]))
    Dates(shape='a/b/y', order='dmy', doubt='')
    """
    head = levels.head(100)
    if not begin(head).all():
        return None
    likely = [name for name, pattern in SHAPES.items() if len(head) and re.match(pattern, head[0])]
    shape = next((name for name in likely if head.str.contains(SHAPES[name]).all()), None)
    made = None if shape is None else _ordered(levels, shape, order) if shape.startswith("a") else Dates(shape)
    if made is not None and not read(levels, made).null_count():
        return made
    made = several(levels, order)
    return made if made is not None and not made.doubt and not read(levels, made).null_count() else None


def several(levels: pl.Series, order: str = "") -> Dates | None:
    """Return how these distinct strings are written where each fits one shape; its doubt says why they are no dates.

    >>> import polars as pl
    >>> several(pl.Series(["2021-03-04", "13/03/2021"]))
    Dates(shape='y-m-d|a/b/y', order='dmy', doubt='')
    """
    some = levels.gather_every(max(1, len(levels) // 200))
    if not begin(some).all() or not some.str.contains(ANY).all():
        return None
    parts = {name: levels.filter(levels.str.contains(pattern)) for name, pattern in SHAPES.items()}
    parts = {name: part for name, part in parts.items() if len(part)}
    if sum(map(len, parts.values())) != len(levels):
        return None
    shown = {_seen(part, name) for name, part in parts.items() if name.startswith("a")}
    if shown & {"both"} or set(ORDERS) <= shown:
        return Dates(AND.join(parts), "", "the day stands first in some, second in others")
    found = next((each for each in ORDERS if each in shown), "")
    if shown and not (found := found or order or ("dmy" if parts.keys() & EITHER == {"a.b.y"} else "")):
        return Dates(AND.join(parts), "", "nothing tells day from month in some")
    return Dates(AND.join(parts), found)


def order_of(style: str) -> str:
    """Return "dmy" or "mdy" where a shape and order say it, else ""."""
    return style[-3:] if style.endswith(ORDERS) else ""


def shapes_of(style: str) -> set[str]:
    """Return the shapes that the style of a column of dates names."""
    return set(style.removesuffix(f" {order_of(style)}").split(AND))


def turned(known: str, new: str) -> bool:
    """Return whether dates of a shape that is known have the other order of day and month."""
    either = shapes_of(known) & shapes_of(new) & EITHER
    return bool(either) and {order_of(known), order_of(new)} == set(ORDERS)


def begin(levels: pl.Series) -> pl.Series:
    """Return whether strings begin as dates do; the patterns of SHAPES take much longer to ask."""
    return levels.str.contains(BEGINNING)


def read(levels: pl.Series, dates: Dates) -> pl.Series:
    """Return float64 days since 1970-01-01 (UTC where an offset is given); null where a string is no such date.

    >>> import polars as pl
    >>> read(pl.Series(["1 Feb 1970", "30 Feb 1970"]), Dates("d mon y")).to_list()
    [31.0, None]
    """
    import polars as pl

    if AND in dates.shape:
        known = [Dates(name, dates.order if name in EITHER else "") for name in dates.shape.split(AND)]
        made = pl.DataFrame([read(levels, each).alias(each.shape) for each in known])
        return made.select(pl.coalesce(pl.all())).to_series().rename(levels.name)
    if dates.shape in NUMBERS:
        return counted(levels, dates.shape)
    if dates.shape == "y-w":
        return _weeks(levels)
    if dates.shape == "y-m-d" and (quick := _iso(levels)) is not None:
        return quick
    parts = levels.str.extract_groups((SHAPES | MONTHLY)[dates.shape]).struct.unnest()
    if dates.shape in MONTHLY:
        parts = parts.with_columns(day=pl.lit("1"))
    if dates.order:
        names = ("first", "second_") if dates.order == "dmy" else ("second_", "first")
        parts = parts.with_columns(day=pl.col(names[0]), month=pl.col(names[1]))
    if "mon" in dates.shape:
        parts = parts.with_columns(month=pl.col("month").str.slice(0, 3).str.to_lowercase())
        numbers = [str(i + 1) for i in range(12)]
        parts = parts.with_columns(month=pl.col("month").replace_strict(_MONTHS, numbers, default=None))
    short = pl.col("year").str.len_chars() == 2
    # Two digits: 69 to 99 belong to the last century. Source: POSIX strptime, %y.
    century = pl.when(short & (pl.col("year") >= "69")).then(pl.lit("19")).when(short).then(pl.lit("20"))
    text = pl.concat_str(century.otherwise(pl.lit("")), pl.col("year"), pl.lit("-"), "month", pl.lit("-"), "day")
    day = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    return parts.select(day + _clock() / 86_400.0).to_series().rename(levels.name)


def shown(days: Floats, *, minutes: bool) -> list[str]:
    """Return days since 1970 as ISO dates, with minutes or without.

    >>> shown(np.array([18628.25]), minutes=True)
    ['2021-01-01T06:00']
    """
    if minutes:
        return [str(t) for t in np.round(days * 1440).astype("datetime64[m]")]
    return [str(t) for t in np.floor(days).astype("datetime64[D]")]


def epoch(values: pl.Series) -> tuple[pl.Series, str]:
    """Return float64 days of numbers declared to be dates, and what they were read as: yyyymmdd, years or an epoch.

    Raises:
        DataError: as an epoch they would all lie in the first weeks of 1970.
    """
    import polars as pl

    known = values.drop_nulls().cast(pl.Float64)
    what = "years" if known.is_between(1000, 3000).all() else "yyyymm" if are_months(known) else "yyyymmdd"
    days = counted(values, what)
    if days.null_count() > values.null_count():
        largest = float(known.abs().max())  # type: ignore[arg-type]
        what = next(name for name, (limit, _) in EPOCHS.items() if largest < limit)
        if largest < LEAST_EPOCH:
            got = f"{', '.join(map(str, known.unique().sort()[:3].to_list()))}, ..."
            raise DataError("these numbers are no dates", got=got, allowed=NUMBERS, next="leave them numbers")
        days = counted(values, what)
    return days, what


def are_months(numbers: pl.Series) -> bool:
    """Return whether numbers can be months of several years written 202112: they jump from December to January."""
    months = numbers.is_between(1e5, 3e5).all() and (numbers % 100).is_between(1, 12).all()
    return bool(months and (numbers % 1 == 0).all() and (numbers // 100).n_unique() > 1)


def counted(values: pl.Series, what: str) -> pl.Series:
    """Return float64 days of numbers, or of strings that are some, under what `epoch` said of others; else null."""
    import polars as pl

    numbers = values.cast(pl.Float64, strict=False)
    if what in EPOCHS:
        return numbers / EPOCHS[what][1]
    digits = numbers.cast(pl.Int64, strict=False).cast(pl.String)
    if what == "yyyymm":
        digits = digits.str.replace(r"^(\d{4})(\d{2})$", "${1}${2}01")
    text = digits + "-1-1" if what == "years" else digits.str.replace(r"^(\d{4})(\d{2})(\d{2})$", "${1}-${2}-${3}")
    return text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)


def _iso(levels: pl.Series) -> pl.Series | None:
    """Return the days where all strings have the commonest forms, which polars reads much faster; else None."""
    import polars as pl

    if levels.str.len_bytes().max() == 10:
        days = levels.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
        return days if days.null_count() == levels.null_count() else None
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"):
        times = levels.str.to_datetime(form, strict=False, time_unit="us")
        if times.null_count() == levels.null_count():
            return times.cast(pl.Int64) / 86.4e9
    return None


def _weeks(levels: pl.Series) -> pl.Series:
    """Return float64 days of ISO weeks; null where the year has no such week."""
    import polars as pl

    parts = levels.str.extract_groups(SHAPES["y-w"]).struct.unnest()
    text = pl.concat_str("year", pl.lit("-W"), "week", pl.lit("-"), pl.col("weekday").fill_null("1"))
    days = text.str.to_date("%G-W%V-%u", strict=False).cast(pl.Int32).cast(pl.Float64)
    return parts.select(days).to_series().rename(levels.name)


def _seen(levels: pl.Series, shape: str) -> str:
    """Return the order that values of a shape show: "dmy", "mdy", "both", or "" where they leave it open."""
    import polars as pl

    parts = levels.str.extract_groups(SHAPES[shape]).struct.unnest()
    first, second = (bool((parts[name].cast(pl.Int32) > 12).any()) for name in ("first", "second_"))
    return "both" if first and second else "dmy" if first else "mdy" if second else ""


def _ordered(levels: pl.Series, shape: str, wanted: str) -> Dates | None:
    """Return the dates with the order that the values show, or that is asked for, or that is usual."""
    import polars as pl

    parts = levels.str.extract_groups(SHAPES[shape]).struct.unnest()
    first, second = (parts[name].cast(pl.Int32) for name in ("first", "second_"))
    if first.null_count() or (seen := _seen(levels, shape)) == "both":
        return None
    if seen:
        return Dates(shape, seen)
    if wanted:
        return Dates(shape, wanted)
    # The first day of each month: the number that never changes is the day.
    if len(levels) > 2 and (first.n_unique() == 1) != (second.n_unique() == 1):
        return Dates(shape, "dmy" if first.n_unique() == 1 else "mdy")
    if shape == "a.b.y":
        return Dates(shape, "dmy")
    return Dates(shape, "mdy", "day and month cannot be told apart, read as month first")


def _clock() -> pl.Expr:
    """Return the seconds of the day, moved to UTC."""
    import polars as pl

    number = {
        name: pl.col(name).str.replace(",", ".", literal=True).cast(pl.Float64).fill_null(0.0)
        for name in ("hour", "minute", "second", "off_hour", "off_minute")
    }
    half = pl.col("half").str.to_lowercase().str.slice(0, 1)
    hour = pl.when(half.is_null()).then(number["hour"]).otherwise(number["hour"] % 12 + 12.0 * (half == "p"))
    valid = (number["hour"] < 25) & (number["minute"] < 60) & (number["second"] < 61)
    sign = pl.when(pl.col("off_hour").str.starts_with("-")).then(-1.0).otherwise(1.0)
    seconds = (hour - number["off_hour"]) * 3600 + (number["minute"] - sign * number["off_minute"]) * 60
    return pl.when(valid).then(seconds + number["second"])
