"""Mean absolute percentage error, as a share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.errors import DataError
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "absolute"}
CODEC: str = "log1p"
RANGE: tuple[float | None, float | None] = (0.0, None)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sum v |p - y| / |y| / sum v over the rows whose y is not 0.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    Raises:
        DataError: every y is 0.

    >>> score(Task("regression"), np.array([2.0, 4.0]), Pred(np.array([[3.0], [4.0]])), np.ones(2))
    0.25
    """
    counted = (y != 0) & (v > 0)
    if not counted.any():
        raise DataError("mape needs a target other than 0", got="0 in every row", next="use mae or smape")
    error = np.abs(pred.mean[counted, 0] - y[counted]) / np.abs(y[counted])
    return float((v[counted] * error).sum() / v[counted].sum())
