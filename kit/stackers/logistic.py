"""Logistic regression on the log odds of the sources, drawn towards their plain average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._gram import MANY
from kit.stackers._proba import effective, expit, fit_logistic, logit
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("binary",)
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
SETS_SCALE: bool = True


class Params(Base):
    """Parameters of the stacking by log odds. Logarithmic loss is minimised whatever the metric is."""

    l2: Annotated[float, Field(gt=0, le=1e9), Tune(0.1, 1000, log=True)] = 10.0
    """Strength of the pull to equal weights, beside the sum of the rows' losses: it fades as rows grow many."""

    intercept: bool = True
    """Whether a constant is added to the log odds, which mends probabilities that are too high or low on the whole."""


@dataclass(frozen=True)
class Odds:
    """`weights` (S,) float64 of the log odds, and what is added to them."""

    weights: Floats
    constant: float

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the probability of z (S, n, 1)."""
        score = np.full(z.shape[1], self.constant)
        for weight, source in zip(self.weights, z, strict=True):
            score += weight * logit(source[:, 0])
        return Pred(expit(score)[:, None].astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Odds:
    """Return the w and c that minimise mean log loss of expit(sum w_s logit z_s + c) + l2 |w - 1 / S|^2 / 2n.

    Shape: z (S, n, 1); y, v (n,).
    """
    n_sources = len(z)
    x = np.concatenate([logit(z[:, :, 0]), np.ones((1, z.shape[1]))])
    pull = np.append(np.full(n_sources, params.l2 / effective(v)), 0.0 if params.intercept else 1.0)
    centre = np.append(np.full(n_sources, 1 / n_sources), 0.0)
    if not params.intercept:
        x[-1] = 0.0
    # A touch of pull on the constant keeps it finite where one class is alone.
    pull[-1] += 1e-6
    w = fit_logistic(x, y, v, pull, centre)
    return Odds(w[:-1], float(w[-1]))
