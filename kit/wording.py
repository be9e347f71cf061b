"""How errors name things: lines of a recipe, columns of a file, rows, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from kit.errors import KitError
from kit.recipe import Recipe
from kit.strictyaml import Document
from kit.types import Array

E = TypeVar("E", bound=KitError)

At = tuple[str | int, ...]
"""A place in a document: its keys from the top."""


def placed(error: E, document: Document, at: At) -> E:
    """Return the error, its problems placed at a line of the recipe where they name no place of their own."""
    line, excerpt = document.place(at), document.excerpt(at)
    error.problems = tuple(p if p.place else replace(p, place=line, excerpt=excerpt) for p in error.problems)
    return error


def column_of(recipe: Recipe, name: str | None, part: str = "train") -> str:
    """Return how a column of the train or test file is named: file and column."""
    data = recipe.data
    file = data.test if part == "test" and data.test is not None else data.train or data.source
    return f"{file}: column {name}"


def rows_of(recipe: Recipe, wrong: Array, what: str) -> str:
    """Return how many rows are `wrong` (n,) bool and which is the first, counted as a person counts them.

    A holdout takes rows out of the file, and so does `unlabelled: drop`: those left are not numbered as in the file.
    """
    count, first = int(wrong.sum()), int(np.argmax(wrong)) + 1
    fewer = recipe.data.holdout is not None or recipe.data.unlabelled == "drop"
    counted = "training row" if fewer else "data row"
    where = f"in {counted} {first}" if count == 1 else f"the first in {counted} {first}"
    return f"{count} {what}, {where} (counted from 1, without the header)"


def unaliased(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the aliases of computed columns and sources in it replaced by their names in the recipe.

    >>> unaliased("@4a81[0]", {"@4a81": "lgbm"})
    'lgbm[0]'
    """
    for alias, name in names.items():
        text = text.replace(alias, name)
    return text


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "source"), plural(2, "source")
    ('1 source', '2 sources')
    """
    return f"{count} {noun}" + ("" if count == 1 else "s")


def listed(words: Sequence[str]) -> str:
    """Return words as a person lists them.

    >>> listed(["category", "text", "key"])
    'category, text and key'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
