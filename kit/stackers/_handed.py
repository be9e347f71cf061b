"""Sums over the rows that a stacker was handed."""

from __future__ import annotations

import numpy as np

from kit.contracts import Context
from kit.stackers._gram import Grams, Sources, Space, space_of
from kit.stackers._sums import Scored, gather, sums_of
from kit.types import Floats, Task

PIECES = 4
"""Runs of rows that are summed beside each other; as many whatever the cores, so that the sum is the same on any."""


def residual_gram(task: Task, z: Sources, y: Floats, v: Floats, space: Space = "identity") -> Floats:
    """Return (S + 1, S + 1) float64, the mean over all rows, as `Grams.mean` returns it."""
    scored = Scored(task, y, v, np.zeros(len(y), np.int64))
    sums = sums_of(scored, z, np.array_split(np.flatnonzero(v > 0), PIECES), space)
    return np.asarray(sum(sums[1:], sums[0]) / v.sum(), np.float64)


def gathered(ctx: Context, z: Sources, y: Floats, v: Floats) -> Grams:
    """Return the sums of the rows a stacker was handed, in parts of the folds they come from, if it knows them."""
    fold = np.arange(len(y)) % 5 if ctx.fold is None else ctx.fold
    return gather(Scored(ctx.task, y, v, fold, ctx.group), z, space_of(ctx.metric.name))
