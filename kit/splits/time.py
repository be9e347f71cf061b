"""Forward chaining: fold k is predicted by what was known before it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from kit.contracts import Assignment
from kit.dates import shown
from kit.errors import DataError
from kit.params import Params as Base
from kit.types import Bools, Floats, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ("time",)
RANDOM: bool = False


class Params(Base):
    """Parameters of forward chaining."""

    folds: Annotated[int, Field(ge=2, le=1000)] = 5
    """Number of held blocks of time, of equally many rows; rows of equal time stay together."""

    gap: Annotated[float, Field(ge=0)] = 0.0
    """How long before a held block the rows that may be learnt from end, in units of the time column."""

    train_window: Annotated[float, Field(gt=0)] | None = None
    """How long before the start of a held block the rows that may be learnt from begin. None = at the first row. The
    model of all rows (`refit`) learns from as long a time before the last row as those of the folds do."""

    warmup: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the rows, the earliest, that is never held. None = as many as a held block has."""

    horizon: Annotated[float, Field(gt=0)] | None = None
    """Length of a held block, in units of the time column; the last ends at the last time. None = equally many rows."""

    @model_validator(mode="after")
    def _one_way(self) -> Params:
        if self.horizon is not None and self.warmup is not None:
            raise ValueError("horizon leaves to the warm-up what is earlier than its blocks: leave out one of the two")
        return self


def assign(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
    """Return the blocks of time, -1 for the warm-up, and who is early enough to be learnt from for each.

    Raises:
        DataError: no or a missing time, too few distinct times, or a fold without a row to learn from.
    """
    time = _checked(rows)
    values, of_row, counts = np.unique(time, return_inverse=True, return_counts=True)
    if len(values) <= params.folds:
        allowed = f"at least {params.folds + 1}, one for the warm-up"
        raise DataError("too few distinct times", got=len(values), allowed=allowed, next="lower `folds`")
    cuts = _cut(counts, params) if params.horizon is None else _by_length(rows, values, params.horizon, params.folds)
    held = (np.searchsorted(cuts, np.arange(len(values)), side="right") - 1)[of_row]
    start = values[cuts][:, None]
    train = time < start - params.gap
    if params.train_window is not None:
        train &= time >= start - params.train_window
    empty = np.flatnonzero(~train.any(axis=1))
    if len(empty):
        got = f"fold {empty[0]}, which starts at time {_said(rows, start[empty[0]])[0]}"
        raise DataError(
            "a fold has no row to learn from", got=got, next="lower `gap`, raise `train_window` or `warmup`"
        )
    return Assignment(held, train)


def lasting(params: Params, rows: Rows) -> Bools:
    """Return (n,) who a model of all rows learns from: a time as long as that of the folds, which ends at the last row.

    Rows that only teach may be later, or have no time: they learn.
    """
    if params.train_window is None or rows.time is None:
        return np.ones(len(rows), np.bool_)
    last = np.fmax.reduce(rows.time[rows.v > 0], initial=-np.inf)
    return np.asarray(~(rows.time <= last - (params.train_window - params.gap)))


def _checked(rows: Rows) -> Floats:
    if rows.time is None:
        raise DataError("a time split needs a time column", next="add `time: <column>` to the split")
    missing = rows.row[np.isnan(rows.time)]
    if len(missing):
        raise DataError("null in the time column", got=f"{len(missing)} rows, the first {missing[:5].tolist()}")
    return rows.time


def _by_length(rows: Rows, values: Floats, horizon: float, folds: int) -> Ints:
    """Return (folds,) int64: the position among the distinct times at which each block of that length begins.

    Raises:
        DataError: a block, or what is before the first, is empty.
    """
    before = values[-1] - horizon * np.arange(folds, 0, -1)
    cuts = np.searchsorted(values, before, side="right")
    empty = np.flatnonzero(np.diff(cuts, prepend=0) == 0)
    if len(empty):
        end, first, last = _said(rows, np.array([before[empty[0]], values[0], values[-1]]))
        where = "before the first block" if empty[0] == 0 else f"in the block that ends at {end}"
        got = f"no row {where}; times run from {first} to {last}"
        raise DataError("the horizon leaves a block empty", got=got, next="choose another `horizon` or fewer `folds`")
    return np.asarray(cuts, np.int64)


def _said(rows: Rows, times: Floats) -> list[str]:
    """Return times for people: as dates where the column that holds them is one of dates."""
    days = [name for name, column in rows.header.items() if column.kind == "date"]
    dated = any(np.array_equal(np.asarray(rows.x[name], np.float64), _checked(rows)) for name in days)
    return shown(times, minutes=bool((times % 1).any())) if dated else [f"{t:g}" for t in times]


def _cut(counts: Ints, params: Params) -> Ints:
    """Return (folds,) int64: the position among the distinct times at which each block begins.

    Each cut is the one nearest to where the rows would be equally many, moved only to leave no block empty.
    """
    n, folds = int(counts.sum()), params.folds
    warmup = 1 / (folds + 1) if params.warmup is None else params.warmup
    wanted = n * (warmup + (1 - warmup) * np.arange(folds) / folds)
    before = np.cumsum(counts) - counts
    after = np.clip(np.searchsorted(before, wanted), 1, len(counts) - 1)
    cuts = np.where(wanted - before[after - 1] < before[after] - wanted, after - 1, after)
    step = np.arange(folds)
    cuts = np.maximum.accumulate(np.maximum(cuts, 1) - step) + step
    return np.minimum(cuts, len(counts) - folds + step)
