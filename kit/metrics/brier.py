"""Brier score: the squared error of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "proba"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 2.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sum v |p - e|^2 / sum v, e = 1 for the true class; binary: of P(positive) alone, so half as much.

    Shape: y, v (n,) float64; pred.mean (n, 1) P(positive) or (n, C).

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> score(task, np.array([1.0, 0.0]), Pred(np.array([[0.5], [0.5]])), np.ones(2))
    0.25
    """
    p = pred.mean.astype(np.float64)
    true = y[:, None] if task.kind == "binary" else y[:, None] == np.arange(task.n_out)
    return float((v * ((p - true) ** 2).sum(axis=1)).sum() / v.sum())
