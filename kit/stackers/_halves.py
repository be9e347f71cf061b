"""The mean of two combinations, one of probabilities and one of their logarithms or log odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.contracts import Context
from kit.stackers._gram import Weighted
from kit.stackers._proba import proper
from kit.stackers.logistic import Odds
from kit.stackers.softmax import Pool
from kit.types import Floats, Floats32, Pred


@dataclass(frozen=True)
class Halves:
    """Equal parts of a combination of probabilities and of one of their logarithms, which errs in other places."""

    plain: Weighted
    logs: Odds | Pool

    @property
    def weights(self) -> Floats:
        """(S,) the mean of the weights in both."""
        return (self.plain.weights + self.logs.weights) / 2

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the mean prediction of z (S, n, m)."""
        both = (part(z, ctx).mean.astype(np.float64) for part in (self.plain, self.logs))
        return Pred(proper(ctx.task, sum(both, np.zeros(z.shape[1:])) / 2).astype(np.float32))
