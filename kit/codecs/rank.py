"""Returns y as normal scores of its ranks to the learner: any shape of target becomes a bell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Floats, Pred, Rows, Task, TaskKind, labelled

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
EXACT = True


class Params(base.Params):
    """Normal scores of ranks, ties sharing one; the way back interpolates between the values seen, never beyond."""


@dataclass(frozen=True)
class Rank:
    """The distinct values of y (u,), ascending, and the normal score of each."""

    values: Floats
    scores: Floats

    def encode(self, rows: Rows) -> Floats:
        """Return the scores, (n,) float64, interpolated for values never seen."""
        return np.interp(labelled(rows), self.values, self.scores)

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return the values at the predicted scores; std is half the way between one std below and above."""
        centre = pred.mean[:, 0].astype(np.float64)
        mean = np.interp(centre, self.scores, self.values)
        if pred.std is None:
            return Pred(mean[:, None].astype(np.float32))
        low, high = (np.interp(centre + s * pred.std, self.scores, self.values) for s in (-1, 1))
        least = 1e-6 * max(float(np.ptp(self.values)), 1e-6)
        return Pred(mean[:, None].astype(np.float32), np.maximum((high - low) / 2, least).astype(np.float32))


def learn(params: Params, task: Task, rows: Rows) -> Rank:
    """Return the codec: each distinct y at the normal quantile of its mid-rank.

    Source: van der Waerden scores, rank / (n + 1).
    """
    from scipy.special import ndtri

    values, counts = np.unique(labelled(rows), return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return Rank(values, np.asarray(ndtri(middle / (counts.sum() + 1)), np.float64))


def task(params: Params, task: Task) -> Task:
    """Return the task, unchanged."""
    return task
