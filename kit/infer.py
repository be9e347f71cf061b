"""Turns data frames into the columns kit computes with: infers each column's kind over train and test together."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kit import alike, amounts, clocks, dates, dateshapes, devices, forms, kinds, wishes
from kit.asarray import LOOK, Arrays, array_of, numeric, vector
from kit.errors import DataError, nearest
from kit.forms import Coded, Form, Found
from kit.spelling import spelt
from kit.types import Array, Column
from kit.wishes import Wish

if TYPE_CHECKING:
    import polars as pl


MANY_CELLS, MANY_ROWS = 1_000_000, 10_000
"""Tables of more cells are worked on by several threads, unless their columns are too short to be worth it."""


class Kept(NamedTuple):
    """A column left as it was read (id, target, fold, ...); `test` is None where the test data lack it."""

    train: pl.Series
    test: pl.Series | None


class Note(NamedTuple):
    """What a person should know of a column, and what can be done about it or ""."""

    column: str
    what: str
    next: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """All rows as columns, train first.

    Shape:
        x: name -> (n_train + n_test,) float64 or float32 (numeric; float32 only where that is exact), float64 days
            since 1970-01-01 (date), int32 codes into `Column.levels`, -1 = missing (category, text, key), or
            (n_train + n_test, d) float32 (vector). Missing numbers are NaN. A column becomes an array when it is
            asked for, each time anew: the arrays of a large table need not all be there at once.
        forms: how the values of each column of x are written, to read more of them.
        missing_in_test: columns of x that the test data lack; their test part is missing.
        only_in_test: columns that the train data lack; they are not in x.
    """

    n_train: int
    n_test: int
    header: Mapping[str, Column]
    x: Mapping[str, Array]
    forms: Mapping[str, Form]
    kept: Mapping[str, Kept]
    missing_in_test: frozenset[str]
    only_in_test: frozenset[str]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Roles:
    """Which columns are not inferred like others.

    `keep`: left as they were read. `named`: columns with a role, which are never taken for keys. `kinds`: what a
    person says a column is.
    """

    keep: Sequence[str] = ()
    named: Collection[str] = ()
    kinds: Mapping[str, Wish] = field(default_factory=dict)


class _Made(NamedTuple):
    """A finished column and what makes its array, or None for both where kit has no use for it."""

    column: Column | None
    x: Callable[[], Array] | None
    form: Form
    notes: tuple[Note, ...]


def build(train: pl.DataFrame, test: pl.DataFrame | None, roles: Roles | None = None) -> Table:
    """Return the table of train and test rows; columns to keep go to `Table.kept`, not to x.

    Raises:
        DataError: a column to keep is lacking, or one cannot be read as the kind it is said to have.
    """
    roles = roles or Roles()
    kept = {c: Kept(column_values(train, c), _maybe(test, c)) for c in roles.keep}
    n_test = 0 if test is None else len(test)
    names = [c for c in train.columns if c not in kept]

    def make(name: str, *, comma: bool = False) -> _Made:
        # Polars takes a name like ^a$ for a pattern, so the column goes without its own.
        known, other = train[name].alias("x"), _maybe(test, name)
        sides = known, known.clear(n_test) if other is None else other.alias("x")
        return _column(*sides, name, roles, comma=comma)

    # Conversions leave the interpreter for numpy and polars: threads share the work where there is much of it.
    if len(train) * len(names) > MANY_CELLS and len(train) > MANY_ROWS:
        with ThreadPoolExecutor(devices.cores()) as pool:
            made = dict(zip(names, pool.map(make, names), strict=True))
    else:
        made = {name: make(name) for name in names}
    if any(m.form.style in amounts.COMMAS for m in made.values()):
        made |= {name: make(name, comma=True) for name in _perhaps_commas({name: train[name] for name in names})}
    used = {name: m for name, m in made.items() if m.column is not None and m.x is not None}
    notes = tuple(note for m in made.values() for note in m.notes)
    in_test = set() if test is None else set(test.columns)
    missing = frozenset() if test is None else frozenset(set(used) - in_test)
    return Table(
        n_train=len(train),
        n_test=n_test,
        header={name: m.column for name, m in used.items() if m.column is not None},
        x=Arrays({name: m.x for name, m in used.items() if m.x is not None}),
        forms={name: m.form for name, m in used.items()},
        kept=kept,
        missing_in_test=missing,
        only_in_test=frozenset(in_test - set(train.columns)),
        notes=notes,
    )


def column_values(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return the column as it was read.

    Raises:
        DataError: there is no such column.
    """
    if name not in frame.columns:
        raise DataError("there is no such column", got=name, allowed=frame.columns, next=nearest(name, frame.columns))
    return frame[name]


def _maybe(frame: pl.DataFrame | None, name: str) -> pl.Series | None:
    return frame[name] if frame is not None and name in frame.columns else None


def _perhaps_commas(columns: Mapping[str, pl.Series]) -> list[str]:
    """Return the columns of which a comma may be the decimal sign; none where other numbers have points.

    Numbers of three decimals at most may be whole ones, grouped by points.
    """
    import polars as pl

    named = [(name, s.alias("x")) for name, s in columns.items()]
    floats = [s.drop_nulls().cast(pl.Float64) for _, s in named if s.dtype.is_float()]
    grouped = [(s.round(3) == s).all() and (s.round(2) != s).any() for s in floats]
    if any((s.round(0) != s).any() for s, g in zip(floats, grouped, strict=True) if not g):
        return []
    texts = [(name, s) for name, s in named if s.dtype == pl.String or isinstance(s.dtype, pl.Categorical | pl.Enum)]
    return [name for name, s in texts if s.drop_nulls().head(LOOK).cast(pl.String).str.contains(r"\d,\d").any()]


def _column(train: pl.Series, test: pl.Series, name: str, roles: Roles, *, comma: bool) -> _Made:
    """Return the finished column of train and test values; `comma`: other columns have decimal commas."""
    wish = roles.kinds.get(name)
    found = _stack(train, test, partial(forms.interpret, order=wishes.order_of(wish), comma=comma))
    other = "numeric" if isinstance(found.values, Coded) else "category"
    notes = [Note(name, found.note, f"if that is wrong: kinds: {{{spelt(name)}: {other}}}")] if found.note else []
    if wish is not None:
        found = wishes.grant(found, _both(train, test), wish, name)
        notes = [Note(name, found.note)] if found.note else []
    made = _finish(found, wish, len(train), key=wish is None and name not in roles.named)
    if made is None:
        return _Made(None, None, found.form, (Note(name, f"not used, kit has no column kind for {train.dtype}"),))
    column, x, more = made
    remark = [Note(name, what, next) for what, next in [more] if what]
    return _Made(column, x, found.form, (*notes, *(remark or ([] if notes else _remark(found, column, name)))))


def _stack(train: pl.Series, test: pl.Series, interpret: Callable[[pl.Series], Found]) -> Found:
    """Return what the values of train and test are together."""
    import polars as pl

    if not len(test):
        return interpret(train)
    if train.dtype == pl.String and test.dtype == pl.String:
        return _dated_apart(train, test, interpret(pl.concat([train, test])))
    left, right = interpret(train), interpret(test)
    if "nothing" in (left.form.family, right.form.family):
        known, n = (right, len(train)) if left.form.family == "nothing" else (left, len(test))
        if isinstance(known.values, Coded):
            return interpret(_both(train.cast(pl.String), test.cast(pl.String)))
        parts = [known.values, known.values.clear(n)]
        return Found(pl.concat(parts if known is left else parts[::-1]), known.form, known.note)
    if isinstance(left.values, Coded) and isinstance(right.values, Coded):
        return interpret(forms.as_text(_both(train, test)))
    if left.form.family == right.form.family:
        return Found(_relaxed(left.values, right.values), left.form, left.note or right.note)
    if {left.form.family, right.form.family} == {"numbers", "true/false"} and (switched := _switches(left, right)):
        return switched
    note = f"{left.form.family} in train but {right.form.family} in test: read as text"
    return Found(forms.code(_both(train, test)), Form("text"), note)


def _dated_apart(train: pl.Series, test: pl.Series, found: Found) -> Found:
    """Return dates that train and test write each in a way of its own; else what was found of both together.

    A file that leaves open which number is the day has the order of the other.
    """
    sides = [side.drop_nulls().head(LOOK).str.strip_chars() for side in (train, test)]
    tried = isinstance(found.values, Coded) or dateshapes.AND in found.form.style
    if not tried or not all(len(side) and dates.begin(side).all() for side in sides):
        return found
    left, right = (forms.interpret(side) for side in (train, test))
    if left.form.family != "dates" or right.form.family != "dates":
        return found
    left = forms.interpret(train, dates.order_of(right.form.style)) if left.note else left
    right = forms.interpret(test, dates.order_of(left.form.style)) if right.note else right
    if dates.shapes_of(left.form.style) & dates.shapes_of(right.form.style):
        return found  # 1/13/2021 and 13/1/2021
    note = f"written {left.form.style} in train, {right.form.style} in test: each file is read as it is written"
    return Found(_relaxed(left.values, right.values), left.form, note)


def _both(train: pl.Series, test: pl.Series) -> pl.Series:
    """Return the values of both as they are where they have one type, else as text."""
    import polars as pl

    if not len(test):
        return train
    if train.dtype == test.dtype:
        return pl.concat([train, test])
    if train.dtype.is_numeric() and test.dtype.is_numeric():
        return _relaxed(train, test)
    texts = [forms.as_text(side) for side in (train, test)]
    if train.dtype.is_numeric() or test.dtype.is_numeric():
        texts = [alike.respelt(text) for text in texts]  # 1 in one file and 1.0 in the other are one level
    return pl.concat(texts)


def _relaxed(left: Any, right: Any) -> pl.Series:
    import polars as pl

    joined: pl.Series = pl.concat([left.to_frame(), right.to_frame()], how="vertical_relaxed").to_series()
    return joined


def _switches(left: Found, right: Found) -> Found | None:
    """Return 0 and 1 in one file as the false and true of the other; None where there are other numbers."""
    import polars as pl

    parts = []
    for part in (left.values, right.values):
        assert isinstance(part, pl.Series)
        if not part.drop_nulls().cast(pl.Float64).is_in([0.0, 1.0]).all():
            return None
        parts.append(part.cast(pl.Boolean))
    return Found(pl.concat(parts), Form("true/false"), "0 and 1 in one file, true and false in the other: read as one")


def _finish(
    found: Found, wish: Wish | None, n_train: int, *, key: bool
) -> tuple[Column, Callable[[], Array], tuple[str, str]] | None:
    """Return the header entry, what makes the array, and what was found out with the advice; None without a use."""
    family, values = found.form.family, found.values
    if isinstance(values, Coded):
        kind = kinds.of_text(values, wish, key=key)
        return Column(kind, tuple(values.levels.to_list())), partial(array_of, values, family), ("", "")
    as_array = partial(array_of, values, family)
    if family == "true/false":
        return Column("category", ("false", "true")), as_array, ("", "")
    if family == "lists":
        made = vector(values)
        return None if made is None else (made[0], partial(np.asarray, made[1]), ("", ""))
    if family not in ("numbers", "nothing", "dates"):
        return None
    if family == "dates":
        return Column("date"), as_array, ("", "")
    key = key and found.form.style not in clocks.STYLES
    may_be_key = key and kinds.may_number_rows(array_of(values.head(min(LOOK, n_train)), family))
    if may_be_key and (kinds.is_number_key(x := as_array()) or kinds.counts_rows(x, n_train)):
        coded = forms.code(forms.as_text(values))
        return Column("key", tuple(coded.levels.to_list())), partial(array_of, coded, "text"), ("", "")
    # A sum is soon made, and finite where all values are; finite values may add up to an infinite sum.
    finite = not values.dtype.is_float() or math.isfinite(values.sum() or 0.0)
    infinite = 0 if finite else values.is_infinite().sum()
    told = f"{infinite} infinite values are read as missing" if infinite else ""
    return Column("numeric"), partial(numeric, values, family, bool(infinite)), (told, "")


def _remark(found: Found, column: Column, name: str) -> list[Note]:
    """Return a hint on a column whose kind a person may want to change."""
    if found.form.family == "nothing":
        return [Note(name, "holds no value")]
    if not isinstance(found.values, Coded) or column.kind == "key" or len(found.values.levels) < 10:
        return []
    near = wishes.nearly(found.values.levels)
    return [Note(name, what, next.replace("<column>", spelt(name))) for what, next in near]
