"""A target transform without a way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Floats, Pred, Rows, Task, labelled

LIBS: tuple[str, ...] = ()
TASKS = ("regression",)
EXACT = True


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Root:
    """Nothing."""

    def encode(self, rows: Rows) -> Floats:
        """Return the root of y."""
        return np.sqrt(labelled(rows))

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return pred."""
        return pred


def learn(params: Params, task: Task, rows: Rows) -> Root:
    """Return the codec."""
    return Root()


def task(params: Params, task: Task) -> Task:
    """Return the task."""
    return task
