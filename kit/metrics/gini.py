"""Normalised Gini coefficient; for a binary target it is 2 AUC - 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.errors import DataError
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("regression", "binary")
WANTS: PredKind = "proba"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared", "binary": "logloss"}
CODEC: str = "identity"
SCALE_FREE = True
RANGE: tuple[float | None, float | None] = (-1.0, 1.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return Gini(y by p) / Gini(y by y): 1 for a perfect order, 0 for chance. Ties of p share their y.

    Shape: y, v (n,) float64; pred.mean (n, 1) values or P(positive).

    Raises:
        DataError: y is constant, or does not sum to more than 0.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> round(score(task, np.array([0.0, 0.0, 1.0]), Pred(np.array([[0.1], [0.6], [0.6]])), np.ones(3)), 12)
    0.5
    """
    best = _gini(y, y, v)
    if not best > 0:
        got = f"{len(y)} values from {y.min():g} to {y.max():g}"
        advice = "use a stratified split or another metric"
        raise DataError("gini needs a target that varies and sums to more than 0", got=got, next=advice)
    return _gini(y, pred.mean[:, 0].astype(np.float64), v) / best


def _gini(y: Floats, by: Floats, v: Floats) -> float:
    """Return 1 - 2 A, A the area under the Lorenz curve of y in rising order of `by`."""
    total = (v * y).sum()
    if not total > 0:
        return 0.0
    _, tied = np.unique(by, return_inverse=True)
    width, height = np.bincount(tied, v) / v.sum(), np.bincount(tied, v * y) / total
    above = np.cumsum(height)
    return float(1 - (width * (2 * above - height)).sum())
