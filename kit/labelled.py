"""Training rows without a target: left out where the recipe says so (`data.unlabelled: drop`)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from kit.asarray import Arrays
from kit.errors import DataError
from kit.infer import Kept, Note, Table
from kit.recipe import Recipe
from kit.types import Array, Ints
from kit.wording import plural


def rows(built: Table, recipe: Recipe) -> tuple[Table, Ints | None, list[Note]]:
    """Return the training rows that have a target, their numbers (n,) where some lack it, and what is to be said.

    Numbers are those of all rows: they name a row where no column does, for whichever target. Columns are of the kind
    and have the levels that all rows say, so that they are the same for each of several targets.

    Raises:
        DataError: none has.
    """
    target = recipe.data.target
    if recipe.data.unlabelled != "drop":
        return built, None, []
    y = built.kept[target].train
    known = y.is_not_null() & y.is_not_nan() if y.dtype.is_float() else y.is_not_null()
    numbers = np.flatnonzero(known)
    lost = built.n_train - len(numbers)
    if lost == built.n_train:
        raise DataError("no training row has a target", got=f"column {target} is empty", next="check data.target")
    if not lost:
        return built, None, []
    index = np.concatenate([numbers, built.n_train + np.arange(built.n_test)])

    found = replace(
        built,
        n_train=len(numbers),
        x=Arrays({name: partial(_column, built, name, index) for name in built.header}),
        kept={name: Kept(part.train.filter(known), part.test) for name, part in built.kept.items()},
    )
    return found, numbers, [Note(target, f"{plural(lost, 'training row')} without a target left out")]


def _column(built: Table, name: str, index: Ints) -> Array:
    return built.x[name][index]
