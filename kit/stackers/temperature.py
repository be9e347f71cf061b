"""One source of probabilities made surer or less sure by one number, the temperature; who ranks first stays first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._proba import expit, fit_logistic, logit, logs, newton, softmax
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = None

STEADY = 1e-9
"""A pull to no change that only counts where the rows say nothing."""

LEAST = 1e-3
"""Least 1 / temperature: a source that ranks backwards is made flat, not turned round."""


class Params(Base):
    """Temperature scaling has no parameters."""


@dataclass(frozen=True)
class Cooled:
    """Log probabilities times `sharp` = 1 / temperature."""

    sharp: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the source z (1, n, m) at the temperature."""
        if ctx.task.kind == "binary":
            return Pred(expit(self.sharp * logit(z[0])).astype(np.float32))
        return Pred(softmax(self.sharp * logs(z[0])).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Cooled:
    """Return the temperature of least logarithmic loss.

    Shape: z (1, n, m); y, v (n,).
    Source: Guo et al. 2017, On calibration of modern neural networks.
    """
    if ctx.task.kind == "binary":
        sharp = fit_logistic(logit(z[0].T), y, v, np.array([STEADY]), np.ones(1))
        return Cooled(max(float(sharp[0]), LEAST))
    scores, share = logs(z[0]), v / v.sum()
    own = scores[np.arange(len(y)), y.astype(np.int64)]

    def problem(sharp: Floats) -> tuple[float, Floats, Floats]:
        p = softmax(sharp * scores)
        mean = (p * scores).sum(axis=1)
        top = (sharp * scores).max(axis=1)
        normal = top + np.log(np.exp(sharp * scores - top[:, None]).sum(axis=1))
        away = float(sharp[0] - 1)
        value = float((share * (normal - sharp * own)).sum()) + STEADY * away**2 / 2
        curve = float((share * ((p * scores**2).sum(axis=1) - mean**2)).sum()) + STEADY
        return value, np.array([(share * (mean - own)).sum() + STEADY * away]), np.array([[curve]])

    return Cooled(max(float(newton(problem, np.ones(1))[0]), LEAST))
