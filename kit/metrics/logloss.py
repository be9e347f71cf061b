"""Logarithmic loss of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "proba"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, None)

EPS = 1e-15


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return -sum v log P(true class) / sum v, P clipped to [1e-15, 1 - 1e-15] and then made to sum to one.

    Shape: y, v (n,) float64; pred.mean (n, 1) P(positive) or (n, C).

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> round(score(task, np.array([1.0, 0.0]), Pred(np.array([[0.5], [0.5]])), np.ones(2)), 6)
    0.693147
    """
    return float(-(v * np.log(_true(task, y, pred))).sum() / v.sum())


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group."""
    return groups.mean(-np.log(_true(task, y, pred)))


def _true(task: Task, y: Floats, pred: Pred) -> Floats:
    """Return (n,) the probability of the true class."""
    # In float64: 1 - 1e-15 is 1 in float32, and the clip would do nothing there.
    p = np.clip(pred.mean.astype(np.float64), EPS, 1 - EPS)
    if task.kind == "binary":
        return np.where(y == 1, p[:, 0], 1 - p[:, 0])
    return np.asarray(p[np.arange(len(y)), y.astype(np.int64)] / p.sum(axis=1))
