"""Mean absolute error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "absolute"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, None)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sum v |p - y| / sum v.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> score(Task("regression"), np.array([0.0, 0.0]), Pred(np.array([[3.0], [-4.0]])), np.ones(2))
    3.5
    """
    return float((v * np.abs(pred.mean[:, 0] - y)).sum() / v.sum())


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group."""
    return groups.mean(np.abs(pred.mean[:, 0] - y))
