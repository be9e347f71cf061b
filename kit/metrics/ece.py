"""Expected calibration error: how far probabilities are from frequencies. `ece@15` takes 15 bins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Number
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "lower"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "proba"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)

AT = Number(15, 1, 10_000)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the error over 15 bins. Shape: y, v (n,); pred.mean (n, 1) P(positive) or (n, C)."""
    return score_at(task, y, pred, v, AT.default)


def score_at(task: Task, y: Floats, pred: Pred, v: Floats, at: float) -> float:
    """Return sum over the `at` equal ranges of P of (share of the rows) * |mean P - frequency|.

    Binary: P(positive) against how often the class is positive. Multiclass: the largest probability against how often
    it names the true class. It says nothing of how well classes are told apart: a constant can have 0.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C).
    Source: Guo et al. 2017, On calibration of modern neural networks.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> score_at(task, np.array([1.0, 0.0]), Pred(np.array([[0.75], [0.75]])), np.ones(2), 10)
    0.25
    """
    if task.kind == "binary":
        p, came = pred.mean[:, 0].astype(np.float64), y
    else:
        p, came = pred.mean.max(axis=1).astype(np.float64), np.asarray(pred.mean.argmax(axis=1) == y, np.float64)
    bins = int(at)
    of = np.clip((p * bins).astype(np.int64), 0, bins - 1)
    return float(np.abs(np.bincount(of, v * (p - came), bins)).sum() / v.sum())
