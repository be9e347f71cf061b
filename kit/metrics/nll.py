"""Negative log-likelihood of a normal distribution with the predicted mean and std."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.metrics._spread import spread
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "gaussian"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (None, None)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sum v (log(2 pi std^2) / 2 + ((y - mean) / std)^2 / 2) / sum v.

    Shape: y, v (n,) float64; pred.mean (n, 1), pred.std (n,).

    Raises:
        DataError: the prediction has no std.

    >>> pred = Pred(np.array([[1.0]]), np.array([1.0]))
    >>> round(score(Task("regression"), np.zeros(1), pred, np.ones(1)), 6)
    1.418939
    """
    std = spread(pred, "nll")
    z = (y - pred.mean[:, 0]) / std
    return float((v * (np.log(2 * np.pi * std**2) + z**2)).sum() / v.sum() / 2)
