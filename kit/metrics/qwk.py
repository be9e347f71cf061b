"""Quadratic weighted kappa of integer ratings or ordered classes. Whole numbers are trained for as a regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.types import Floats, Floats32, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
WANTS: PredKind = "label"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared", "binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (-1.0, 1.0)
THRESHOLDS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
ORDERED = True


def decide(task: Task, mean: Floats32) -> Floats:
    """Return (n,) float64, y as decided: the label nearest to the expected one, which minimises the expected square.

    Regression: the nearest integer. Multiclass: the index of the class whose value is nearest to the expected value;
    the value of a class is the number that it is, or its index where the classes are no numbers.

    Shape: mean (n, 1) or (n, C).
    """
    p = mean.astype(np.float64)
    if task.kind == "regression":
        return np.asarray(np.floor(p[:, 0] + 0.5))
    if task.kind == "binary":
        return np.asarray(p[:, 0] >= 0.5, np.float64)
    values = _values(task)
    expected = (p * values).sum(axis=1) / p.sum(axis=1)
    return np.asarray(np.searchsorted((values[1:] + values[:-1]) / 2, expected, side="right"), np.float64)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return 1 - E(a - b)^2 / E(a - b')^2, a = y, b = the decision, b' one drawn independently of a.

    That is Cohen's kappa with the weights (i - j)^2; the classes count by their index, ratings of a regression by
    their value, decisions outside the range of y are set to its ends. 0 where y and the decisions are one constant.

    Shape: y, v (n,) float64; pred.mean (n, m) values or probabilities.
    Source: Cohen 1968; E(a - b')^2 = var a + var b + (mean a - mean b)^2 needs no confusion matrix.

    >>> score(Task("regression"), np.array([1.0, 2.0, 3.0]), Pred(np.array([[1.2], [1.9], [9.0]])), np.ones(3))
    1.0
    """
    b = decide(task, pred.mean)
    if task.kind == "regression":
        there = y[v > 0]
        b = np.clip(b, np.ceil(there.min()), np.floor(there.max()))
    share = v / v.sum()
    mean_y, mean_b = (share * y).sum(), (share * b).sum()
    chance = (share * ((y - mean_y) ** 2 + (b - mean_b) ** 2)).sum() + (mean_y - mean_b) ** 2
    return float(1 - (share * (y - b) ** 2).sum() / chance) if chance > 0 else 0.0


def _values(task: Task) -> Floats:
    if all(isinstance(c, int | float) for c in task.classes):
        return np.array([float(c) for c in task.classes])
    return np.arange(len(task.classes), dtype=np.float64)
