"""What is to be known of rows and a table that are joined: keys that do not meet, dates ahead, targets told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kit import dates, forms, sides
from kit.errors import DataError, few
from kit.infer import Note, Table
from kit.sides import Side
from kit.spelling import spelt
from kit.types import Floats

if TYPE_CHECKING:
    import polars as pl

FOUND, TAKEN = 0.95, 0.5
"""Shares of rows whose key a table has below which that is told: of one row per key, and of several."""
APART = 0.1
"""Difference of these shares between train and test that is told."""
OLDER = 2
"""So many times as old beside test rows what is taken of a history may be."""
SAMPLE = 1000
"""Training rows that are looked for in a table, whether it has their targets."""
FEW, ENOUGH, SHARE = 3, 20, 0.1
"""Rows to be found before a column called as the target, and one of another name, is taken for it, and their share:
rows of another data set may equal some of the training rows."""


def twice(place: str, names: Sequence[str], keys: pl.DataFrame) -> DataError | None:
    """Return the error that keys of a table stand in several rows, with the first of them; None where none does."""
    counted = keys.group_by(keys.columns, maintain_order=True).len("@n")
    several = counted.filter(counted["@n"] > 1)
    if several.is_empty():
        return None
    *key, times = several.row(0)
    shown = f"{few(names)} {', '.join(key)} in {times} rows"
    got = f"{shown}, as {len(several)} of {len(counted)} keys stand more than once"
    advice = 'say what is taken of them: take: {rows: "count(*)"}, or take: auto'
    return DataError(f"a key stands in several rows of {place}", got=got, next=advice)


def again(place: str, names: Sequence[str]) -> DataError:
    """Return the error that the rows have columns already that a table adds."""
    file = "side" if place.startswith("the DataFrame ") else place
    begin = "".join(c if c.isalnum() else "_" for c in file.rpartition("/")[2].partition(".")[0])
    rule = f"the rows have {'a column' if len(names) == 1 else 'columns'} of this name already"
    return DataError(rule, got=few(names), next=f"prefix: {begin}_")


def none(place: str, own: Sequence[str], ours: pl.Series, theirs: pl.Series, *, dated: str, rows: str) -> DataError:
    """Return the error that no row has a key of a table; `dated`: a column that only one side has as dates."""
    shown = [few(list(map(str, s.unique(maintain_order=True).head(3)))) or "empty" for s in (ours, theirs)]
    advice = "name other columns, or write the keys alike: 007 is another name than 7"
    advice = f"kinds: {{{dated}: date}}, for days written as 20241231 too" if dated else advice
    rule = f"no {f'row of {rows}' if rows else 'training row'} has a key of {place}"
    return DataError(rule, got=f"{few(list(own))}: {shown[0]}; {place}: {shown[1]}", next=advice)


def of_shares(place: str, own: str, shares: Mapping[str, float], *, several: bool) -> list[Note]:
    """Return a low share of the rows (of train, test or a table) whose key a table has.

    `several`: it may have rows for few.
    """
    if max(shares.values()) - min(shares.values()) > APART:
        told = " but ".join(f"{s:.0%} of {p}" for p, s in shares.items())
        what = f"{place} has rows for the keys of {told}"
        return [Note(own, what, "check the keys; a list as path takes the tables of train and of test")]
    if min(shares.values()) >= (TAKEN if several else FOUND):
        return []
    told = " and ".join(f"{s:.0%} of {p}" for p, s in shares.items())
    what = f"{place} has the keys of {told}; the other rows get nothing of it"
    return [Note(own, what, "check how the keys are written on both sides")]


def of_ages(place: str, side: Side, rows: Sequence[pl.DataFrame], given: Sequence[Mapping[str, Floats]]) -> list[Note]:
    """Return that what is taken of a history is much older beside test than beside training rows; `given`: as read.

    Held rows then know of days that lie behind all that test rows know.
    """
    assert side.before is not None
    middle, ahead = [], 0.0
    for frame, known in zip(rows, given, strict=True):
        places = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), SAMPLE)).astype(np.int64))
        age, ahead = sides.ages(frame[places], side, {name: x[places] for name, x in known.items()})
        age = age[~np.isnan(age)]
        if len(age) < ENOUGH:
            return []
        middle.append(float(np.median(age)))
    if middle[1] <= OLDER * middle[0] or ahead <= side.before.delay:
        return []
    unit = ", in days" if side.before.form.family == "dates" else ""
    ends = f"{middle[0]:.4g} before training rows but {middle[1]:.4g} before test rows{unit}"
    what = f"what is taken of {place} ends {ends}, at the median"
    advice = f"delay: {ahead:.4g} beside before: held rows then know no more than test rows do"
    return [Note(side.before.column, what, advice)]


def of_dates(place: str, table: Table, rows: pl.DataFrame, keys: Collection[str]) -> list[Note]:
    """Return that a table of several rows per key has dates as the rows have: what comes after a row is taken too."""
    theirs = next((n for n, column in table.header.items() if column.kind == "date" and n not in keys), None)
    ours = None if theirs is None else next((series.name for series in rows if is_date(series)), None)
    if theirs is None or ours is None:
        return []
    what = f"{place} has dates ({theirs}) and so have the rows: what is later than a row is taken as well"
    return [Note(ours, what, f"before: {{{spelt(ours)}: {spelt(theirs)}}} takes what was known by then")]


def of_targets(
    place: str,
    used: Collection[str],
    table: pl.DataFrame,
    rows: pl.DataFrame,
    targets: Collection[str],
    on: Mapping[str, str],
) -> list[Note]:
    """Return that a table has a column called as a target, of which something is taken.

    `on`: column of the rows -> that of the table by which rows are known; empty where only earlier ones are taken.

    Raises:
        DataError: it holds the targets of the training rows themselves.
    """
    told = [name for name in targets if name in used]
    same = [name for name in told if len(table) == len(rows) and table[name].equals(rows[name])]
    same = same or (_outcomes(used, table, rows, targets, on) if on else [])
    if same:
        rule = f"{place} holds the targets of the training rows: those of held rows would reach what learns"
        raise DataError(rule, got=few(same), next="leave it out; the features target_mean and lag know about folds")
    what = f"{place} has this column too: where it tells of training rows, held ones give themselves away"
    return [Note(name, what, "take only what is known when predicting, as with `before`") for name in told]


def _outcomes(
    used: Collection[str], table: pl.DataFrame, rows: pl.DataFrame, targets: Collection[str], on: Mapping[str, str]
) -> list[str]:
    """Return the columns of a table that are a target in every training row of a sample which it has, under any name.

    A row is known by all columns that both have. One that stands twice on either side says nothing.
    """
    import polars as pl

    alike = {c: c for c in table.columns if c in rows.columns and c not in targets} | dict(on)
    pairs = [(own, other) for own, other in alike.items() if _single(rows[own]) and _single(table[other])]
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64))
    ours = pl.DataFrame([_plain(rows[own][places]).alias(f"@{i}") for i, (own, _) in enumerate(pairs)])
    theirs = pl.DataFrame([_plain(table[other]).alias(f"@{i}") for i, (_, other) in enumerate(pairs)])
    names = ours.columns
    if [ours.schema[c] for c in names] != [theirs.schema[c] for c in names]:
        return []
    ours = ours.with_columns(pl.Series("@ours", places)).unique(names, keep="none")
    theirs = theirs.with_row_index("@theirs").join(ours, on=names, how="semi").unique(names, keep="none")
    met = ours.join(theirs, on=names, maintain_order="left")
    found = []
    for target in targets:
        y = _plain(rows[target][met["@ours"]])
        for name in used if y.drop_nulls().n_unique() > 1 else ():
            x = _plain(table[name][met["@theirs"]]) if _single(table[name]) else y.clear()
            enough = len(y) >= max(FEW if name == target else ENOUGH, SHARE * len(ours))
            if enough and x.dtype == y.dtype and x.rename("").equals(y.rename("")):
                found.append(name)
    return found


def _single(values: pl.Series) -> bool:
    return not values.dtype.is_nested()


def _plain(values: pl.Series) -> pl.Series:
    """Return numbers as floats, all else as text without blanks around it."""
    import polars as pl

    return values.cast(pl.Float64) if values.dtype.is_numeric() else forms.as_text(values).str.strip_chars()


def is_date(series: pl.Series) -> bool:
    """Return whether a column is of dates, or of texts that are read as such."""
    import polars as pl

    if series.dtype != pl.String:
        return series.dtype.is_temporal()
    head = series.drop_nulls().head(100).str.strip_chars()
    return bool(len(head)) and dates.find(head.unique()) is not None
