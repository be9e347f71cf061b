"""Median absolute error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "absolute"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, None)

HALF = 1e-12
"""Share of the weights by which a half may be missed and still be one."""


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the weighted median of |p - y|: the middle of the two middle values where half the weight lies below.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> score(Task("regression"), np.zeros(3), Pred(np.array([[3.0], [-4.0], [9.0]])), np.ones(3))
    4.0
    """
    counted = v > 0
    error, weight = np.abs(pred.mean[counted, 0] - y[counted]), v[counted]
    order = np.argsort(error, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    first = int(np.searchsorted(below, 0.5 - HALF))
    last = min(first + bool(below[first] <= 0.5 + HALF), len(order) - 1)
    return float((error[order[first]] + error[order[last]]) / 2)
