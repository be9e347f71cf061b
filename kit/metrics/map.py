"""Mean average precision of the k most probable classes, one of them true: `map@3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Number
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("multiclass",)
WANTS: PredKind = "proba"
OBJECTIVE: Mapping[str, Objective] = {"multiclass": "softmax"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)

AT = Number(3, 1, 1_000)
RANKING = True


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the score at 3. Shape: y, v (n,); pred.mean (n, C)."""
    return score_at(task, y, pred, v, AT.default)


def score_at(task: Task, y: Floats, pred: Pred, v: Floats, at: float) -> float:
    """Return the mean of 1 / (place of the true class), 0 beyond the first `at` places (ties: first class first).

    Shape: y, v (n,) float64; pred.mean (n, C).

    >>> task = Task("multiclass", "softmax", classes=("a", "b", "c"))
    >>> score_at(task, np.array([1.0, 0.0]), Pred(np.array([[0.5, 0.3, 0.2], [0.1, 0.4, 0.5]])), np.ones(2), 2)
    0.25
    """
    true = y.astype(np.int64)
    own = pred.mean[np.arange(len(y)), true][:, None]
    earlier = np.arange(task.n_out) < true[:, None]
    place = 1 + ((pred.mean > own) | ((pred.mean == own) & earlier)).sum(axis=1)
    return float((v * np.where(place <= at, 1 / place, 0.0)).sum() / v.sum())
