"""A learner of a user's own, for tests of processes: least squares by numpy, at a pace that is given.

A worker loads no library for it, so that a test takes the time of what it is about.
"""

from __future__ import annotations

import time
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
    """How long a fit takes."""

    l2: float = 0.0
    """Penalty, so that two models differ."""
    seconds: float = 0.0
    """A fit takes this long."""
    awaits: str = ""
    """A fit makes the file `<awaits>.begun` and lasts until there is one of this name."""


@dataclass(frozen=True, eq=False)
class Line:
    """Coefficients, the intercept last."""

    weights: Floats
    best_step: int = 0

    @property
    def curve(self) -> Floats:
        return np.empty(0)

    def predict(self, design: Design) -> Pred:
        return Pred((_x(design) @ self.weights).reshape(-1, 1))

    def importance(self) -> Floats:
        return np.abs(self.weights[:-1])

    def save(self, folder: Path) -> None:
        np.save(folder / "weights.npy", self.weights)


def _x(design: Design) -> Floats:
    return np.column_stack([design.matrix("C").astype(float), np.ones(len(design))])


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Design:
    return train


def fit(params: Params, task: Task, data: Design, run: Run) -> Line:
    time.sleep(params.seconds)
    if params.awaits:
        Path(f"{params.awaits}.begun").touch()
        while not Path(params.awaits).exists():
            time.sleep(0.02)
    x, y = _x(data), data.y
    return Line(np.linalg.solve(x.T @ x + (params.l2 + 1e-6) * np.eye(x.shape[1]), x.T @ y))


def load(folder: Path) -> Any:
    return Line(np.load(folder / "weights.npy"))
