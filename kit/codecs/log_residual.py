"""Returns the log of a source's squared error to the learner: a standard deviation for a model that has none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit import params as base
from kit.codecs.residual import base_of
from kit.params import SourceName
from kit.types import Floats, Pred, Rows, Task, TaskKind, labelled

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
EXACT = False
ADDS = "source"
SURE = False
"""What is learnt are the errors of a source: it must not be taken to have none (kit/sourced.py)."""

LOG_CHI2 = -1.2703628454614782
"""The mean of log chi2 with one degree of freedom, -(log 2 + Euler's constant): what the log makes of noise."""

FLOOR = 1e-3
"""Share of the mean squared error added to each, so that a lucky hit does not count as certainty."""

LIMIT = 80.0
"""Bound of log variance around the mean one: float32 holds exp of half of it."""


class Params(base.Params):
    """Post-hoc standard deviation: the prediction stays the source's, std is what the learner expects of its error."""

    source: SourceName
    """Model or blend whose out-of-fold errors are learnt from. Also written `log_residual(name)`."""


@dataclass(frozen=True)
class LogResidual:
    """The column that holds the source's prediction, and the mean squared error of the learning rows."""

    source: str
    mse: float

    def encode(self, rows: Rows) -> Floats:
        """Return log((y - source)^2 + floor) - E log chi2, (n,) float64: an estimate of log variance."""
        error = labelled(rows) - base_of(rows, self.source)
        return np.log(error**2 + FLOOR * self.mse) - LOG_CHI2

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return the source's prediction with std = exp(half of what the learner says)."""
        centre = np.log(self.mse)
        half = np.clip(pred.mean[:, 0].astype(np.float64), centre - LIMIT, centre + LIMIT) / 2
        return Pred(base_of(rows, self.source)[:, None].astype(np.float32), np.exp(half).astype(np.float32))


def learn(params: Params, task: Task, rows: Rows) -> LogResidual:
    """Return the codec, its floor learnt on the rows.

    Source: the log-squared-residual regression of Harvey, Econometrica 44(3), 1976.
    """
    error = labelled(rows) - base_of(rows, str(params.source))
    mse = float(np.average(error**2, weights=rows.w if rows.w.sum() > 0 else None))
    return LogResidual(str(params.source), max(mse, 1e-12))


def task(params: Params, task: Task) -> Task:
    """Return the task with squared loss: the mean of the log is sought, whatever the recipe's metric."""
    return replace(task, objective="squared")
