"""Rows that only teach: never scored (v = 0), so never cut off to stop on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kit import registry
from kit.types import Bools, Folds, Rows


def cut_scored(rows: Rows, cut: Callable[[Rows], tuple[Bools, Bools]]) -> tuple[Bools, Bools]:
    """Return who learns and who stops as `cut` says of the rows that are scored; the others learn.

    A row that is not scored does not learn where its group, or the query it is ranked in, is stopped on.
    """
    scored = rows.v > 0
    if scored.all() or not scored.any():
        return cut(rows)
    learns, stops = ~scored, np.zeros(len(rows), np.bool_)
    learns[scored], stops[scored] = cut(rows.take(np.flatnonzero(scored)))
    for together in (rows.group, rows.query):
        if together is not None:
            learns &= scored | ~np.isin(together, together[stops])
    return learns, stops


def with_extra(folds: Folds, train: Rows, split: str, params: Mapping[str, Any] | None = None) -> Folds:
    """Return the folds of training rows below which learn-only rows stand: never held, learnt from in every fold.

    But in no fold that holds their group, nor, under a split by time, in one that holds earlier rows or rows of their
    own time: what they say would not be known yet. `gap` and `train_window` among the split's `params` hold for them,
    too; rows without a time learn.
    """
    n = folds.held.shape[1]
    count = len(train) - n
    if not count:
        return folds
    timed, given = "time" in registry.load("splits", split).NEEDS, params or {}
    gap, window = given.get("gap") or 0.0, given.get("train_window") or np.inf
    learns = np.ones((len(folds), n + count), np.bool_)
    for k in range(len(folds)):
        learns[k, :n] = folds.is_train(k)
        held = np.flatnonzero(folds.is_held(k))
        if train.group is not None:
            learns[k, n:] &= ~np.isin(train.group[n:], train.group[held])
        if timed and train.time is not None:
            start, time = train.time[held].min(), train.time[n:]
            learns[k, n:] &= ~((time >= start - gap) | (time < start - window))
    never = np.full((folds.held.shape[0], count), -1, np.int16)
    return Folds(np.concatenate([folds.held, never], axis=1), folds.n_folds, learns)
