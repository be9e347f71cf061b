"""A splitter in time that learns from all that is not held."""

from __future__ import annotations

import numpy as np

from kit import params as base
from kit.contracts import Assignment
from kit.types import Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ("time",)
RANDOM: bool = False


class Params(base.Params):
    """None."""


def assign(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
    """Return the folds."""
    assert rows.time is not None
    return Assignment(np.searchsorted(np.quantile(rows.time, [0.5]), rows.time))
