"""Symmetric mean absolute percentage error, from 0 to 200 as on Kaggle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "absolute"}
CODEC: str = "log1p"
RANGE: tuple[float | None, float | None] = (0.0, 200.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return 200 sum v |p - y| / (|p| + |y|) / sum v, a row counting 0 where both are 0.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> score(Task("regression"), np.array([1.0, 0.0]), Pred(np.array([[3.0], [0.0]])), np.ones(2))
    50.0
    """
    p = pred.mean[:, 0].astype(np.float64)
    size = np.abs(p) + np.abs(y)
    share = np.divide(np.abs(p - y), size, out=np.zeros(len(y)), where=size > 0)
    return float(200 * (v * share).sum() / v.sum())
