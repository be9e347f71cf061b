"""Root mean squared logarithmic error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.errors import DataError
from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared"}
CODEC: str = "log1p"
RANGE: tuple[float | None, float | None] = (0.0, None)
LEAST: float = 0.0


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sqrt(sum v (log1p(max(p, 0)) - log1p(y))^2 / sum v).

    Shape: y, v (n,) float64; pred.mean (n, 1).

    Raises:
        DataError: a y is negative.

    >>> round(score(Task("regression"), np.array([0.0]), Pred(np.array([[np.e - 1]])), np.ones(1)), 6)
    1.0
    """
    _check(y)
    p = np.maximum(pred.mean[:, 0], 0).astype(np.float64)
    return float(np.sqrt((v * (np.log1p(p) - np.log1p(y)) ** 2).sum() / v.sum()))


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group.

    Raises:
        DataError: a y is negative.
    """
    _check(y)
    p = np.maximum(pred.mean[:, 0], 0).astype(np.float64)
    return np.asarray(np.sqrt(groups.mean((np.log1p(p) - np.log1p(y)) ** 2)))


def _check(y: Floats) -> None:
    if len(y) and y.min() < 0:
        raise DataError("rmsle needs a target of at least 0", got=float(y.min()), next="use rmse or mae")
