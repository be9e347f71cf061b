"""Training rows without a target: left out where the recipe says so (`data.unlabelled: drop`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit.errors import DataError
from kit.infer import Note
from kit.recipe import Recipe
from kit.types import Ints
from kit.wording import plural

if TYPE_CHECKING:
    import polars as pl


def rows(train: pl.DataFrame, recipe: Recipe) -> tuple[pl.DataFrame, Ints | None, list[Note]]:
    """Return the training rows that have a target, their numbers (n,) where some lack it, and what is to be said.

    Numbers are those of all rows: they name a row where no column does, for whichever target.

    Raises:
        DataError: none has.
    """
    target = recipe.data.target
    if recipe.data.unlabelled != "drop" or target not in train.columns:
        return train, None, []
    y = train[target]
    known = y.is_not_null() & y.is_not_nan() if y.dtype.is_float() else y.is_not_null()
    lost = len(train) - int(known.sum())
    if lost == len(train):
        raise DataError("no training row has a target", got=f"column {target} is empty", next="check data.target")
    what = f"{plural(lost, 'training row')} without a target left out"
    return (train.filter(known), np.flatnonzero(known), [Note(target, what)]) if lost else (train, None, [])
