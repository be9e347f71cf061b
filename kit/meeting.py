"""What is to be known of rows and a table that are joined: keys that do not meet, dates ahead, targets told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from kit import dates
from kit.errors import DataError
from kit.infer import Note, Table
from kit.spelling import spelt

if TYPE_CHECKING:
    import polars as pl

FOUND, TAKEN = 0.95, 0.5
"""Shares of rows whose key a table has below which that is told: of one row per key, and of several."""
APART = 0.1
"""Difference of these shares between train and test that is told."""


def of_shares(place: str, own: str, shares: Sequence[float], *, several: bool) -> list[Note]:
    """Return a low share of train and test rows whose key the table has; `several`: that may have rows for few."""
    if len(shares) == 2 and abs(shares[0] - shares[1]) > APART:
        what = f"{place} has rows for {shares[0]:.0%} of the keys in train but {shares[1]:.0%} of those in test"
        return [Note(own, what, "check the keys, and that the table is that of test too")]
    if min(shares) >= (TAKEN if several else FOUND):
        return []
    told = " and ".join(f"{s:.0%} of {p}" for s, p in zip(shares, ("train", "test"), strict=False))
    what = f"{place} has the keys of {told}; the other rows get nothing of it"
    return [Note(own, what, "check how the keys are written on both sides")]


def of_dates(place: str, table: Table, rows: pl.DataFrame, keys: Collection[str]) -> list[Note]:
    """Return that a table of several rows per key has dates as the rows have: what comes after a row is taken too."""
    theirs = next((n for n, column in table.header.items() if column.kind == "date" and n not in keys), None)
    ours = None if theirs is None else next((series.name for series in rows if _is_date(series)), None)
    if theirs is None or ours is None:
        return []
    what = f"{place} has dates ({theirs}) and so have the rows: what is later than a row is taken as well"
    return [Note(ours, what, f"before: {{{spelt(ours)}: {spelt(theirs)}}} takes what was known by then")]


def of_targets(
    place: str, used: Collection[str], table: pl.DataFrame, rows: pl.DataFrame, targets: Collection[str]
) -> list[Note]:
    """Return that a table has a column called as a target, of which something is taken.

    Raises:
        DataError: it holds the targets of the training rows themselves.
    """
    told = [name for name in targets if name in used and name in rows.columns]
    for name in told:
        if len(table) == len(rows) and table[name].equals(rows[name]):
            rule = f"{place} holds the targets of the training rows: those of held rows would reach what learns"
            advice = "leave it out; the features target_mean and lag know about folds"
            raise DataError(rule, got=name, next=advice)
    what = f"{place} has this column too: where it tells of training rows, held ones give themselves away"
    return [Note(name, what, "take only what is known when predicting, as with `before`") for name in told]


def _is_date(series: pl.Series) -> bool:
    import polars as pl

    if series.dtype != pl.String:
        return series.dtype.is_temporal()
    head = series.drop_nulls().head(100).str.strip_chars()
    return bool(len(head)) and dates.find(head.unique()) is not None
