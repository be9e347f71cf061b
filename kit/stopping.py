"""Which of the rows that a model may learn from it does learn from, and which it stops on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kit import registry
from kit.design import Use
from kit.errors import DataError
from kit.types import Bools, Rows, Task

Draw = Callable[[], np.random.Generator]


def lasting(split: Use, train: Rows) -> Rows:
    """Return the training rows that a model of all rows learns from: under a window of time those within it."""
    module = registry.load("splits", split.use)
    if not hasattr(module, "lasting"):
        return train
    learns: Bools = module.lasting(split.params, train)
    return train if learns.all() else train.take(np.flatnonzero(learns))


def stop_rows(split: Use, folds: int | None, task: Task, learning: Rows, draw: Draw) -> tuple[Bools, Bools]:
    """Return (n,) who learns and who stops: the last fold of the same splitter, which so obeys groups and time.

    `folds`: into how many the learning rows are cut, as many as the splitter's own where it is None; `draw` starts
    the stream of what is drawn.

    Where the learning rows are too few for as many folds (few groups left), fewer are tried; a splitter that finds no
    two folds in them (a fold column with two values) gives way to kfold, one by time first to the last rows, however
    long its blocks and gaps are.

    Raises:
        DataError: there are too few rows for any.
    """
    module = registry.load("splits", split.use)
    wanted: int = folds or int(getattr(split.params, "folds", 5))
    for n_folds in range(wanted, 1, -1):
        changes = {"folds": n_folds} if hasattr(split.params, "folds") else {}
        try:
            made = module.assign(split.params.model_copy(update=changes), task, learning, draw())
        except DataError:
            continue
        last = int(made.held.max(initial=-1))
        stops = made.held == last
        learns = ~stops if made.train is None else made.train[last]
        if last >= 0 and stops.any() and learns.any():
            return learns, stops
    return stop_rows(_plainer(split, wanted, len(learning)), folds, task, learning, draw)


def stop_queries(split: Use, folds: int | None, task: Task, learning: Rows, draw: Draw) -> tuple[Bools, Bools]:
    """Return the same for a learner that ranks: where the splitter tears queries, they are kept whole.

    Under a split by time a torn query goes where its earliest row goes; under any other, stop rows are cut by whole
    queries instead.

    Raises:
        DataError: there are fewer than two queries.
    """
    query = learning.query
    if query is None:
        return stop_rows(split, folds, task, learning, draw)
    codes = np.unique(query, return_inverse=True)[1]
    n_queries = int(codes.max(initial=-1)) + 1
    if n_queries < 2:
        rule, advice = "stop rows are whole queries, and there are fewer than two to learn from", "stop: fixed"
        raise DataError(rule, got=f"{n_queries} queries", next=advice)
    learns, stops = stop_rows(split, folds, task, learning, draw)
    if not (np.isin(codes, codes[stops]) & ~stops).any():
        return learns, stops
    if learning.time is not None and "time" in registry.load("splits", split.use).NEEDS:
        order = np.lexsort((np.arange(len(codes)), learning.time, codes))
        first = order[np.searchsorted(codes[order], np.arange(n_queries))]
        learns, stops = learns[first][codes], stops[first][codes]
        if learns.any() and stops.any():
            return learns, stops
    wanted = min(n_queries, max(folds or int(getattr(split.params, "folds", 5)), 2))
    whole = Use("splits", "group", registry.load("splits", "group").Params(folds=wanted))
    return stop_rows(whole, wanted, task, replace(learning, group=query), draw)


def _plainer(split: Use, wanted: int, n: int) -> Use:
    """Return the split that takes the place of one which finds no stop rows among n.

    Raises:
        DataError: it was kfold.
    """
    timed = "time" in registry.load("splits", split.use).NEEDS
    for name in ("time", "kfold") if timed else ("kfold",):
        plain = Use("splits", name, registry.load("splits", name).Params(folds=max(wanted, 2)))
        if split != plain and split.use != "kfold":
            return plain
    raise DataError("too few learning rows to cut stop rows from", got=n, next="stop: fixed")
