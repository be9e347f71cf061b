"""One source through the rising curve that fits best: calibration without a formula, for many rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._curves import Curves, joined
from kit.stackers._gram import truth
from kit.stackers._proba import effective, proper
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ("scipy",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = None
SETS_SCALE: bool = True


class Params(Base):
    """The isotonic curve has no parameters. Squared error is minimised whatever the metric is."""


@dataclass(frozen=True)
class Isotonic(Curves):
    """A rising curve for each output."""

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the source z (1, n, m) through its curves; without std, whose scale the curve changes."""
        mean = np.stack([self.at(k, z[0, :, k]) for k in range(z.shape[2])], axis=1)
        return Pred(proper(ctx.task, mean).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Isotonic:
    """Return the rising step function of least weighted square error, joined by lines, for each output.

    Frequencies of 0 and 1 are kept half a row away from certainty, which no number of rows can show.

    Shape: z (1, n, m); y, v (n,).
    """
    target = truth(ctx.task, y)
    inside = 0.0 if ctx.task.kind == "regression" else 0.5 / (effective(v) + 1)
    made = []
    for k in range(z.shape[2]):
        x, level = _knots(z[0, :, k], target[:, k], v)
        made.append((x, np.clip(level, inside, 1 - inside) if inside else level))
    return Isotonic(*joined(made))


def _knots(z: Floats32, target: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Return the ends (b,) of the steps, rising, and their levels (b,)."""
    from scipy.optimize import isotonic_regression

    counted = v > 0
    x, of = np.unique(z[counted].astype(np.float64), return_inverse=True)
    weight = np.bincount(of, v[counted])
    mean = np.bincount(of, (v * target)[counted]) / weight
    found = isotonic_regression(mean, weights=weight)
    first, last = found.blocks[:-1], found.blocks[1:] - 1
    ends = np.unique(np.concatenate([first, last]))
    return x[ends], np.asarray(found.x[ends])
