"""Folds of whole groups, balanced by their number of rows."""

from __future__ import annotations

import heapq
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Assignment
from kit.errors import DataError
from kit.params import Params as Base
from kit.types import Ints, Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ("group",)
RANDOM: bool = True

SHUFFLE = 0.25
"""Sizes are multiplied by up to 1 + SHUFFLE before sorting. Sorted by bare size, groups of distinct sizes would fall
into the same folds in every repeat."""


class Params(Base):
    """Parameters of folds of whole groups."""

    folds: Annotated[int, Field(ge=2, le=1000)] = 5
    """Number of folds. Their sizes differ by at most the rows of the largest group, mostly by far less."""


def assign(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
    """Return a fold for every row, the same for all rows of a group.

    Raises:
        DataError: there is no group column, or fewer groups than folds.
    """
    if rows.group is None:
        raise DataError("a group split needs a group column", next="add `groups: <column>` to the split")
    _, of_row, sizes = np.unique(rows.group, return_inverse=True, return_counts=True)
    if len(sizes) < params.folds:
        allowed = f"at least {params.folds} groups"
        raise DataError("fewer groups than folds", got=f"{len(sizes)} groups", allowed=allowed, next="lower `folds`")
    return Assignment(_fill(sizes, params.folds, rng)[of_row])


def _fill(sizes: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Return (groups,) int64, a fold per group: the largest first, each into the fold with the fewest rows so far.

    Source: Graham 1969, longest processing time first.
    """
    order = np.argsort(-sizes * (1 + SHUFFLE * rng.random(len(sizes))))
    heap = [(0, int(fold)) for fold in rng.permutation(folds)]
    heapq.heapify(heap)
    chosen = []
    for size in sizes[order].tolist():
        rows, fold = heap[0]
        heapq.heapreplace(heap, (rows + size, fold))
        chosen.append(fold)
    fold_of = np.empty(len(sizes), np.int64)
    fold_of[order] = rng.permutation(folds)[chosen]
    return fold_of
