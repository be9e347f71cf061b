"""Average precision of the first rows of a query, whose mean over queries is MAP@k: `ap@12`."""

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

AT = Number(12, 1, 1_000_000)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the score of one query at 12. Shape: y, v (n,) float64; pred.mean (n, 1)."""
    return score_at(task, y, pred, v, AT.default)


def score_at(task: Task, y: Floats, pred: Pred, v: Floats, at: float) -> float:
    """Return the score of one query.

    Raises:
        DataError: no row is relevant, or a grade is negative.

    >>> task = Task("regression")
    >>> score_at(task, np.array([0.0, 1.0, 0.0, 1.0]), Pred(np.array([[4.0], [3.0], [2.0], [1.0]])), np.ones(4), 4)
    0.5
    """
    return alone(by_group_at, task, y, pred, v, at)


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group at 12."""
    return by_group_at(task, y, pred, groups, AT.default)


def by_group_at(task: Task, y: Floats, pred: Pred, groups: Groups, at: float) -> Floats:
    """Return (G,) the sum of the precision at each relevant row of the first `at`, over the most that could be there.

    NaN where no row is relevant. A row counts as often as it weighs; that most is `at` times the mean relevant weight.
    """
    found = ranked(y, pred, groups)
    relevant = (found.grade > 0).astype(np.float64)
    upto = np.cumsum(relevant)
    upto -= (upto - relevant)[groups.starts][groups.of]
    gained = np.where(found.place <= at, found.hit * upto / found.place, 0.0)
    n_relevant = groups.total(relevant)
    return groups.total(gained) / (found.relevant / n_relevant * np.minimum(n_relevant, at))
