"""Returns the mean target of the most similar learning rows, cross-fitted for the learning rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import check_columns
from kit.features._inner import inner_folds
from kit.features._near import Banned, nearest, units
from kit.params import ColumnName, Tune
from kit.types import Block, Bools, Floats, Floats32, Ints, Rows, Task, require

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "fold"
KINDS: tuple[str, ...] = ("vector",)
ACCEPTS: tuple[str, ...] = ("vector",)


class Params(base.Params):
    """Mean target of the k nearest learning rows by cosine, of another split group; their spread; how near they are.

    A learning row asks those of the inner folds that hold neither it nor its group, a synthetic row all but its parents
    and their groups. Regression and binary give the mean, multiclass one share per class.
    """

    columns: tuple[ColumnName, ...] = ()
    """Vector columns, each counting the same. Empty: all of them."""

    k: Annotated[int, Field(ge=1, le=1000), Tune(3, 50, log=True)] = 10
    """How many neighbours."""

    kernel: Literal["uniform", "softmax"] = "softmax"
    """uniform: each counts the same; softmax: exp(cosine / temperature)."""

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False), Tune(0.02, 0.5, log=True)] = 0.1
    """Of the softmax kernel: the smaller, the more the nearest alone counts."""

    folds: Annotated[int, Field(ge=2, le=100)] = 5
    """Inner folds for the learning rows' own values."""


@dataclass(frozen=True)
class Neighbours:
    """The learning rows with w > 0: vectors (n, d) float32 of length 1, target (n, m), w, row and group (n,)."""

    params: Params
    names: tuple[str, ...]
    vectors: Floats32
    target: Floats
    w: Floats
    row: Ints
    group: Ints | None
    own: Block | None = None

    def __call__(self, rows: Rows) -> Block:
        """Return mean, spread and nearness, (n, 2 m + 1) float32; missing where a vector is, or no row may be asked."""
        return Block(self.names, self.asked(rows, np.ones(len(self.row), np.bool_)))

    def asked(self, rows: Rows, may: Bools) -> Floats32:
        """Return the matrix of rows that may ask those learning rows alone where `may` (n,) holds."""
        known = np.flatnonzero(may)
        names = tuple(str(name) for name in self.params.columns)
        found, cosine = nearest(units(rows, names), self.vectors[known], self.params.k, self._banned(rows, known))
        near = known[np.maximum(found, 0)] if len(known) else np.zeros_like(found)
        weight = np.where(found >= 0, 1.0, 0.0) * (self.w[near] if len(self.w) else 0.0)
        if self.params.kernel == "softmax":
            best = np.where(np.isnan(cosine[:, :1]), 0.0, cosine[:, :1])
            weight = weight * np.exp(np.where(found >= 0, cosine - best, 0.0) / self.params.temperature)
        total = weight.sum(axis=1)
        share = np.divide(weight, total[:, None], out=np.full(weight.shape, np.nan), where=total[:, None] > 0)
        value = self.target[near] if len(self.target) else np.full((*near.shape, self.target.shape[1]), np.nan)
        mean = np.einsum("qk,qkm->qm", share, value)
        spread = np.sqrt(np.einsum("qk,qkm->qm", share, (value - mean[:, None]) ** 2))
        nearness = (share * np.where(found >= 0, cosine, 0.0)).sum(axis=1)
        return np.column_stack([mean, spread, nearness]).astype(np.float32)

    def _banned(self, rows: Rows, known: Ints) -> Banned:
        """Return the rule of who may not be asked: a parent, and anyone of the group of the row or of a parent."""
        order = np.argsort(self.row)
        place = np.minimum(np.searchsorted(self.row[order], rows.parents), max(len(order) - 1, 0))
        parent = (
            np.where(self.row[order][place] == rows.parents, order[place], -1) if len(order) else rows.parents * 0 - 1
        )

        def banned(queries: Ints) -> Bools:
            out = (known == parent[queries, :1]) | (known == parent[queries, 1:])
            if self.group is None:
                return np.asarray(out)
            if rows.group is not None:
                out |= self.group[known] == rows.group[queries, None]
            for side in parent[queries].T:
                out |= (side >= 0)[:, None] & (self.group[known] == self.group[side][:, None])
            return np.asarray(out)

        return banned


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Neighbours:
    """Return the rows to ask, and the learning rows' own block from inner folds.

    Raises:
        RecipeError: a named column holds no vectors.
        DataError: the learning rows cannot be cut in two.
    """
    check_columns("neighbours", params.columns, rows.header, ACCEPTS)
    require(rows.y is not None, "neighbours learns from y")
    columns = tuple(str(name) for name in params.columns)
    counted = np.flatnonzero(rows.w > 0)
    asked = rows.take(counted)
    target = _target(task, np.asarray(asked.y))
    vectors = units(asked, columns)
    learnt = Neighbours(params, _names(task, columns), vectors, target, asked.w, asked.row, asked.group)
    fold = inner_folds("neighbours", params.folds, rows, rng)
    own: Floats32 = np.empty((len(rows), len(learnt.names)), np.float32)
    for k in range(params.folds):
        held = np.flatnonzero(fold == k)
        own[held] = learnt.asked(rows.take(held).blind(), fold[counted] != k)
    return Neighbours(params, learnt.names, vectors, target, asked.w, asked.row, asked.group, Block(learnt.names, own))


def _target(task: Task, y: Floats) -> Floats:
    """Return (n, m) what is averaged: y, or whether a row is of each class."""
    if task.kind != "multiclass":
        return y[:, None]
    return np.asarray(y[:, None] == np.arange(len(task.classes)), np.float64)


def _names(task: Task, columns: tuple[str, ...]) -> tuple[str, ...]:
    of = ",".join(columns)
    parts = [""] if task.kind != "multiclass" else [f"|{label}" for label in task.classes]
    return (*(f"{what}({of}{part})" for what in ("near_mean", "near_spread") for part in parts), f"nearness({of})")
