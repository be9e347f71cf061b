"""Normalised discounted cumulative gain of the first rows of a query: `ndcg@10`. Graded or binary relevance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.errors import DataError
from kit.judging import Number
from kit.metrics._ranking import Ranked, alone, ideal, ranked
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

MOST = 30
"""Grades above it would leave all others without weight."""


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the score of one query at 10. Shape: y, v (n,) float64; pred.mean (n, 1)."""
    return score_at(task, y, pred, v, AT.default)


def score_at(task: Task, y: Floats, pred: Pred, v: Floats, at: float) -> float:
    """Return the score of one query.

    Raises:
        DataError: no row is relevant, or a grade is negative.

    >>> y, p = np.array([0.0, 1.0, 0.0, 1.0]), Pred(np.array([[4.0], [3.0], [2.0], [1.0]]))
    >>> round(score_at(Task("regression"), y, p, np.ones(4), 3), 6)
    0.386853
    """
    return alone(by_group_at, task, y, pred, v, at)


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group at 10."""
    return by_group_at(task, y, pred, groups, AT.default)


def by_group_at(task: Task, y: Floats, pred: Pred, groups: Groups, at: float) -> Floats:
    """Return (G,) DCG / DCG of the best order, NaN where no row is relevant.

    A row of grade y gains v (2^y - 1) / log2(1 + place).

    Source: Burges et al. 2005, Learning to rank using gradient descent.

    Raises:
        DataError: a grade is negative, or above 30.
    """
    if len(y) and y.max() > MOST:
        raise DataError(f"ndcg takes grades of relevance up to {MOST}", got=float(y.max()), next="use fewer grades")
    found = ranked(y, pred, groups)
    best = groups.kept(f"best@{at:g}", y, lambda: _total(ideal(y, groups.v * (2**y - 1), groups), at))
    return _total(found, at) / np.where(best > 0, best, np.nan)


def _total(found: Ranked, at: float) -> Floats:
    gain = found.v * (2**found.grade - 1) / np.log2(1 + found.place)
    return found.groups.total(np.where(found.place <= at, gain, 0.0))
