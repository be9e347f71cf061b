"""F1 of the positive class: the harmonic mean of precision and recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Counts
from kit.metrics import _labels
from kit.metrics._labels import count, decide
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary",)
WANTS: PredKind = "label"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)
THRESHOLDS: tuple[TaskKind, ...] = ("binary",)


def tally(counts: Counts) -> Floats:
    """Return (...,) the F1 of the positive class."""
    return np.asarray(_labels.f1(counts)[..., -1])


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return 2 TP / (2 TP + FP + FN) of the decisions at P >= .5; 0 where nothing is positive, nor called so.

    Shape: y, v (n,) float64; pred.mean (n, 1) P(positive).

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> score(task, np.array([0.0, 1.0, 1.0]), Pred(np.array([[0.1], [0.3], [0.8]])), np.ones(3)) == 2 / 3
    True
    """
    return float(tally(count(task, y, decide(task, pred.mean), v)))
