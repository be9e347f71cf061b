"""Returns what a source leaves unexplained to the learner, and the source plus its prediction back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.params import SourceName
from kit.types import Floats, Pred, Rows, Task, TaskKind, labelled

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
EXACT = True
ADDS = "source"


class Params(base.Params):
    """A learner on the residuals of a model or blend: trees over a linear model, say."""

    source: SourceName
    """Model or blend whose out-of-fold prediction is taken away from y. Also written `residual(name)`."""


@dataclass(frozen=True)
class Residual:
    """The column that holds the source's prediction, (n, 1) or (n, 2) with its std."""

    source: str

    def encode(self, rows: Rows) -> Floats:
        """Return y minus the source's prediction, (n,) float64."""
        return labelled(rows) - base_of(rows, self.source)

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return the source's prediction plus that of the learner; std is the learner's."""
        return Pred((pred.mean + base_of(rows, self.source)[:, None]).astype(np.float32), pred.std)


def base_of(rows: Rows, source: str) -> Floats:
    """Return the prediction (n,) float64 of a source for the rows."""
    return np.asarray(rows.x[source], np.float64)[:, 0]


def learn(params: Params, task: Task, rows: Rows) -> Residual:
    """Return the codec; nothing is learnt."""
    return Residual(str(params.source))


def task(params: Params, task: Task) -> Task:
    """Return the task, unchanged."""
    return task
