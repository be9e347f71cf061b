"""Mean of the F1 of every class, weighted by how often it is true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Counts
from kit.metrics._labels import count, decide, f1
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "label"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)
THRESHOLDS: tuple[TaskKind, ...] = ("binary",)


def tally(counts: Counts) -> Floats:
    """Return (...,) the mean F1, each class weighted by its true rows."""
    return np.asarray((f1(counts) * counts.true).sum(axis=-1) / counts.true.sum())


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the mean of the classes' F1, weighted by their true rows.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C) probabilities.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> y, pred = np.array([0.0, 1.0, 1.0, 1.0]), Pred(np.array([[0.1], [0.3], [0.8], [0.9]]))
    >>> round(score(task, y, pred, np.ones(4)), 4)
    0.7667
    """
    return float(tally(count(task, y, decide(task, pred.mean), v)))
