"""Mean over the classes of the share of their rows that is found (recall)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Counts
from kit.metrics._labels import count, decide, share
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "label"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)
THRESHOLDS: tuple[TaskKind, ...] = ("binary", "multiclass")


def tally(counts: Counts) -> Floats:
    """Return (...,) the mean recall of the classes there are."""
    return np.asarray(share(counts.hit, counts.true).sum(axis=-1) / (counts.true > 0).sum())


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the mean recall; classes without a row of positive weight do not count.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C) probabilities.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> score(task, np.array([0.0, 0.0, 1.0]), Pred(np.array([[0.9], [0.1], [0.8]])), np.ones(3))
    0.75
    """
    return float(tally(count(task, y, decide(task, pred.mean), v)))
