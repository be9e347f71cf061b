"""Training rows without a target: left out where the recipe says so (`data.unlabelled: drop`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.errors import DataError
from kit.infer import Note
from kit.recipe import Recipe
from kit.wording import plural

if TYPE_CHECKING:
    import polars as pl


def rows(train: pl.DataFrame, recipe: Recipe) -> tuple[pl.DataFrame, list[Note]]:
    """Return the training rows that have a target, and what is to be said of the others.

    Raises:
        DataError: none has.
    """
    target = recipe.data.target
    if recipe.data.unlabelled != "drop" or target not in train.columns:
        return train, []
    y = train[target]
    known = y.is_not_null() & y.is_not_nan() if y.dtype.is_float() else y.is_not_null()
    lost = len(train) - int(known.sum())
    if lost == len(train):
        raise DataError("no training row has a target", got=f"column {target} is empty", next="check data.target")
    what = f"{plural(lost, 'training row')} without a target left out"
    return (train.filter(known), [Note(target, what)]) if lost else (train, [])
