"""Matthews correlation coefficient of the labels."""

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
RANGE: tuple[float | None, float | None] = (-1.0, 1.0)
THRESHOLDS: tuple[TaskKind, ...] = ("binary",)

CONSTANT = 1e-13
"""Spread relative to the square of the total below which labels count as constant."""


def tally(counts: Counts) -> Floats:
    """Return (...,) the correlation of the true and the said classes; 0 where one of them is constant."""
    total, hits = counts.true.sum(), counts.hit.sum(axis=-1)
    both = (counts.said * counts.true).sum(axis=-1)
    spread_said, spread_true = total**2 - (counts.said**2).sum(axis=-1), total**2 - (counts.true**2).sum()
    # A difference that is rounding alone stands for a constant.
    varies = (spread_said > CONSTANT * total**2) & (spread_true > CONSTANT * total**2)
    return np.asarray(share(hits * total - both, np.sqrt(np.where(varies, spread_said * spread_true, 0.0))))


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the multiclass correlation R_K, which for two classes is Matthews' coefficient.

    Source: Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C) probabilities.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> y, pred = np.array([0.0, 1.0, 1.0, 1.0]), Pred(np.array([[0.1], [0.3], [0.8], [0.9]]))
    >>> round(score(task, y, pred, np.ones(4)), 4)
    0.5774
    """
    return float(tally(count(task, y, decide(task, pred.mean), v)))
