"""Share of rows whose most probable class is the true one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.types import Floats, Floats32, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "label"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"


def decide(task: Task, mean: Floats32) -> Floats:
    """Return (n,) float64, y as decided: 1 where P >= .5, or the index of the most probable class (ties: the first).

    Shape: mean (n, 1) or (n, C).
    """
    if task.kind == "binary":
        return np.asarray(mean[:, 0] >= 0.5, np.float64)
    return np.asarray(mean.argmax(axis=1), np.float64)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the weighted share of rows for which `decide` finds y.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C) probabilities.

    >>> task = Task("multiclass", "softmax", classes=("a", "b", "c"))
    >>> score(task, np.array([2.0, 0.0]), Pred(np.array([[0.2, 0.3, 0.5], [0.1, 0.9, 0.0]])), np.ones(2))
    0.5
    """
    return float((v * (decide(task, pred.mean) == y)).sum() / v.sum())
