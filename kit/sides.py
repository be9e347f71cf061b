"""A further table ready to be joined to rows: its keys as text, and a row for each key, or the history of each."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kit import forms, taking
from kit.alike import respelt
from kit.asarray import array_of
from kit.errors import DataError, nearest
from kit.forms import Form
from kit.histories import DAY, last_before, part_of
from kit.infer import Table
from kit.taking import GROUP, Take
from kit.types import Array, Floats, Ints

if TYPE_CHECKING:
    import polars as pl

Mode = Literal["text", "number", "date"]
_WHOLE = "^-?[1-9][0-9]*$"

_EMPTY = "@empty"
"""Column that is true in the row of a side that stands for keys it does not have."""


@dataclass(frozen=True)
class Key:
    """A column of the rows that a table is matched by. `form`: how its dates are written."""

    column: str
    mode: Mode
    form: Form


@dataclass(frozen=True)
class Before:
    """The column of the rows whose date, or number, the rows of a history must be less than.

    `delay`: days, or as numbers, by which they must be at least.
    """

    column: str
    form: Form
    delay: float = 0.0

    @property
    def unit(self) -> float:
        """A day, or 1 of numbers, as moments count."""
        return 86.4e9 if self.form.family == "dates" else 1.0

    @property
    def step(self) -> float:
        """The delay as moments count."""
        return self.delay * self.unit


@dataclass(frozen=True, eq=False)
class Side:
    """A table as it is joined.

    Shape:
        rows: columns @0, @1, ... of the keys as text; beside them either one row per key, its columns named as they
            are added (one row more, `@empty`, where keys it lacks have values too: counts of 0), or, with `before`, the
            columns that `takes` read, numbered by key in @g, in order of @d (float64), rows of one key together.
    """

    keys: tuple[Key, ...]
    rows: pl.DataFrame
    before: Before | None = None
    takes: tuple[Take, ...] = ()

    @property
    def adds(self) -> list[str]:
        """The columns it adds."""
        if self.before is not None:
            return [t.name for t in self.takes]
        return [c for c in self.rows.columns if c != _EMPTY and c not in key_columns(len(self.keys))]

    @property
    def whole(self) -> bool:
        """Whether it has one row per key, and nothing to say of other keys."""
        return self.before is None and _EMPTY not in self.rows.columns

    @property
    def needs(self) -> list[str]:
        """The columns of the rows that it reads."""
        return list(dict.fromkeys([*(k.column for k in self.keys), *([self.before.column] if self.before else [])]))

    def only(self, columns: Collection[str]) -> Side:
        """Return the side with these of its columns alone."""
        takes = tuple(t for t in self.takes if t.name in columns)
        keys = key_columns(len(self.keys))
        read = {c for t in takes for c in t.columns} | {*keys, GROUP, DAY, _EMPTY}
        kept = [c for c in self.rows.columns if c in read or (self.before is None and c in columns)]
        return replace(self, rows=picked(self.rows, kept), takes=takes)

    def about(self) -> dict[str, Any]:
        """Return all but the rows, as JSON holds it."""
        return {
            "keys": [asdict(k) for k in self.keys],
            "before": asdict(self.before) if self.before else None,
            "takes": [t.as_dict() for t in self.takes],
        }


def of(about: Mapping[str, Any], rows: bytes) -> Side:
    """Return the side of what `Side.about` and `to_arrow` gave."""
    import polars as pl

    keys = tuple(Key(k["column"], k["mode"], Form(**k["form"])) for k in about["keys"])
    before = about["before"] and Before(**{**about["before"], "form": Form(**about["before"]["form"])})
    takes = tuple(Take.from_dict(t) for t in about["takes"])
    return Side(keys, pl.read_ipc_stream(io.BytesIO(rows)), before or None, takes)


def to_arrow(rows: pl.DataFrame) -> bytes:
    """Return a frame as an Arrow IPC stream, packed."""
    import polars as pl

    out = io.BytesIO()
    rows.rechunk().write_ipc_stream(out, compression="zstd", compat_level=pl.CompatLevel.oldest())
    return out.getvalue()


def reserved(n: int) -> set[str]:
    """Return the names that columns of a table cannot have beside n of a key."""
    return {*key_columns(n), GROUP, DAY, _EMPTY}


def key_columns(n: int) -> list[str]:
    """Return how the n columns of a side's keys are called."""
    return [f"@{i}" for i in range(n)]


def as_key(values: pl.Series, mode: Mode, form: Form) -> pl.Series:
    """Return values as the text they are matched by: a number however it is spelled, a date as its days, a name bare.

    >>> import polars as pl
    >>> [as_key(pl.Series(v), "number", Form("numbers")).to_list() for v in ([1.0, None], ["1", "01"])]
    [['1', None], ['1', '01']]
    """
    import polars as pl

    if mode == "date":
        found, _ = forms.read(values, form)
        return of_days(array_of(found, form.family))
    if values.dtype.is_integer():
        return forms.as_text(values)
    text = forms.as_text(values).str.strip_chars()
    text = text.to_frame().select(pl.when(pl.first() != "").then(pl.first())).to_series()
    if mode == "text" and not values.dtype.is_numeric():
        return text
    frame = pl.DataFrame({"text": text, "number": respelt(text)})  # by way of a float, which holds no 2**53 + 1
    return frame.select(pl.when(pl.col("text").str.contains(_WHOLE)).then("text").otherwise("number")).to_series()


def of_days(days: Floats) -> pl.Series:
    """Return days since 1970 (n,), NaN = missing, as the text that dates are matched by."""
    import polars as pl

    return forms.as_text(pl.Series(moments(days, Form("dates")), dtype=pl.Float64, nan_to_null=True))


def moments(x: Floats, form: Form) -> Floats:
    """Return numbers (n,), dates as whole microseconds since 1970: of a time of day written in two ways days differ in
    their last bits, and a row's own moment would be earlier than itself."""
    return np.round(x * 86.4e9) if form.family == "dates" else x


def picked(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Return these columns; polars itself would take a name like ^a$ for a pattern."""
    import polars as pl

    return pl.DataFrame([frame[name] for name in names])


def single(keys: Sequence[Key], rows: pl.DataFrame, values: pl.DataFrame, empty: pl.DataFrame | None = None) -> Side:
    """Return a side of one row per key; `rows`: their keys, `empty`: one row of values for keys it lacks."""
    import polars as pl

    made = pl.concat([rows, values], how="horizontal")
    if empty is not None:
        made = pl.concat([made, empty.with_columns(pl.lit(True).alias(_EMPTY))], how="diagonal")
    return Side(tuple(keys), made)


def numbered(rows: pl.DataFrame, n: int) -> tuple[pl.DataFrame, pl.Series]:
    """Return the distinct keys (n columns) of rows in order of their first, and the number of each row's key."""
    names = key_columns(n)
    distinct = rows.select(names).unique(maintain_order=True)
    return distinct, _places(rows.select(names), distinct)


def attach(frame: pl.DataFrame, side: Side, given: Mapping[str, Floats] | None = None) -> tuple[pl.DataFrame, Ints]:
    """Return rows with the columns of a side, and (n,) int64 the row of the side that has their key; -1 = none.

    `given`: columns of dates or numbers that were read already, (n,) float64, NaN = missing.

    Raises:
        DataError: the rows lack a column, or have one that would be added.
    """
    import polars as pl

    given = given or {}
    for name in side.needs:
        if name not in frame.columns:
            advice = nearest(name, frame.columns) or "add the column; it may be empty"
            got = f"columns {', '.join(frame.columns)}"
            raise DataError("the rows lack a column that a table is joined by", got=got, allowed=name, next=advice)
    if twice := [c for c in side.adds if c in frame.columns]:
        rule, advice = "the rows have a column already that a table joined to them adds", "leave it out of the rows"
        raise DataError(rule, got=", ".join(twice), next=advice)
    found = _found(frame, side, given)
    if side.before is None:
        places = found.fill_null(len(side.rows) - 1) if _EMPTY in side.rows.columns else found
        columns = [side.rows[c].gather(places).alias(c) for c in side.adds]
    else:
        history, first = part_of(side.rows, found)
        last = last_before(history, first, _numbers(frame, side.before, given), side.before.step)
        columns = taking.taken(side.takes, history, last)
    return pl.concat([frame, pl.DataFrame(columns)], how="horizontal"), found.fill_null(-1).cast(pl.Int64).to_numpy()


def ages(frame: pl.DataFrame, side: Side, given: Mapping[str, Floats]) -> tuple[Floats, float]:
    """Return by how much the last row taken of a history precedes each row, (n,), NaN = none, and by how much that of
    the whole history precedes the youngest row; in days, or as numbers.
    """
    assert side.before is not None
    when, days = _numbers(frame, side.before, given), side.rows[DAY]
    last = last_before(side.rows, _found(frame, side, given), when, side.before.step)
    age = (when - np.asarray(days.gather(last).fill_null(np.nan))) / side.before.unit
    ahead = np.append(when[~np.isnan(when)], -np.inf).max() - np.append(days.to_numpy(), -np.inf).max()
    return age, float(ahead / side.before.unit) if np.isfinite(ahead) else 0.0


def _found(frame: pl.DataFrame, side: Side, given: Mapping[str, Floats]) -> pl.Series:
    """Return the first row of the side that has the key of each row, null = none."""
    import polars as pl

    return _places(pl.DataFrame([_key(frame, k, given).alias(f"@{i}") for i, k in enumerate(side.keys)]), side.rows)


def _key(frame: pl.DataFrame, key: Key, given: Mapping[str, Floats]) -> pl.Series:
    if key.mode == "date" and key.column in given:
        return of_days(given[key.column])
    return as_key(frame[key.column], key.mode, key.form)


def _numbers(frame: pl.DataFrame, before: Before, given: Mapping[str, Floats]) -> Array:
    if before.column in given:
        return moments(given[before.column], before.form)
    values, _ = forms.read(frame[before.column], before.form)
    return moments(np.asarray(array_of(values, before.form.family), np.float64), before.form)


def _places(keys: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Return the first row of `known` that has the key of each row, null where there is none or a part is missing."""
    import polars as pl

    first = known.select(keys.columns).with_row_index("@row")
    if GROUP in known.columns:
        first = first.filter(known[GROUP] != known[GROUP].shift(fill_value=2**32 - 1))
    return keys.join(first, on=keys.columns, how="left", maintain_order="left")["@row"].cast(pl.UInt32)


def column_of(table: Table, name: str) -> pl.Series:
    """Return a column of a table for SQL: numbers, moments or texts, null = missing."""
    import polars as pl

    x, column = table.x[name], table.header[name]
    if column.kind in ("category", "text", "key"):
        index = pl.Series(x).to_frame().select(pl.when(pl.first() >= 0).then(pl.first())).to_series()
        return pl.Series(column.levels, dtype=pl.String).gather(index.cast(pl.UInt32)).alias(name)
    numbers = pl.Series(np.asarray(x, np.float64), nan_to_null=True)
    if column.kind == "date":
        return (numbers * 86.4e9).round().cast(pl.Int64).cast(pl.Datetime("us")).alias(name)
    return numbers.alias(name)
