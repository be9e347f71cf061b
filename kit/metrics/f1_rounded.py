"""Plain mean of the F1 of every whole number, scores and predictions rounded to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.judging import Counts
from kit.metrics._labels import f1
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("regression",)
WANTS: PredKind = "value"
OBJECTIVE: Mapping[str, Objective] = {"regression": "squared"}
CODEC: str = "identity"
RANGE: tuple[float | None, float | None] = (0.0, 1.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the mean of the numbers' F1, halves rounded up; a number that is neither true nor said does not count.

    Shape: y, v (n,) float64; pred.mean (n, 1).

    >>> y, pred = np.array([1.0, 2.0, 2.4, 3.0]), Pred(np.array([[1.2], [1.6], [3.1], [3.0]]))
    >>> round(score(Task("regression"), y, pred, np.ones(4)), 4)
    0.7778
    """
    values = np.floor(np.concatenate([y, pred.mean[:, 0].astype(np.float64)]) + 0.5)
    names, code = np.unique(values, return_inverse=True)
    true, said = code[: len(y)], code[len(y) :]
    size = len(names)
    counts = Counts(
        hit=np.bincount(true, np.where(said == true, v, 0.0), size).astype(np.float64),
        said=np.bincount(said, v, size).astype(np.float64),
        true=np.bincount(true, v, size).astype(np.float64),
    )
    return float(f1(counts).sum() / (counts.said + counts.true > 0).sum())
