"""What the metrics of labels share: the usual decision and the counts of right and wrong ones."""

from __future__ import annotations

import numpy as np

from kit.judging import Counts
from kit.types import Floats, Floats32, Task


def decide(task: Task, mean: Floats32) -> Floats:
    """Return (n,) float64, y as decided: 1 where P >= .5, or the index of the most probable class (ties: the first).

    Shape: mean (n, 1) or (n, C).
    """
    if task.kind == "binary":
        return np.asarray(mean[:, 0] >= 0.5, np.float64)
    return np.asarray(mean.argmax(axis=1), np.float64)


def count(task: Task, y: Floats, labels: Floats, v: Floats) -> Counts:
    """Return the counts of decisions `labels` (n,) against y (n,), under weights v (n,)."""
    size = len(task.classes)
    said, true = labels.astype(np.int64), y.astype(np.int64)
    return Counts(
        hit=np.bincount(true, np.where(said == true, v, 0.0), size).astype(np.float64),
        said=np.bincount(said, v, size).astype(np.float64),
        true=np.bincount(true, v, size).astype(np.float64),
    )


def share(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)


def f1(counts: Counts) -> Floats:
    """Return (..., C) the F1 of each class: 2 hit / (said + true), 0 for a class that is neither said nor true."""
    return share(2 * counts.hit, counts.said + counts.true)
