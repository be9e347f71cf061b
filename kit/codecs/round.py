"""Returns y rounded to multiples of a step to the learner; its predictions are shown as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.types import Floats, Pred, Rows, Task, TaskKind, labelled

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
EXACT = False


class Params(base.Params):
    """Learn from rounded targets, synthetic rows' included. Rounding what is predicted is the stacker `round`'s."""

    step: Annotated[float, Field(gt=0)] = 1.0
    """Distance between two values; 0 is one of them."""


@dataclass(frozen=True)
class Round:
    """The step."""

    step: float

    def encode(self, rows: Rows) -> Floats:
        """Return the nearest multiples of the step, halves up, (n,) float64."""
        return np.asarray(np.floor(labelled(rows) / self.step + 0.5) * self.step, np.float64)

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return the prediction as it is."""
        return pred


def learn(params: Params, task: Task, rows: Rows) -> Round:
    """Return the codec; nothing is learnt."""
    return Round(params.step)


def task(params: Params, task: Task) -> Task:
    """Return the same task."""
    return task
