"""The folder of a competition's files: train, test and sample that a recipe does not name are found in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kit.errors import DataError, nearest
from kit.frames import PARTS
from kit.paths import among
from kit.recipe import Recipe
from kit.table import SUFFIXES
from kit.wording import placed


def bases(recipe: Recipe) -> list[Path]:
    """Return the folders in which relative paths of a recipe may start: data.folder, the recipe's own, the current."""
    folder = _folder(recipe)
    starts = [*([folder] if folder else []), recipe.folder.resolve(), Path.cwd()]
    return list(dict.fromkeys(starts))


def filled(recipe: Recipe) -> Recipe:
    """Return the recipe with the files of its folder as train, test and sample, where it does not name them.

    Raises:
        DataError: there is no such folder, no train file in it, or several files for one of them.
    """
    data = recipe.data
    if data.folder is None or data.source is not None:
        return recipe
    try:
        folder = _folder(recipe)
        if folder is None and data.train is not None:
            return recipe
        if folder is None:
            raise _absent(recipe)
        lacking = [part for part in PARTS if getattr(data, part) is None and not (part == "test" and data.holdout)]
        found = {part: in_folder(part, folder) for part in lacking}
        if found.get("train", "there") is None:
            raise without_train(folder)
    except DataError as error:
        raise placed(error, recipe.document, ("data", "folder")) from error
    return replace(recipe, data=data.model_copy(update={p: str(path) for p, path in found.items() if path is not None}))


def _folder(recipe: Recipe) -> Path | None:
    """Return data.folder, which starts at the recipe's folder or at the current one; None where there is none."""
    if recipe.data.folder is None:
        return None
    starts = (recipe.folder.resolve(), Path.cwd())
    return next((path for base in starts if (path := base / recipe.data.folder).is_dir()), None)


def in_folder(part: str, folder: Path, name: str | None = None, named: str = "data.{part}") -> Path | None:
    """Return the data file whose name begins with the part's, None where there is none; or the one of this name.

    `named`: where a person can name it.

    Raises:
        DataError: several files may be the part, or there is none of this name.
    """
    if name is not None:
        return among(name, [folder, Path.cwd()])
    found = [path for path in sorted(folder.iterdir()) if path.name.lower().startswith(part) and is_data(path)]
    if len(found) > 1:
        got = ", ".join(path.name for path in found)
        raise DataError(
            f"several files of the folder may be {part}", got=got, next=f"name one: {named.format(part=part)}"
        )
    return found[0] if found else None


def submission_in(folder: Path) -> Path | None:
    """Return the one data file called after a submission, as gender_submission.csv is; None where there are several."""
    found = [path for path in folder.iterdir() if "submission" in path.name.lower() and is_data(path)]
    return found[0] if len(found) == 1 else None


def is_data(path: Path) -> bool:
    """Return whether a file has the name of a data file."""
    name = path.name.lower().removesuffix(".gz")
    return path.is_file() and name.rpartition(".")[2] in SUFFIXES


def _absent(recipe: Recipe) -> DataError:
    name = str(recipe.data.folder)
    starts = list(dict.fromkeys((recipe.folder.resolve(), Path.cwd())))
    beside = [path.name for base in starts for path in base.iterdir() if path.is_dir()]
    return DataError(
        "there is no folder of data",
        got=name,
        allowed=f"a folder in {' or '.join(map(str, starts))}",
        next=nearest(name, beside) or "put the competition's files there, or name their folder: --set data.folder=PATH",
    )


def without_train(folder: Path, named: str = "data.train") -> DataError:
    """Return the error of a folder in which no file is seen to hold training rows."""
    inside: Sequence[str] = sorted(path.name for path in folder.iterdir())[:8]
    return DataError(
        "the folder holds no file of training rows",
        got=f"{folder} with {', '.join(inside) or 'nothing'}",
        allowed=f"a file train*.{', train*.'.join(SUFFIXES[:3])}, ...",
        next=f"name it: {named}",
    )
