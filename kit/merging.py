"""merge: one submission of those of single targets, which `kit blend` or a run of one target made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit import datafolder, facts, joined, opening
from kit.errors import DataError
from kit.given import Given, Source, hand_over
from kit.logbook import Entry, entry
from kit.store import Store
from kit.submission import place


def merge(
    numbers: Sequence[str | int],
    *,
    recipe: str | Path,
    trust: bool = False,
    root: str | Path = ".",
) -> dict[str, Any]:
    """Write the columns of submissions side by side, as the sample of a recipe of several targets orders them.

    Returns its path, the columns, and the mean of the scores. `trust`: the recipe may run files of its own.

    Raises:
        DataError: there is no such submission, one was altered or is of other rows, a column is lacking or there twice.
        RecipeError: the recipe is at fault.
    """
    base = Path(root).resolve()
    found = [entry(str(number), base) for number in numbers]
    given = hand_over(recipe)
    columns = _columns(given, recipe, trust, Store(base))
    parts = {f"{each.number:04d}": each.about for each in found}
    about = joined.about(opening.family(given, ()), columns, parts)
    path = place(Store(base), base, opening.family(given, ()), joined.beside(columns, [_csv(e) for e in found]), about)
    return {"submission": str(path), "columns": columns, "score": about["score"]}


def _columns(given: Given, recipe: Source, trust: bool, store: Store) -> list[str]:
    """Return the columns of the submission of a recipe of several targets."""
    parts = opening.each(given, ())
    if not parts:
        advice = "its data.targets lists them"
        raise DataError("only the targets of a recipe of several are merged", got=recipe, next=advice)
    recipes = [datafolder.filled(opening.read_recipe(given, part.sets, trust)) for part in parts]
    return joined.header(recipes[0], [facts.gather(each, store) for each in recipes])


def _csv(each: Entry) -> bytes:
    """Return the bytes of a submission.

    Raises:
        DataError: its csv is gone, or is not what was written.
    """
    number = f"{each.number:04d}"
    if each.path is None:
        raise DataError("the csv of a submission is gone", got=number, next=f"kit replay {number}")
    content = each.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != each.about.get("sha256"):
        advice = f"kit replay {number} --out again.csv writes what it was"
        raise DataError("the csv of a submission was altered", place=str(each.path), got=number, next=advice)
    return content
