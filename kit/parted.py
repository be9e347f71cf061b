"""What `kit check` says of the groups that a metric is a mean over."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

import numpy as np

from kit import registry
from kit.errors import DataError
from kit.grouped import Each, Within, split
from kit.recipe import Recipe
from kit.rowgroups import codes_of, weights_of
from kit.spelling import spelt
from kit.store import Stored
from kit.types import Array, Floats, Pred, Task
from kit.wording import plural

Said = tuple[Literal["warning", "note"], str, str, str]
"""Severity, column, what was seen, what can be done."""


def findings(recipe: Recipe, task: Task, rows: Stored, held: Array, used: Collection[str]) -> Iterator[Said]:
    """Yield what is to be said of the groups of each metric; `used`: the columns that a model reads.

    Shape: held (n,) the fold of each row.
    """
    metrics = dict.fromkeys((recipe.metric, *recipe.also))
    for metric in metrics:
        yield from _of_metric(metric, task, rows, held)
    queries = {c for m in metrics if is_ranking(m) and (by := split(m)[1]) is not None for c in by.columns}
    for column in sorted(queries.intersection(used)):
        what, advice = (
            "names queries, and models read it as a feature",
            f"data: {{drop: [{spelt(column)}]}} if test has others",
        )
        yield "note", column, what, advice


def is_ranking(metric: str) -> bool:
    """Return whether a metric orders the rows of a query."""
    return bool(getattr(registry.load("metrics", metric), "NEEDS_BY", False))


def _of_metric(metric: str, task: Task, rows: Stored, held: Array) -> Iterator[Said]:
    """Yield how many groups there are, how large, how many have no score, and that folds tear those of a ranking."""
    within = registry.metric(metric).within
    if within is None:
        return
    y, v = rows.array("y"), weights_of(rows)
    groups, column = within.groups(v), within.by.text
    size = np.bincount(groups.of)
    what = f"{within.name} is the mean over {plural(len(size), 'group')} of {size.min()} to {size.max()} rows"
    what += f" (median {np.median(size):g})"
    what += ", which count as their rows do" if within.by.rows else ""
    if (lost := undefined(within, task, y, v)) > 0:
        what += f"; {lost} {'is' if lost == 1 else 'are'} left out, as it is not defined there"
    yield "note", column, what, ""
    if is_ranking(metric):
        pairs = np.unique(np.stack([codes_of(v)[column], held]), axis=1)[0]
        torn = int((np.bincount(pairs) > 1).sum())
        if torn:
            seen = f"the rows of {plural(torn, 'group')} stand in several folds: a fold ranks a part of each"
            only = within.by.columns[0]
            advice = f"split: {{use: group, groups: {spelt(only)}}} holds them whole"
            yield "warning", column, seen, advice if len(within.by.columns) == 1 else "split them by a group column"


def undefined(within: Within, task: Task, y: Floats, v: Floats) -> int:
    """Return the number of groups that not even y itself has a score in. Shape: y, v (n,)."""
    mean = y[:, None] == np.arange(task.n_out) if task.kind == "multiclass" else y[:, None]
    try:
        each = within.each(task, y, Pred(mean.astype(np.float32), np.ones(len(y), np.float32)), v)
    except DataError:
        return len(within.groups(v).code)
    return n_undefined(each)


def n_undefined(each: Each) -> int:
    """Return the number of groups without a score."""
    return int((~np.isfinite(each.score)).sum())
