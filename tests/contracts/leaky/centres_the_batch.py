"""A learner whose prediction of a row depends on the rows beside it."""

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
STEPS = ""
STEP_GROWS = False
DATA_PARAMS: tuple[str, ...] = ()
DEVICES = ("cpu",)
COST = 1.0


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Ranked:
    """The mean of y."""

    mean: float
    best_step: int = 0

    @property
    def curve(self) -> Floats:
        return np.empty(0)

    def predict(self, design: Design) -> Pred:
        """Return the mean plus how far a row is from the middle of its batch."""
        x = np.nan_to_num(design.matrix()).sum(axis=1, keepdims=True)
        return Pred(self.mean + x - x.mean())

    def importance(self) -> None:
        """Return None."""

    def save(self, folder: Path) -> None:
        """Write nothing."""


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Design:
    """Return the rows."""
    return train


def fit(params: Params, task: Task, data: Any, run: Run) -> Ranked:
    """Return the mean."""
    return Ranked(float(data.y.mean()))


def load(folder: Path) -> Ranked:
    """Return nothing of worth."""
    return Ranked(0.0)
