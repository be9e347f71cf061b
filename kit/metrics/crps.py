"""Continuous ranked probability score of a normal distribution with the predicted mean and std."""

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
RANGE: tuple[float | None, float | None] = (0.0, None)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sum v std (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)) / sum v, z = (y - mean) / std; in units of y.

    Shape: y, v (n,) float64; pred.mean (n, 1), pred.std (n,).
    Source: Gneiting & Raftery 2007, Strictly proper scoring rules.

    Raises:
        DataError: the prediction has no std.

    >>> pred = Pred(np.array([[0.0]]), np.array([1.0]))
    >>> round(score(Task("regression"), np.zeros(1), pred, np.ones(1)), 6)
    0.233695
    """
    from scipy.special import erf

    std = spread(pred, "crps")
    z = (y - pred.mean[:, 0]) / std
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return float((v * std * (z * erf(z / np.sqrt(2)) + 2 * density - 1 / np.sqrt(np.pi))).sum() / v.sum())
