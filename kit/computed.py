"""How a computed column is held: as vectors, or as numbers or categories where its feature says so."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from kit.contracts import Learnt
from kit.errors import RecipeError
from kit.types import Array, Column, Rows


@runtime_checkable
class Single(Protocol):
    """A learnt feature that may stand for one ordinary column, which other features take like one of the data."""

    @property
    def column(self) -> Column | None:
        """What the column is, numeric or category with its levels; None = vectors."""

    def values(self, rows: Rows) -> Array:
        """Return (n,) float64 numbers, NaN = missing, or int32 codes of the levels, -1 = missing."""


def computed(feature: str, learnt: Learnt, rows: Rows) -> tuple[Column, Array]:
    """Return what a computed column is and its values: (n,) as `Single` says, else (n, d) float32.

    Raises:
        RecipeError: the feature makes categories, of which vectors know nothing.
    """
    if isinstance(learnt, Single) and learnt.column is not None:
        return learnt.column, learnt.values(rows)
    block = learnt(rows)
    if block.categories:
        rule = f"{feature} makes categories, which a computed column cannot hold"
        raise RecipeError(rule, got=", ".join(block.categories), next="move it from columns to features")
    return Column("vector", width=block.x.shape[1]), np.ascontiguousarray(block.x)
