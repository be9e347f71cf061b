"""A metric that looks at y and pred alone."""

from __future__ import annotations

import numpy as np

from kit.types import Floats, Pred, Task

BETTER = "lower"
TASKS = ("regression",)
WANTS = "value"
OBJECTIVE = {"regression": "absolute"}
CODEC = "identity"


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return the mean absolute error of all rows."""
    return float(np.abs(y - pred.mean[:, 0]).mean())
