"""Returns the target as it is."""

from __future__ import annotations

from dataclasses import dataclass

from kit import params as base
from kit.types import Floats, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")


class Params(base.Params):
    """Nothing to choose."""


@dataclass(frozen=True)
class Identity:
    """Learns nothing."""

    def encode(self, y: Floats) -> Floats:
        """Return y."""
        return y

    def decode(self, pred: Pred) -> Pred:
        """Return pred."""
        return pred


def learn(params: Params, task: Task, y: Floats, w: Floats) -> Identity:
    """Return the codec."""
    return Identity()


def task(params: Params, task: Task) -> Task:
    """Return the task, unchanged."""
    return task
