"""Share of relevant rows among the first rows of a query: `precision@10`."""

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

    >>> y, p = np.array([0.0, 1.0, 0.0, 1.0]), Pred(np.array([[4.0], [3.0], [2.0], [1.0]]))
    >>> round(score_at(Task("regression"), y, p, np.ones(4), 3), 6)
    0.333333
    """
    return alone(by_group_at, task, y, pred, v, at)


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group at 10."""
    return by_group_at(task, y, pred, groups, AT.default)


def by_group_at(task: Task, y: Floats, pred: Pred, groups: Groups, at: float) -> Floats:
    """Return (G,) the relevant share of the weight of the first `at` places; what lies beyond the last row is wrong."""
    found = ranked(y, pred, groups)
    first = found.place <= at
    said, right = groups.total(np.where(first, found.v, 0.0)), groups.total(np.where(first, found.hit, 0.0))
    return right / said * groups.total(first.astype(np.float64)) / at
