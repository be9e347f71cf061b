"""Returns log(1 + y) to the learner and its prediction back on the scale of y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.errors import DataError
from kit.types import Floats, Pred, Rows, Task, TaskKind, labelled

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
EXACT = True

HIGHEST = 88.0
"""expm1 of it, 1.7e38, is the last whole step that float32 holds."""


class Params(base.Params):
    """Nothing to choose: y must be above -1, and errors count in proportion to 1 + y."""


@dataclass(frozen=True)
class Log1p:
    """Learns nothing."""

    def encode(self, rows: Rows) -> Floats:
        """Return log(1 + y), (n,) float64.

        Raises:
            DataError: a y is -1 or below.
        """
        y = labelled(rows)
        check(y)
        return np.log1p(y)

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return exp(mean) - 1 and exp(mean) * std, the delta method's first order; never infinite.

        The mean is the median of a log-normal target, which is what RMSLE asks for; no term for the bias is added.
        """
        mean = np.minimum(pred.mean.astype(np.float64), HIGHEST)
        if pred.std is None:
            return Pred(np.expm1(mean).astype(np.float32))
        std = np.minimum(np.exp(mean[:, 0]) * pred.std, np.finfo(np.float32).max)
        return Pred(np.expm1(mean).astype(np.float32), std.astype(np.float32))


def learn(params: Params, task: Task, rows: Rows) -> Log1p:
    """Return the codec.

    Raises:
        DataError: a y is -1 or below.
    """
    check(labelled(rows))
    return Log1p()


def task(params: Params, task: Task) -> Task:
    """Return the task, unchanged."""
    return task


def check(y: Floats) -> None:
    """Raise DataError for a y that is -1 or below; `kit check` asks this before any fit."""
    if len(y) and y.min() <= -1:
        raise DataError(
            "log1p needs a target above -1",
            got=f"{y.min():g}, the least of {len(y)} values",
            next="use target_transform: identity, or mend the target",
        )
