"""A stacker that averages ranks among the rows it is called with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.contracts import Context
from kit.types import Floats, Floats32, Pred

LIBS: tuple[str, ...] = ()
TASKS = ("regression",)
LINEAR = False
PER_FOLD = True
SOURCES = (1, 9)
RETURNS = None


class Params(base.Params):
    """None."""


@dataclass(frozen=True)
class Ranks:
    """Nothing."""

    weights: None = None

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the mean rank."""
        return Pred(np.argsort(np.argsort(z, axis=1), axis=1).mean(axis=0))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Ranks:
    """Return nothing."""
    return Ranks()
