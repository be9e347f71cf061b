"""Softmax regression on the log probabilities of the sources: a weight per source, a constant per class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers import _proba
from kit.stackers._gram import MANY
from kit.stackers._softmax import fit_softmax
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("multiclass",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None


class Params(Base):
    """Parameters of the stacking by log probabilities. Logarithmic loss is minimised whatever the metric is."""

    l2: Annotated[float, Field(gt=0, le=1e9), Tune(0.1, 1000, log=True)] = 10.0
    """Strength of the pull to equal weights and constants of 0, beside the sum of the rows' losses."""

    constants: bool = True
    """Whether each class has a constant, which mends classes that are too probable or improbable on the whole."""


@dataclass(frozen=True)
class Pool:
    """`weights` (S,) float64 of the log probabilities, and `constants` (C,) added to them."""

    weights: Floats
    constants: Floats

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the probabilities of z (S, n, C)."""
        scores = np.tile(self.constants, (z.shape[1], 1))
        for weight, source in zip(self.weights, z, strict=True):
            scores += weight * _proba.logs(source)
        return Pred(_proba.softmax(scores).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Pool:
    """Return the w and c that minimise mean log loss of softmax(sum w_s log z_s + c) + l2 (|w - 1/S|^2 + |c|^2) / 2n.

    Shape: z (S, n, C); y, v (n,).
    """
    return Pool(*fit_softmax(z, y, v, params.l2, constants=params.constants))
