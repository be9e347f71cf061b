"""From the data files of a recipe to its stored table: every column of train and test as an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from kit import amounts, csvbytes, csvfile, dates, forms, infer, kinds, table, wishes
from kit.canon import digest_file, fingerprint
from kit.errors import DataError, nearest
from kit.infer import Roles
from kit.recipe import Recipe
from kit.store import Store
from kit.types import Array
from kit.wording import At, placed

if TYPE_CHECKING:
    import polars as pl

CODE = (table, csvfile, csvbytes, infer, kinds, wishes, forms, dates, amounts)
"""Modules that shape a table."""


def locate(name: str, recipe: Recipe, at: At) -> Path:
    """Return an input file, looked up in the recipe's folder, then in the current directory; `at`: who names it.

    Raises:
        DataError: it is in neither, or cannot be opened.
    """
    bases = list(dict.fromkeys((recipe.folder.resolve(), Path.cwd())))
    for base in bases:
        path = base / name
        if path.is_file():
            return path
    folder = (recipe.folder / name).parent
    beside = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    allowed = f"a path in {' or '.join(map(str, bases))}"
    advice = nearest(Path(name).name, beside) or "check the path; it starts at the recipe's folder"
    error = DataError("the file does not exist", got=name, allowed=allowed, next=advice)
    raise placed(error, recipe.document, at)


def digest(name: str, recipe: Recipe, at: At) -> str:
    """Return the digest of an input file.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    path = locate(name, recipe, at)
    try:
        return digest_file(path)
    except OSError as error:
        advice = "check the permissions of the file"
        raise DataError("the file cannot be read", place=str(path), got=error.strerror, next=advice) from error


def ingredients(recipe: Recipe) -> dict[str, object]:
    """Return what the table of a recipe is made of."""
    data = recipe.data
    source: dict[str, object] = {"source": data.source}
    if data.train is not None:
        source = {"train": digest(data.train, recipe, ("data", "train"))}
    if data.test is not None:
        source["test"] = digest(data.test, recipe, ("data", "test"))
    if data.holdout is not None:
        source["holdout"] = [data.holdout, recipe.seed]
    return {
        "verb": "table",
        "code": [fingerprint(Path(str(m.__file__))) for m in CODE],
        "data": source,
        "nulls": data.nulls,
        "encoding": data.encoding,
        "kept": [data.target, data.id],
        "kinds": dict(data.kinds),
        "named": sorted(_named(recipe)),
    }


def make(recipe: Recipe, store: Store, key: str, made: Mapping[str, object]) -> None:
    """Read the data and commit the table.

    Raises:
        DataError: the data breaks a rule.
    """
    data = recipe.data
    train, test = _frames(recipe)
    _check(recipe, train, test)
    keep = [data.target, *([data.id] if data.id else [])]
    try:
        built = infer.build(train, test, Roles(keep, _named(recipe), data.kinds))
    except DataError as error:
        raise placed(error, recipe.document, ("data", "kinds")) from error
    del train, test
    files: dict[str, Array | bytes] = {f"x/{name}": array for name, array in built.x.items()}
    for name, column in built.header.items():
        if column.levels:
            files[f"levels/{name}"] = table.levels_to_arrow(tuple(column.levels))
    for name, (train_part, test_part) in built.kept.items():
        files[f"train/{name}"] = table.series_to_arrow(train_part)
        if test_part is not None:
            files[f"test/{name}"] = table.series_to_arrow(test_part)
    header = {
        n: {"kind": c.kind, "width": c.width, "levels": len(c.levels), "form": asdict(built.forms[n])}
        for n, c in built.header.items()
    }
    meta = {
        "n_train": built.n_train,
        "n_test": built.n_test,
        "header": header,
        "missing_in_test": sorted(built.missing_in_test - {data.target}),
        "only_in_test": sorted(built.only_in_test),
        "notes": [*_remarks(recipe), *map(list, built.notes)],
    }
    store.commit(key, files, meta, made)


def split_columns(recipe: Recipe) -> tuple[str, ...]:
    """Return the columns the splitter reads: they say which fold a row is in and are no features."""
    column = getattr(recipe.split.params, "column", None)
    return (str(column),) if column else ()


def _named(recipe: Recipe) -> set[str]:
    """Return the columns with a role beside target and id."""
    data = recipe.data
    return {c for c in (data.groups, data.weight, data.time, *split_columns(recipe)) if c is not None}


def _frames(recipe: Recipe) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    data = recipe.data
    if data.source is not None:
        try:
            train = table.source(data.source)
        except DataError as error:
            raise placed(error, recipe.document, ("data", "source")) from error
    else:
        train = table.read(locate(str(data.train), recipe, ("data", "train")), data.nulls, data.encoding)
    if data.holdout is not None:
        try:
            return table.holdout(train, data.holdout, recipe.seed, data.target)
        except DataError as error:
            raise placed(error, recipe.document, ("data", "holdout")) from error
    if data.test is None:
        return train, None
    return train, table.read(locate(data.test, recipe, ("data", "test")), data.nulls, data.encoding)


def _remarks(recipe: Recipe) -> list[list[str]]:
    """Return notes on how the files are read, as (no column, what, next)."""
    files = {part: name for part in ("train", "test") if (name := getattr(recipe.data, part)) is not None}
    return [
        ["", f"{name}: {what}", ""]
        for part, name in files.items()
        for what in table.remarks(locate(name, recipe, ("data", part)))
    ]


def _check(recipe: Recipe, train: pl.DataFrame, test: pl.DataFrame | None) -> None:
    """Raise DataError for a column that the recipe names and the data lack."""
    data = recipe.data
    for role in ("target", "id", "groups", "weight", "time"):
        _require_column(getattr(data, role), train.columns, ("data", role), f"{role} column", recipe)
    for name in data.drop:
        _require_column(name, train.columns, ("data", "drop"), "column to drop", recipe)
    for name in split_columns(recipe):
        _require_column(name, train.columns, ("split", "column"), "split column", recipe)
    for name, kind in data.kinds.items():
        _require_column(name, train.columns, ("data", "kinds", name), f"{kind} column", recipe)
        if name in (data.target, data.id):
            rule, advice = "the kind of target and id cannot be chosen", f"take {name} out of data.kinds"
            raise placed(DataError(rule, got=name, next=advice), recipe.document, ("data", "kinds", name))
    if test is not None and data.id is not None and data.id not in test.columns:
        rule, advice = "the test file lacks the id column", "check data.id, or rename the column of the test file"
        error = DataError(rule, got=f"columns {', '.join(test.columns)}", allowed=f"a column {data.id}", next=advice)
        raise placed(error, recipe.document, ("data", "test"))


def _require_column(name: str | None, known: list[str], at: At, named: str, recipe: Recipe) -> None:
    if name is not None and name not in known:
        advice = nearest(name, known) or "name one of the columns there are"
        error = DataError(f"the {named} is not in the training data", got=name, allowed=known, next=advice)
        raise placed(error, recipe.document, at)
