"""How far ahead test rows lie of training rows, and whether the held blocks of a split by time lie as far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit.cutting import UNSEEN, later
from kit.dates import are_months
from kit.types import Array, Floats, Folds

FARTHER = 1.5
"""A gap before test is told of from so many times the longest without a row inside train, and that before blocks."""
LONGER = 2.0
"""Blocks are told of that last so many times as long as test, or test as they."""


@dataclass(frozen=True)
class Lead:
    """What lies ahead. `gap`: from the last time learnt from to the first asked; `length`: from there to the last, a
    usual step included."""

    gap: float
    length: float


def told(
    train: Floats, test: Floats, folds: Folds, gap: float, unit: str
) -> Iterator[tuple[Literal["warning", "note"], str, str]]:
    """Yield that held blocks lie nearer than test, or last otherwise, or cannot be told, with what can be done.

    `gap`: that of the split; `unit`: "day", or "" for numbers. Shape: train (n,) times; test (t,), NaN = missing.
    """
    import polars as pl

    if not unit and are_months(pl.Series(train)):
        what = "numbers that look like months: from December to January they jump by 89, and gap and horizon count that"
        yield "warning", what, "data: {kinds: {<the column>: date}}, and lengths in days"
        return
    found = _leads(train, test[test > train.max()], folds) if later(train, test) > 1 - UNSEEN else None
    if found is None:
        return
    asked, held = found
    if asked.gap > held.gap:
        ends = f"test begins {_of(asked.gap, unit)} after train ends"
        what = f"{ends}, held blocks {_of(held.gap, unit)} after learning rows: scores are of a nearer future"
        yield "warning", what, f"split: {{gap: {gap + asked.gap - held.gap:.4g}}}"
    room = min(folds.n_folds, int(np.ptp(train) // asked.length))
    if room > 1 and max(asked.length, held.length) > LONGER * min(asked.length, held.length):
        fewer = "" if room == folds.n_folds else f"folds: {room}, "
        what = f"test lasts {_of(asked.length, unit)}, held blocks {_of(held.length, unit)}"
        yield "note", what, f"split: {{{fewer}horizon: {asked.length:.4g}}} holds blocks as long as test"


def _leads(train: Floats, test: Floats, folds: Folds) -> tuple[Lead, Lead] | None:
    """Return what test asks, all of it later, and in the median what a fold does; None where there is one time."""
    steps = np.diff(np.unique(train))
    if not len(steps):
        return None
    step = float(np.median(steps))
    asked = _lead(train, test, step)
    of_folds = [_lead(train[folds.is_train(k)], train[folds.is_held(k)], step) for k in range(folds.n_folds)]
    held = Lead(*(float(np.median([getattr(lead, name) for lead in of_folds])) for name in ("gap", "length")))
    # A break that train has as well, a weekend, is no gap.
    usual = max(held.gap, float(steps.max()))
    return (asked if asked.gap > FARTHER * usual else Lead(held.gap, asked.length)), held


def _lead(learnt: Array, asked: Array, step: float) -> Lead:
    return Lead(float(asked.min() - learnt.max()), float(asked.max() - asked.min()) + step)


def _of(length: float, unit: str) -> str:
    number = f"{length:.3g}"
    return f"{number} {unit}{'' if number == '1' else 's'}" if unit else number
