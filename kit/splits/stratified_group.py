"""Folds of whole groups with about the same share of every class, or of every range of the target."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Assignment
from kit.errors import DataError
from kit.params import Params as Base
from kit.splits._strata import strata
from kit.types import Ints, Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ("group",)
RANDOM: bool = True

SHUFFLE = 0.25
"""Sizes are multiplied by up to 1 + SHUFFLE before sorting, so that repeats differ where no two groups are alike."""

CHUNK = 1 << 20
"""Numbers of the table of groups and strata that is looked at at once (8 MiB)."""


class Params(Base):
    """Parameters of stratified folds of whole groups."""

    folds: Annotated[int, Field(ge=2, le=1000)] = 5
    """Number of folds. Sizes and shares are as equal as the groups allow: the largest go first, small ones fill up."""

    bins: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Strata of a regression: ranges of the target that hold about equally many rows. Equal values share one."""


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
    order = np.argsort(-sizes * (1 + SHUFFLE * rng.random(len(sizes))), kind="stable")
    fold_of = _deal(of_row, strata(task, rows, params.bins), sizes, order, params.folds)
    return Assignment(rng.permutation(params.folds)[fold_of][of_row])


def _deal(of_row: Ints, stratum: Ints, sizes: Ints, order: Ints, folds: int) -> Ints:
    """Return (groups,) int64: each group goes, in that order, into the fold where it raises the imbalance least.

    The imbalance is sum n_fs^2 / N_s over folds f and strata s, all rows being one more stratum; up to a constant that
    is the chi-square of the table of folds and strata. Group g adds 2 sum_s n_fs g_s / N_s and a term without f.
    """
    n_strata = int(stratum.max()) + 1
    pairs, counts = np.unique(of_row * n_strata + stratum, return_counts=True)
    starts = np.searchsorted(pairs, np.arange(len(sizes) + 1) * n_strata)
    total = np.append(np.bincount(stratum), len(stratum))
    held = np.zeros((folds, n_strata + 1))
    fold_of = np.empty(len(sizes), np.int64)
    size = max(1, CHUNK // (n_strata + 1))
    for first in range(0, len(order), size):
        groups = order[first : first + size]
        added = np.zeros((len(groups), n_strata + 1))
        added[:, -1] = sizes[groups]
        lengths = starts[groups + 1] - starts[groups]
        own = np.arange(lengths.sum()) + np.repeat(starts[groups] - np.cumsum(lengths) + lengths, lengths)
        added[np.repeat(np.arange(len(groups)), lengths), pairs[own] % n_strata] = counts[own]
        scaled = added / total
        for i, group in enumerate(groups.tolist()):
            # Not held @ scaled[i]: BLAS may sum in an order that depends on its threads.
            fold = int(np.einsum("fs,s->f", held, scaled[i]).argmin())
            held[fold] += added[i]
            fold_of[group] = fold
    return fold_of
