"""Rows of a further table in order of their dates, key by key: which of them lie before a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit.taking import GROUP
from kit.types import Array

if TYPE_CHECKING:
    import polars as pl

DAY = "@d"
"""Column of the dates of a history."""


def part_of(history: pl.DataFrame, first: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Return the part of a history that some rows ask for, and the first row there of each row's key: a few new rows
    are not to wait for all keys."""
    import polars as pl

    asked = history[GROUP].gather(first.drop_nulls().unique(maintain_order=True).sort())
    if 2 * len(asked) > history[GROUP].n_unique():
        return history, first
    kept = history.filter(pl.col(GROUP).is_in(asked.implode()))
    starts = pl.DataFrame({"g": asked, "at": kept[GROUP].search_sorted(asked)})
    groups = pl.DataFrame({"g": history[GROUP].gather(first)})
    return kept, groups.join(starts, on="g", how="left", maintain_order="left")["at"]


def last_before(history: pl.DataFrame, first: pl.Series, when: Array, delay: float) -> pl.Series:
    """Return the last row of each row's key that is dated before it, by the delay, null where there is none.

    `first`: the first row of the key; `when` (n,) the dates of the rows, NaN = missing; `delay`: as these count.
    """
    import polars as pl

    if history.is_empty():
        return first.clear(len(first))
    days, rank = np.unique(history[DAY].to_numpy(), return_inverse=True)
    wide = len(days) + 1
    order = history[GROUP].cast(pl.Int64).to_numpy() * wide + rank
    known = first.is_not_null().to_numpy() & ~np.isnan(when)
    start = first.fill_null(0).cast(pl.Int64).to_numpy()
    earlier = np.searchsorted(days, when - delay, side="right" if delay else "left")
    asked = order[start] // wide * wide + earlier
    last = np.searchsorted(order, asked, side="left") - 1
    known &= last >= start
    return pl.Series(last).to_frame().select(pl.when(pl.Series(known)).then(pl.first())).to_series().cast(pl.UInt32)
