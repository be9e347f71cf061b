"""Whether a relevant row is among the first rows of a query: `hit@10`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Number
from kit.metrics._ranking import alone, ranked
from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("regression", "binary")
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared", "binary": "logloss"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)
NEEDS_BY = True

AT = Number(10, 1, 1_000_000)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the score of one query at 10. Shape: y, v (n,) float64; pred.mean (n, 1)."""
    return score_at(task, y, pred, v, AT.default)


def score_at(task: Task, y: Floats, pred: Pred, v: Floats, at: float) -> float:
    """Return the score of one query.

    Raises:
        DataError: no row is relevant, or a grade is negative.

    >>> task = Task("regression")
    >>> score_at(task, np.array([0.0, 1.0, 0.0, 1.0]), Pred(np.array([[4.0], [3.0], [2.0], [1.0]])), np.ones(4), 1)
    0.0
    """
    return alone(by_group_at, task, y, pred, v, at)


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group at 10."""
    return by_group_at(task, y, pred, groups, AT.default)


def by_group_at(task: Task, y: Floats, pred: Pred, groups: Groups, at: float) -> Floats:
    """Return (G,) 1 where one of the first `at` rows is relevant, else 0, NaN where no row is relevant."""
    found = ranked(y, pred, groups)
    inside = groups.total(np.where(found.place <= at, found.hit, 0.0)) > 0
    return np.where(np.isnan(found.relevant), np.nan, inside)
