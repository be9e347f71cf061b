"""merge: one submission of those of single targets, which `kit blend` or a run of one target made."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit import combined, datafolder, loading, opening
from kit.errors import DataError
from kit.given import Given, Source, hand_over
from kit.logbook import Entry, entry
from kit.store import Store
from kit.submission import place
from kit.targets import owner


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
    found.sort(key=lambda each: "layout" not in each.about)  # those of kit have the rows as the sample orders them
    given = hand_over(recipe)
    csvs, name = [_csv(each) for each in found], opening.family(given, ())
    columns = _columns(given, recipe, trust, csvs)
    about = combined.about(name, columns, {f"{each.number:04d}": each.about for each in found})
    path = place(Store(base), base, name, combined.beside(columns, csvs), about)
    return {"submission": str(path), "columns": columns, "score": about["score"]}


def _columns(given: Given, recipe: Source, trust: bool, csvs: Sequence[bytes]) -> list[str]:
    """Return the columns of the submission of a recipe of several targets: of its sample, else of each in turn."""
    import polars as pl

    parts = opening.each(given, ())
    if not parts:
        advice = "its data.targets lists them"
        raise DataError("only the targets of a recipe of several are merged", got=recipe, next=advice)
    raw, _ = loading.sample_of(datafolder.filled(opening.read_recipe(given, parts[0].sets, trust)))
    if raw is not None:
        return raw.columns
    named = dict.fromkeys(c for csv in csvs for c in pl.read_csv(io.BytesIO(csv), infer_schema=False).columns)
    targets = [part.target for part in parts]
    of = {column: owner(column, targets) for column in named}
    ids = [column for column in named if of[column] is None][:1]
    return [*ids, *(c for target in targets for c in [c for c in named if of[c] == target] or [target])]


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
