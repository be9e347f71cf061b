"""Turns data frames into the columns kit computes with: infers each column's kind over train and test together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from kit.errors import DataError, nearest
from kit.types import Array, Column

if TYPE_CHECKING:
    import polars as pl

MANY_LEVELS = 50
"""Short strings are text, not a category, where they have more levels than this and repeat less than twice."""
LONG_WORDS = 4.0
LONG_CHARS = 30.0
"""Strings are long with so many words per level, or so many characters (some scripts do not space their words)."""

ISO_TIME = (
    r"^(\d{4}-\d{2}-\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(?: ?(?:Z|UTC|([+-]\d{2}):?(\d{2})))?)?$"
)

Family = Literal["numbers", "true/false", "dates", "text", "lists", "nothing", "other"]


class Kept(NamedTuple):
    """A column left as it was read (id, target, fold, ...); `test` is None where the test data lack it."""

    train: pl.Series
    test: pl.Series | None


@dataclass(frozen=True, eq=False)
class Table:
    """All rows as columns, train first.

    Shape:
        x: name -> (n_train + n_test,) float64 or float32 (numeric; float32 only where that is exact), float64 days
            since 1970-01-01 (date), int32 codes into `Column.levels`, -1 = missing (category, text), or
            (n_train + n_test, d) float32 (vector). Missing numbers are NaN.
        missing_in_test: columns of x that the test data lack; their test part is missing.
        only_in_test: columns that the train data lack; they are not in x.
        notes: "column: what a person should know of it".
    """

    n_train: int
    n_test: int
    header: Mapping[str, Column]
    x: Mapping[str, Array]
    kept: Mapping[str, Kept]
    missing_in_test: frozenset[str]
    only_in_test: frozenset[str]
    notes: tuple[str, ...]


def build(train: pl.DataFrame, test: pl.DataFrame | None, keep: Sequence[str] = ()) -> Table:
    """Return the table of train and test rows; columns named in `keep` go to `Table.kept`, not to x.

    Raises:
        DataError: `keep` names a column that the train data lack.
    """
    kept = {c: Kept(column_values(train, c), _maybe(test, c)) for c in keep}
    header: dict[str, Column] = {}
    x: dict[str, Array] = {}
    notes: list[str] = []
    n_test = 0 if test is None else len(test)
    for name in (c for c in train.columns if c not in kept):
        stacked, family, note = _stack(train[name], _maybe(test, name), n_test)
        made = _column(stacked, family)
        if made is None:
            notes.append(f"{name}: not used, kit has no column kind for {train[name].dtype}")
            continue
        header[name], x[name] = made
        if text := note or _remark(stacked, header[name]):
            notes.append(f"{name}: {text}")
    names = set() if test is None else set(test.columns)
    missing = frozenset() if test is None else frozenset(set(x) - names)
    return Table(len(train), n_test, header, x, kept, missing, frozenset(names - set(train.columns)), tuple(notes))


def column_values(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return the column as it was read.

    Raises:
        DataError: there is no such column.
    """
    if name not in frame.columns:
        raise DataError("there is no such column", got=name, allowed=frame.columns, next=nearest(name, frame.columns))
    return frame[name]


def as_numbers(texts: Sequence[pl.Series]) -> list[pl.Series]:
    """Return, as Int64 or Float64, those text series of which every value is a plain number.

    Integers with leading zeros ("007") or beyond int64 are names, not amounts: they stay text.
    """
    import polars as pl

    # Polars takes a name like ^a$ for a pattern, so the columns go by number.
    numbered = [s.alias(str(i)) for i, s in enumerate(texts)]
    heads = [s.drop_nulls().head(100).cast(pl.Float64, strict=False) for s in numbered]
    frame = pl.DataFrame([s for s, head in zip(numbered, heads, strict=True) if len(head) and not head.null_count()])
    ints = frame.select(pl.all().cast(pl.Int64, strict=False))
    padded = frame.select((pl.all().str.starts_with("0") & (pl.all().str.len_bytes() > 1)).any())
    found = []
    for text in frame:
        at, name = text.name, texts[int(text.name)].name
        if ints[at].null_count() == text.null_count():
            if not padded[at].item():
                found.append(ints[at].alias(name))
        elif not text.str.contains(r"^[+-]?\d+$").all():
            floats = text.cast(pl.Float64, strict=False)
            if floats.null_count() == text.null_count():
                found.append(floats.fill_nan(None).alias(name))
    return found


def _maybe(frame: pl.DataFrame | None, name: str) -> pl.Series | None:
    return frame[name] if frame is not None and name in frame.columns else None


def _stack(train: pl.Series, test: pl.Series | None, n_test: int) -> tuple[pl.Series, Family, str]:
    """Return train and test values as one series, the family of its dtype, and a note or ""."""
    import polars as pl

    # Polars takes a name like ^a$ for a pattern, so the column goes without its own.
    train, test = train.alias("x"), train.clear(n_test).alias("x") if test is None else test.alias("x")
    if train.dtype == pl.String and test.dtype == pl.String:
        return *_interpret(pl.concat([train, test])), ""
    (left, of_train), (right, of_test) = _interpret(train), _interpret(test)
    if "nothing" in (of_train, of_test):
        known, family = (right, of_test) if of_train == "nothing" else (left, of_train)
        parts = [s if s is known else known.clear(len(s)) for s in (left, right)]
        return pl.concat(parts), family, ""
    if of_train == of_test:
        return pl.concat([left.to_frame(), right.to_frame()], how="vertical_relaxed").to_series(), of_train, ""
    note = f"{of_train} in train but {of_test} in test: read as text"
    return pl.concat([_as_text(train), _as_text(test)]), "text", note


def _interpret(series: pl.Series) -> tuple[pl.Series, Family]:
    """Return the values in the plainest dtype that holds them all, and its family."""
    import polars as pl

    dtype = series.dtype
    if series.null_count() == len(series):
        return pl.Series(series.name, [], pl.Float64).extend_constant(None, len(series)), "nothing"
    if dtype == pl.String:
        return _interpret_text(_as_text(series))
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Struct) or dtype == pl.List(pl.String):
        return _as_text(series), "text"
    if dtype.is_numeric():
        return series, "numbers"
    if dtype == pl.Boolean:
        return series, "true/false"
    if dtype.is_temporal():
        return _days(series), "numbers" if isinstance(dtype, pl.Duration | pl.Time) else "dates"
    return series, "lists" if isinstance(dtype, pl.List | pl.Array) else "other"


def _interpret_text(text: pl.Series) -> tuple[pl.Series, Family]:
    if text.null_count() == len(text):
        return _interpret(text)
    for numbers in as_numbers([text]):
        return numbers, "numbers"
    if text.drop_nulls().head(100).str.to_lowercase().is_in(["true", "false"]).all():
        low = text.str.to_lowercase()
        if low.drop_nulls().is_in(["true", "false"]).all():
            return low == "true", "true/false"
    if (days := _iso_days(text)) is not None:
        return days, "dates"
    return text, "text"


def _as_text(series: pl.Series) -> pl.Series:
    """Return strings without blanks around them; what is blank is null."""
    import polars as pl

    if isinstance(series.dtype, pl.Struct):
        series = series.to_frame().select(pl.when(pl.first().is_not_null()).then(pl.first().struct.json_encode()))[:, 0]
    elif series.dtype == pl.List(pl.String):
        series = series.list.join(", ")
    text = series.cast(pl.String).str.strip_chars()
    return text.to_frame().select(pl.when(pl.first() != "").then(pl.first())).to_series()


def _days(series: pl.Series) -> pl.Series:
    """Return Date, Datetime (UTC) or Duration as float64 days, Time as the part of a day that has passed."""
    import polars as pl

    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if isinstance(series.dtype, pl.Time):
        return series.cast(pl.Int64) / 86.4e12
    unit = pl.Duration("us") if isinstance(series.dtype, pl.Duration) else pl.Datetime("us", "UTC")
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is None:
        unit = pl.Datetime("us")
    return series.cast(unit).cast(pl.Int64) / 86.4e9


def _iso_days(text: pl.Series) -> pl.Series | None:
    """Return float64 days since 1970-01-01 (UTC where an offset is given), or None unless all are ISO dates."""
    import polars as pl

    if (
        not text.drop_nulls().head(100).str.contains(ISO_TIME).all()
        or not text.drop_nulls().str.contains(ISO_TIME).all()
    ):
        return None
    parts = text.str.extract_groups(ISO_TIME).struct.unnest()
    day, hour, minute, second, off_hour, off_minute = parts.columns
    if parts[day].str.to_date("%Y-%m-%d", strict=False).null_count() > text.null_count():
        return None
    sign = pl.when(pl.col(off_hour).str.starts_with("-")).then(-1.0).otherwise(1.0)
    number = {c: pl.col(c).cast(pl.Float64).fill_null(0.0) for c in parts.columns[1:]}
    seconds = (number[hour] - number[off_hour]) * 3600 + (number[minute] - sign * number[off_minute]) * 60
    date = pl.col(day).str.to_date("%Y-%m-%d").cast(pl.Int32).cast(pl.Float64)
    return parts.select(date + (seconds + number[second]) / 86400.0).to_series().rename(text.name)


def _column(series: pl.Series, family: Family) -> tuple[Column, Array] | None:
    """Return the header entry and the array of a stacked column, or None where kit has no use for it."""
    import polars as pl

    if family in ("numbers", "nothing", "dates"):
        values = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return (Column("date"), values) if family == "dates" else (Column("numeric"), _narrow(values))
    if family == "true/false":
        return Column("category", ("false", "true")), series.cast(pl.Int32).fill_null(-1).to_numpy()
    if family == "text":
        levels = series.drop_nulls().unique().sort()
        codes = series.cast(pl.Enum(levels)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
        kind: Literal["text", "category"] = "text" if _is_text(levels, len(series)) else "category"
        return Column(kind, tuple(levels.to_list())), codes
    return _vector(series) if family == "lists" else None


def _narrow(values: Array) -> Array:
    """Return float32 where no value changes by it, else the float64 values: half the memory for counts and codes."""
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    return small if np.array_equal(small, values, equal_nan=True) else values


def _is_text(levels: pl.Series, n: int) -> bool:
    """Return whether strings with these levels over n rows are text.

    So are those that mostly differ (more than n / 2 levels) and are many or long, and long ones that are many.
    """
    words = (levels.str.count_matches(r"\s+") + 1).mean()
    chars = levels.str.len_chars().mean()
    long = float(words) >= LONG_WORDS or float(chars) >= LONG_CHARS  # type: ignore[arg-type]
    many = len(levels) > MANY_LEVELS
    return (len(levels) > n / 2 and (many or long)) or (long and len(levels) > max(MANY_LEVELS, n / 20))


def _vector(series: pl.Series) -> tuple[Column, Array] | None:
    """Return lists of d numbers as (n, d) float32, NaN where the list is missing, or None if they are not that."""
    import polars as pl

    lists = series.cast(pl.List(series.dtype.inner)) if isinstance(series.dtype, pl.Array) else series
    flat = lists.drop_nulls().explode()
    lengths = lists.list.len().drop_nulls().unique()
    if not flat.dtype.is_numeric() or len(lengths) != 1 or not lengths[0]:
        return None
    out = np.full((len(lists), lengths[0]), np.nan, np.float32)
    out[lists.is_not_null().to_numpy()] = flat.cast(pl.Float32).fill_null(np.nan).to_numpy().reshape(-1, lengths[0])
    return Column("vector", width=lengths[0]), out


def _remark(series: pl.Series, column: Column) -> str:
    """Return a hint on a column whose kind a person may want to change, or ""."""
    import polars as pl

    if series.null_count() == len(series):
        return "holds no value"
    if column.kind == "numeric" and series.dtype.is_float() and series.is_infinite().any():
        return "holds infinite values"
    if series.dtype != pl.String or len(column.levels) < 10:
        return ""
    levels = pl.Series(column.levels)
    words = levels.filter(levels.cast(pl.Float64, strict=False).is_null())
    if len(words) > len(levels) / 20:
        return ""
    return (
        f"numbers but for {', '.join(map(repr, words.head(3)))}: name these in `nulls` to read numbers"
        if len(words)
        else ""
    )
