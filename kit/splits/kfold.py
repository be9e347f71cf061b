"""Shuffled folds of equal size."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Assignment
from kit.errors import DataError
from kit.params import Params as Base
from kit.types import Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ()
RANDOM: bool = True


class Params(Base):
    """Parameters of shuffled folds."""

    folds: Annotated[int, Field(ge=2, le=1000)] = 5
    """Number of folds. Their sizes differ by at most one row."""


def assign(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
    """Return a fold for every row. A row's fold hangs on its number, not on the order the rows come in.

    Raises:
        DataError: fewer rows than folds.
    """
    n = len(rows)
    if n < params.folds:
        raise DataError("fewer rows than folds", got=f"{n} rows", allowed=f"at least {params.folds} rows")
    drawn = rng.permutation(np.tile(np.arange(params.folds, dtype=np.int16), -(-n // params.folds))[:n])
    if (rows.row[1:] > rows.row[:-1]).all():
        return Assignment(drawn)
    held = np.empty_like(drawn)
    held[np.argsort(rows.row)] = drawn
    return Assignment(held)
