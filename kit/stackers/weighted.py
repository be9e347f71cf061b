"""Given weights, by the names of the sources or in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from kit.contracts import Context
from kit.errors import FitError
from kit.params import Params as Base
from kit.stackers._gram import MANY, blend
from kit.stackers._proba import proper
from kit.types import Floats, Floats32, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
"""For probabilities alone it is not: negative weights may leave [0, 1], and what does is cut off."""
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, MANY)
RETURNS: PredKind | None = None
LEARNS: bool = False

LEAST_SUM = 1e-9


class Params(Base):
    """Parameters of the given weights."""

    weights: Annotated[
        dict[str, FiniteFloat] | tuple[FiniteFloat, ...], Field(min_length=1, examples=[(1.0, 1.0, 1.0, 1.0)])
    ]
    """One number per source: `{lgbm: 2, cat: 1}`, a source left out counting 0, or a list in the order of `from`."""

    normalize: bool = True
    """Whether the weights are divided by their sum. False takes them as they are; probabilities always are divided."""

    @model_validator(mode="after")
    def _has_a_sum(self) -> Params:
        given = self.weights.values() if isinstance(self.weights, dict) else self.weights
        if self.normalize and abs(sum(given)) < LEAST_SUM:
            raise ValueError("the weights must not sum to 0: give other weights, or normalize: false")
        return self

    def placed(self, sources: Sequence[str]) -> Params:
        """Return the same params with the weights in the order of `sources`, whose names so stay out of the key.

        Raises:
            ValueError: a weight has no source, or their numbers differ.
        """
        if not isinstance(self.weights, dict):
            if len(self.weights) != len(sources):
                raise ValueError(f"{len(self.weights)} weights for {len(sources)} sources: give one for each")
            return self
        unknown = [name for name in self.weights if name not in sources]
        if unknown:
            raise ValueError(f"{unknown[0]} is not among the sources: {', '.join(sources)}")
        return self.model_copy(update={"weights": tuple(self.weights.get(name, 0.0) for name in sources)})

    def only(self, places: Sequence[int]) -> Params:
        """Return the params for the sources at these places alone, once the weights stand in their order."""
        weights = self.weights
        return (
            self
            if isinstance(weights, dict)
            else self.model_copy(update={"weights": tuple(weights[i] for i in places)})
        )


@dataclass(frozen=True)
class Given:
    """The `weights` (S,) float64 as they were given."""

    weights: Floats

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return sum_s w_s z_s of z (S, n, m), with std where every source has one and the weights are a mean.

        The variance is the mean of the variances, as if the sources' errors were wholly shared: a safe bound.
        """
        mean = proper(ctx.task, blend(self.weights, z)).astype(np.float32)
        is_mean = bool((self.weights >= 0).all()) and abs(self.weights.sum() - 1) < 1e-6
        if ctx.std is None or not is_mean or np.isnan(ctx.std).any():
            return Pred(mean)
        variance = blend(self.weights, ctx.std[:, :, None].astype(np.float64) ** 2)[:, 0]
        return Pred(mean, np.sqrt(variance).astype(np.float32))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Given:
    """Return the weights as given: nothing is learnt. Shape: z (S, n, m); y, v (n,).

    Raises:
        FitError: there are not as many weights as sources.
    """
    given = params.weights
    weights = np.array([given.get(name, 0.0) for name in ctx.sources] if isinstance(given, dict) else given)
    if len(weights) != len(z):
        raise FitError("one weight per source is needed", got=f"{len(weights)} weights, {len(z)} sources")
    if abs(weights.sum()) < LEAST_SUM and (params.normalize or ctx.task.kind != "regression"):
        raise FitError("the weights must not sum to 0", got=weights.tolist(), next="give other weights")
    if params.normalize or ctx.task.kind != "regression":
        weights = weights / weights.sum()
    return Given(weights)
