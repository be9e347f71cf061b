"""One source, moved for each group by what it was off there on average, drawn to no move where rows are few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.params import ColumnName
from kit.params import Params as Base
from kit.stackers._gram import truth
from kit.stackers._proba import effective, proper
from kit.types import Floats, Floats32, Ints, Pred, PredKind, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = None
NEEDS_KEY: bool = True


class Params(Base):
    """Parameters of the correction by group."""

    key: ColumnName | None = None
    """Column whose values are the groups. None = `data.groups`; a split by those leaves nothing to correct."""

    shrink: Annotated[float, Field(ge=0)] | None = None
    """Rows of a group at which half of its mean residual is believed. None = estimated from the residuals."""


@dataclass(frozen=True)
class Moves:
    """The groups, sorted (G,), and what is added in each, (G, m). Groups never seen are left as they are."""

    groups: Ints
    moves: Floats

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the source z (1, n, m), moved by the group of each row, with its std as it is."""
        mean = z[0].astype(np.float64)
        if ctx.group is not None and len(self.groups):
            at = np.minimum(np.searchsorted(self.groups, ctx.group), len(self.groups) - 1)
            mean += np.where((self.groups[at] == ctx.group)[:, None], self.moves[at], 0.0)
        std = None if ctx.std is None or np.isnan(ctx.std).any() else ctx.std[0]
        return Pred(proper(ctx.task, mean).astype(np.float32), std)


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Moves:
    """Return n_g / (n_g + k) times the mean residual of each group g of weight n_g; none where there is no group.

    Shape: z (1, n, m); y, v (n,).
    """
    if ctx.group is None:
        return Moves(np.empty(0, np.int64), np.empty((0, z.shape[2])))
    groups, of = np.unique(ctx.group, return_inverse=True)
    weight = v * effective(v) / v.sum()
    size = np.bincount(of, weight).astype(np.float64)
    residual = truth(ctx.task, y) - z[0]
    mean = np.stack([np.bincount(of, weight * r) for r in residual.T], axis=1) / np.where(size > 0, size, 1)[:, None]
    left = (weight[:, None] * (residual - mean[of]) ** 2).sum(axis=0)
    half = np.array([_half(size, m, e) for m, e in zip(mean.T, left, strict=True)])
    if params.shrink is not None:
        half[:] = params.shrink
    # An infinite half believes nothing of any group; a group without weight has nothing to believe.
    believed = np.where(size[:, None] > 0, 1 / (1 + half / np.where(size > 0, size, 1)[:, None]), 0.0)
    return Moves(np.asarray(groups, np.int64), believed * mean)


def _half(size: Floats, mean: Floats, left: float) -> float:
    """Return s2 / t2: the variance within groups over that of the groups' true means, by the method of moments.

    E sum_g n_g m_g^2 = G s2 + t2 sum_g n_g for true means about 0.
    Source: Searle, Casella & McCulloch 1992, Variance components (analysis of variance estimates).
    """
    used = size > 0
    within = left / max(size.sum() - used.sum(), 1.0)
    between = ((size * mean**2).sum() - used.sum() * within) / size.sum()
    return within / between if between > 0 else np.inf
