"""F1 over all classes at once; with one label per row it equals the accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Counts
from kit.metrics._labels import count, decide
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "label"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)


def tally(counts: Counts) -> Floats:
    """Return (...,) 2 hits / (said + true), summed over the classes."""
    return np.asarray(2 * counts.hit.sum(axis=-1) / (counts.said.sum(axis=-1) + counts.true.sum()))


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the F1 of the pooled decisions: the share of rows whose class is found.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C) probabilities.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> y, pred = np.array([0.0, 1.0, 1.0, 1.0]), Pred(np.array([[0.1], [0.3], [0.8], [0.9]]))
    >>> round(score(task, y, pred, np.ones(4)), 4)
    0.75
    """
    return float(tally(count(task, y, decide(task, pred.mean), v)))
