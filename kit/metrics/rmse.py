"""Root mean squared error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, None)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sqrt(sum v (p - y)^2 / sum v).

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> task = Task("regression")
    >>> score(task, np.array([0.0, 0.0]), Pred(np.array([[3.0], [4.0]])), np.array([1.0, 0.0]))
    3.0
    """
    # Not np.dot: a threaded BLAS sums in an order that depends on the number of threads.
    return float(np.sqrt((v * (pred.mean[:, 0] - y) ** 2).sum() / v.sum()))


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group."""
    return np.asarray(np.sqrt(groups.mean((pred.mean[:, 0] - y) ** 2)))
