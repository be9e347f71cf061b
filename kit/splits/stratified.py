"""Shuffled folds with the same share of every class, or of every range of the target."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Assignment
from kit.errors import DataError
from kit.params import Params as Base
from kit.splits._strata import strata
from kit.types import Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ()
RANDOM: bool = True


class Params(Base):
    """Parameters of stratified folds."""

    folds: Annotated[int, Field(ge=2, le=1000)] = 5
    """Number of folds. Their sizes, and the rows of each class in them, differ by at most one row."""

    bins: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Strata of a regression: ranges of the target that hold about equally many rows. Equal values share one."""


def assign(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
    """Return a fold for every row: shuffled rows are sorted by stratum and dealt out in turn.

    Every stratum is one run of that order, so a fold's count of it is its length / folds, rounded up or down; so is
    the size of the fold. Classes with fewer rows than folds need no special case.

    Raises:
        DataError: fewer rows than folds.
    """
    n = len(rows)
    if n < params.folds:
        raise DataError("fewer rows than folds", got=f"{n} rows", allowed=f"at least {params.folds} rows")
    stratum = strata(task, rows, params.bins)
    shuffled = np.argsort(rows.row)[rng.permutation(n)]
    dealt = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    held = np.empty(n, np.int64)
    held[dealt] = rng.permutation(params.folds)[np.arange(n) % params.folds]
    return Assignment(held)
