"""Pearson's correlation of prediction and target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.metrics._ranks import correlation, correlations
from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared"}
CODEC: str = "identity"
SCALE_FREE = True
RANGE: tuple[float | None, float | None] = (-1.0, 1.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the weighted correlation; 0 where one of the two is constant.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> round(score(Task("regression"), np.arange(3.0), Pred(np.array([[2.0], [4.0], [6.0]])), np.ones(3)), 12)
    1.0
    """
    return correlation(y, pred.mean[:, 0].astype(np.float64), v)


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the correlation in each group: NaN where y is constant, 0 where the prediction is."""
    return correlations(y, pred.mean[:, 0].astype(np.float64), groups)
