"""Mean logarithm of the hyperbolic cosine of the error: squared where small, absolute where large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, None)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sum v log cosh(p - y) / sum v.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> round(score(Task("regression"), np.zeros(1), Pred(np.array([[1.0]])), np.ones(1)), 6)
    0.433781
    """
    error = np.abs(pred.mean[:, 0] - y)
    # cosh itself overflows at an error of 711.
    return float((v * (error + np.log1p(np.exp(-2 * error)) - np.log(2))).sum() / v.sum())
