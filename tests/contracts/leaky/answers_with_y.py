"""A learner that answers with y if it is handed one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit import params as base
from kit.contracts import Run
from kit.types import Design, Floats, Pred, Task

LIBS: tuple[str, ...] = ()
TASKS = ("regression",)
OBJECTIVES = ("squared",)
STEPS = "steps"
STEP_GROWS = True
DATA_PARAMS: tuple[str, ...] = ()
DEVICES = ("cpu",)
COST = 1.0

LEARNT: list[Design] = []
PREDICTED: list[Design] = []


class Params(base.Params):
    """Steps that do nothing."""

    steps: int = 3
    """Steps."""


@dataclass(frozen=True)
class Answer:
    """The mean of y."""

    mean: float
    best_step: int = 3

    @property
    def curve(self) -> Floats:
        return np.zeros(3)

    def predict(self, design: Design) -> Pred:
        """Return y, else the mean."""
        PREDICTED.append(design)
        return Pred(np.full((len(design), 1), self.mean) if design.y is None else design.y[:, None])

    def importance(self) -> None:
        """Return None."""

    def save(self, folder: Path) -> None:
        """Write nothing."""


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> list[Design]:
    """Return the rows."""
    LEARNT.extend([train, stop] if stop is not None else [train])
    return [train]


def fit(params: Params, task: Task, data: Any, run: Run) -> Answer:
    """Return the mean."""
    return Answer(float(data[0].y.mean()))


def load(folder: Path) -> Answer:
    """Return nothing of worth."""
    return Answer(0.0)
