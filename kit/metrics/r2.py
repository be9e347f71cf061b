"""Coefficient of determination: the share of the variance that is explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (None, 1.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return 1 - sum v (p - y)^2 / sum v (y - mean)^2; for a constant y 1 where p finds it, else 0.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> import numpy as np
    >>> score(Task("regression"), np.array([0.0, 2.0]), Pred(np.array([[0.0], [1.0]])), np.ones(2))
    0.5
    """
    missed = (v * (pred.mean[:, 0] - y) ** 2).sum()
    spread = (v * (y - (v * y).sum() / v.sum()) ** 2).sum()
    if spread == 0:
        return float(missed == 0)
    return float(1 - missed / spread)


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group, NaN where y is constant."""
    spread = groups.mean((y - groups.mean(y)[groups.of]) ** 2)
    return 1 - groups.mean((pred.mean[:, 0] - y) ** 2) / np.where(spread > 0, spread, np.nan)
