"""Average precision: the area under the steps of the precision-recall curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.errors import DataError
from kit.types import Bools, Floats, Floats32, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "proba"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
SCALE_FREE = True
RANGE: tuple[float | None, float | None] = (0.0, 1.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return sum over thresholds of (gain in recall) * precision, ties being one threshold.

    Multiclass: the plain mean over the classes that occur in y with a weight above 0, each against the rest.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C).

    Raises:
        DataError: no row of positive weight is positive.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> score(task, np.array([1.0, 0.0, 1.0]), Pred(np.array([[0.9], [0.6], [0.3]])), np.ones(3)) == (1 + 2 / 3) / 2
    True
    """
    if task.kind == "binary":
        return _binary(y == 1, pred.mean[:, 0], v)
    present = np.unique(y[v > 0]).astype(np.int64)
    return float(np.mean([_binary(y == k, pred.mean[:, k], v) for k in present]))


def _binary(positive: Bools, p: Floats32, v: Floats) -> float:
    good = np.where(positive, v, 0.0)
    if not good.any():
        advice = "use a stratified split or another metric"
        raise DataError("average precision needs positive rows", got=f"none of {len(p)}", next=advice)
    _, tied = np.unique(-p, return_inverse=True)
    gained, said = np.bincount(tied, good), np.bincount(tied, v)
    reached = np.cumsum(gained)
    precision = np.divide(reached, np.cumsum(said), out=np.zeros(len(said)), where=np.cumsum(said) > 0)
    return float((gained * precision).sum() / reached[-1])
