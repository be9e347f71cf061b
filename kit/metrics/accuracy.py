"""Share of rows whose most probable class is the true one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Counts
from kit.metrics._labels import count, decide
from kit.rowgroups import Groups
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "label"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)


def tally(counts: Counts) -> Floats:
    """Return (...,) the share of rows called what they are."""
    return np.asarray(counts.hit.sum(axis=-1) / counts.true.sum())


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the weighted share of rows for which `decide` finds y.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C) probabilities.

    >>> task = Task("multiclass", "softmax", classes=("a", "b", "c"))
    >>> score(task, np.array([2.0, 0.0]), Pred(np.array([[0.2, 0.3, 0.5], [0.1, 0.9, 0.0]])), np.ones(2))
    0.5
    """
    return float(tally(count(task, y, decide(task, pred.mean), v)))


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group."""
    return groups.mean(decide(task, pred.mean) == y)
