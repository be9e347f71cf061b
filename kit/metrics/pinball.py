"""Pinball loss of a quantile: `pinball@0.9` for the 90 % quantile, `pinball` for the median."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Number
from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "absolute"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, None)

AT = Number(0.5, 0.001, 0.999, whole=False)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the loss at the median, half the mean absolute error. Shape: y, v (n,); pred.mean (n, 1)."""
    return score_at(task, y, pred, v, AT.default)


def score_at(task: Task, y: Floats, pred: Pred, v: Floats, at: float) -> float:
    """Return sum v max(at (y - p), (at - 1) (y - p)) / sum v, which the quantile of share `at` makes least.

    Shape: y, v (n,) float64; pred.mean (n, 1).
    Source: Koenker & Bassett 1978.

    >>> score_at(Task("regression"), np.array([0.0, 4.0]), Pred(np.array([[2.0], [2.0]])), np.ones(2), 0.75)
    1.0
    """
    error = y - pred.mean[:, 0]
    return float((v * np.maximum(at * error, (at - 1) * error)).sum() / v.sum())


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the loss of each group at the median."""
    return by_group_at(task, y, pred, groups, AT.default)


def by_group_at(task: Task, y: Floats, pred: Pred, groups: Groups, at: float) -> Floats:
    """Return (G,) the loss of each group."""
    error = y - pred.mean[:, 0]
    return groups.mean(np.maximum(at * error, (at - 1) * error))
