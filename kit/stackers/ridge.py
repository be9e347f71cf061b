"""Weights of sum one, negative ones allowed, drawn towards a prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.errors import FitError
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers._gram import MANY, Grams, Space, Weighted, one_thread, space_of
from kit.stackers._handed import gathered
from kit.stackers._simplex import unit_ridge
from kit.types import Floats, Floats32, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""For probabilities it is not: negative weights may leave [0, 1], and what does is cut off; nor is it under rmsle."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None

GRID = 10.0 ** np.arange(-6, 2.01, 0.5)
"""Strengths tried where none is given."""

Positive = Annotated[float, Field(gt=0)]


class Params(Base):
    """Parameters of the ridge. Squared error is minimised whatever the metric is."""

    l2: Annotated[float | None, Field(gt=0, le=1e6), Tune(1e-6, 1.0, log=True)] = None
    """Strength of the pull, relative to the mean squared error of the sources. None = by leaving out parts of the rows
    that are learnt from, each lying within a fold."""

    prior: Literal["equal", "best"] | tuple[float, ...] = "equal"
    """What the weights are drawn to: equal weights, the best single source, or a list in the order of the sources."""

    trust: tuple[Positive, ...] = ()
    """For each source, in order, how freely its weight may leave the prior; 1 where none is given. Small for a source
    that is suspected to look better out of fold than it is."""

    def only(self, places: Sequence[int]) -> Params:
        """Return the params for the sources at these places alone."""
        prior, trust = self.prior, self.trust
        kept = {
            "prior": prior if isinstance(prior, str) else tuple(prior[i] for i in places),
            "trust": tuple(trust[i] for i in places) if trust else (),
        }
        return self.model_copy(update=kept)


def sums(metric: str) -> Space | None:
    """Return the scale of the sums that `solve` wants."""
    return space_of(metric)


def solve(params: Params, ctx: Context, grams: Grams) -> Weighted:
    """Return the w of sum one that minimises w'Rw + l sum_s (w_s - w0_s)^2 / trust_s, R the residual Gram.

    Raises:
        FitError: `prior` or `trust` are lists of another length than there are sources.
    """
    trust = np.asarray(params.trust or np.ones(grams.n_sources))
    for name, given in (("prior", params.prior), ("trust", trust)):
        if not isinstance(given, str) and len(given) != grams.n_sources:
            raise FitError(f"{name} must have one number per source", got=len(given), allowed=grams.n_sources)
    strengths = GRID if params.l2 is None else np.array([params.l2])

    def candidates(gram: Floats) -> list[Floats]:
        return [unit_ridge(gram, float(one), _prior(params, gram), trust) for one in strengths]

    with one_thread():
        at = int(np.argmin(grams.left_out(candidates).sum(axis=1))) if len(strengths) > 1 and len(grams) > 1 else 0
        weights = unit_ridge(grams.residuals(), float(strengths[at]), _prior(params, grams.residuals()), trust)
    return Weighted(weights, space_of(ctx.metric.name), {"l2": float(strengths[at])})


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Weighted:
    """Return what `solve` makes of the sums over these rows. Shape: z (S, n, m); y, v (n,)."""
    return solve(params, ctx, gathered(ctx, z, y, v))


def _prior(params: Params, gram: Floats) -> Floats:
    if params.prior == "equal":
        return np.full(len(gram), 1 / len(gram))
    if params.prior == "best":
        return np.asarray(np.arange(len(gram)) == np.argmin(np.diag(gram)), np.float64)
    given = np.asarray(params.prior, np.float64)
    return np.asarray(given / given.sum())
