"""The average of the sources' ranks, put back onto the scale of a prediction: made for auc, gini and spearman."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.contracts import Context
from kit.params import Params as Base
from kit.stackers._curves import Curves, joined, steps
from kit.stackers._gram import MANY
from kit.stackers._proba import proper
from kit.types import Floats, Floats32, Pred, PredKind, Task, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
LEARNS: bool = False


EDGE, CLOSE = 1e-3, 1e-6
"""By how much ranks of classes are drawn out at both ends; by how much a probability may miss the range of 0 to 1."""


class Params(Base):
    """The mean of ranks has no parameters."""


@dataclass(frozen=True)
class Ranks(Curves):
    """The rank of a value in each source and output, from 0 to 1, as curve s * m + k; equal `weights` (S,)."""

    weights: Floats

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return for each row of z (S, n, m) the mean over sources of the value that has the mean rank there.

        A rank is taken among the rows the stacker was fitted on, so that a row's blend does not hang on the others.
        Sources of classes that are no probabilities count by their ranks alone: with theirs, the mean of the values
        would leave [0, 1], and the rows beyond would become equal.
        """
        n_sources, n, m = z.shape
        mean = np.zeros((n, m))
        for k in range(m):
            rank = np.zeros(n)
            for s in range(n_sources):
                rank += self.at(s * m + k, z[s, :, k]) / n_sources
            curves = [s * m + k for s in range(n_sources) if ctx.task.kind == "regression" or self._fits(s * m + k)]
            mean[:, k] = np.interp(rank, *self.back(curves)) if curves else rank
        return Pred(proper(ctx.task, mean).astype(np.float32))

    def _fits(self, k: int) -> bool:
        """Return whether the values of curve k are probabilities; its ends are drawn out by EDGE."""
        low, high = self.x[self.start[k]], self.x[self.start[k + 1] - 1]
        return bool(low >= -EDGE - CLOSE and high <= 1 + EDGE + CLOSE)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Ranks:
    """Return the ranks of each source. Shape: z (S, n, m); y, v (n,)."""
    knots = [_ranks(ctx.task, source[:, k], v) for source in z for k in range(source.shape[1])]
    return Ranks(*joined(knots), np.full(len(z), 1 / len(z)))


def _ranks(task: Task, values: NDArray[np.floating], v: Floats) -> tuple[Floats, Floats]:
    """Return the knots of the rank of a value, ties in their middle, drawn out at both ends so that none are level."""
    places, upto = steps(values, v)
    middle = (upto[1:] + upto[:-1]) / 2
    if task.kind == "regression":
        span = max(places[-1] - places[0], abs(places[0]), 1.0)
        ends = (places[0] - span, middle[0] - 1), (places[-1] + span, middle[-1] + 1)
    else:
        low, high = min(-EDGE, places[0] - EDGE), max(1 + EDGE, places[-1] + EDGE)
        ends = (low, -EDGE), (high, 1 + EDGE)
    x = np.concatenate([[ends[0][0]], places, [ends[1][0]]])
    return x, np.concatenate([[ends[0][1]], middle, [ends[1][1]]])
