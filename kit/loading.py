"""From the data files of a recipe to its stored table: every column of train and test as an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import (
    alike,
    amounts,
    asarray,
    asked,
    clocks,
    commas,
    csvbytes,
    csvfile,
    datafolder,
    dates,
    dateshapes,
    devices,
    extra,
    forms,
    further,
    histories,
    infer,
    joining,
    jsonfile,
    kinds,
    labelled,
    meeting,
    roles,
    sides,
    spelling,
    table,
    taking,
    wishes,
)
from kit.canon import code_file, digest_data
from kit.errors import DataError
from kit.extra import Added, Extra, add
from kit.features import _sql
from kit.infer import Roles
from kit.objectfiles import Later
from kit.paths import among
from kit.recipe import Recipe
from kit.sections import ExtraSection
from kit.sides import Side
from kit.store import Store
from kit.types import Array
from kit.wishes import Wish
from kit.wording import At, placed

if TYPE_CHECKING:
    import polars as pl

CODE = (
    table,
    csvfile,
    csvbytes,
    jsonfile,
    extra,
    infer,
    asarray,
    kinds,
    wishes,
    spelling,
    forms,
    alike,
    dates,
    dateshapes,
    clocks,
    amounts,
    commas,
)
"""Modules that shape a table."""
JOIN_CODE = (further, histories, joining, meeting, sides, taking, _sql)
"""Modules that shape it as well where further tables are joined."""


def locate(name: str, recipe: Recipe, at: At) -> Path:
    """Return an input file, looked up in data.folder, the recipe's folder, the current directory; `at`: who names it.

    Raises:
        DataError: it is in none, or cannot be opened.
    """
    try:
        return among(name, datafolder.bases(recipe))
    except DataError as error:
        raise placed(error, recipe.document, at) from error


def digest(part: str, name: str, recipe: Recipe, at: At) -> str:
    """Return the digest of an input: of the frame handed over as that part, else of the file.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    if part in recipe.frames:
        return recipe.frames[part].digest
    path = locate(name, recipe, at)
    try:
        return digest_data(path, devices.cores())
    except OSError as error:
        advice = "check the permissions of the file"
        raise DataError("the file cannot be read", place=str(path), got=error.strerror, next=advice) from error


def ingredients(recipe: Recipe) -> dict[str, object]:
    """Return what the table of a recipe is made of."""
    data = recipe.data
    source: dict[str, object] = {"source": data.source}
    if data.train is not None:
        source = {"train": digest("train", data.train, recipe, ("data", "train"))}
    if data.test is not None:
        source["test"] = digest("test", data.test, recipe, ("data", "test"))
    if data.extra:
        parts = [digest(part, e.path, recipe, at) for part, e, at in _extra_parts(recipe)]
        source["extra"] = [[p, e.weight] for p, e in zip(parts, data.extra, strict=True)]
    if data.join:
        source["join"] = further.ingredients(recipe, digest, data.join)
    if data.holdout is not None:
        source["holdout"] = [data.holdout, recipe.seed]
    return {
        "verb": "table",
        "code": [code_file(m) for m in (*CODE, *(JOIN_CODE if data.join else ()))],
        "data": source,
        "nulls": data.nulls,
        "encoding": data.encoding,
        "kept": [*data.together, data.id],
        "kinds": _kinds(recipe),
        "named": sorted(asked.with_role(recipe)),
        **({"rename": dict(data.rename)} if data.rename else {}),
        **({"only": data.target} if data.targets and (data.extra or data.unlabelled == "drop") else {}),
        **({"unlabelled": [data.unlabelled, code_file(labelled)]} if data.unlabelled != "refuse" else {}),
    }


def make(recipe: Recipe, store: Store, key: str, made: Mapping[str, object], still: Callable[[], None]) -> None:
    """Read the data and commit the table; `still` raises where a file was changed meanwhile.

    Raises:
        DataError: the data breaks a rule.
    """
    data = recipe.data
    joined = joining.joined(recipe, *_frames(recipe), partial(further.read, _rows, recipe))
    train, test = joined.train, joined.test
    asked.check(recipe, train, test, joined.known)
    keep = [*data.together, *([data.id] if data.id else [])]
    try:
        built = infer.build(train, test, Roles(keep, asked.with_role(recipe), _kinds(recipe)))
    except DataError as error:
        raise placed(error, recipe.document, ("data", "kinds")) from error
    joins, told, n_rows = joined.sides, joined.notes, built.n_train
    del train, test, joined
    built, numbers, left_out = labelled.rows(built, recipe)
    files: dict[str, Array | bytes | Later] = {} if numbers is None else {"numbers": numbers}
    for name, (train_part, test_part) in built.kept.items():
        files[f"train/{name}"] = table.series_to_arrow(train_part)
        if test_part is not None:
            files[f"test/{name}"] = table.series_to_arrow(test_part)
    about: tuple[dict[str, Any], ...] = ()
    if data.extra:
        added = _with_extra(built, recipe, joins)
        built, about = added.table, added.about
        files["extra/weight"] = added.weight
        files |= {f"extra/target/{i}": table.series_to_arrow(s) for i, s in enumerate(added.targets)}
    size = 8 * (built.n_train + built.n_test)  # bytes of a column, about
    for name, column in built.header.items():
        files[f"x/{name}"] = Later(partial(built.x.__getitem__, name), size)
        if column.levels:
            files[f"levels/{name}"] = table.levels_to_arrow(tuple(column.levels))
    files |= {f"join/{i}": sides.to_arrow(side.rows) for i, side in enumerate(joins)}
    meta = _meta(built, recipe, about) | ({} if numbers is None else {"n_rows": n_rows})
    meta["notes"] = [*map(list, [*told, *left_out]), *meta["notes"]]
    if joins:
        meta["joins"] = [side.about() for side in joins]
    still()
    store.commit(key, files, meta, made)


def _meta(built: infer.Table, recipe: Recipe, about: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    header = {
        n: {"kind": c.kind, "width": c.width, "levels": len(c.levels), "form": asdict(built.forms[n])}
        for n, c in built.header.items()
    }
    target = _target_of_test(built, recipe)
    return {
        "n_train": built.n_train,
        "n_test": built.n_test,
        "target_of_test": target,
        "header": header,
        "missing_in_test": sorted(built.missing_in_test.difference(recipe.data.together)),
        "only_in_test": sorted(built.only_in_test),
        "notes": [*_remarks(recipe), *target, *map(list, built.notes)],
        "n_extra": len(next(iter(built.x.values()), ())) - built.n_train - built.n_test if about else 0,
        "extra": list(about),
    }


def _target_of_test(built: infer.Table, recipe: Recipe) -> list[list[str]]:
    """Return a note, as (column, what, next), for each target that test has as well; none where it has no value."""
    notes = []
    for target in recipe.data.together:
        _, test = built.kept[target]
        if test is not None and (known := len(test) - test.null_count()):
            seen = f"in {known} of {len(test)} rows"
            what = f"the test file has the target as well, {seen}: it is left out there, as if unknown"
            notes.append([target, what, "data.extra: a file of the rows to learn from, if these are true values"])
    return notes


def sample_of(recipe: Recipe) -> tuple[pl.DataFrame | None, str]:
    """Return the sample submission as text, None where there is none, and how errors name it.

    Raises:
        DataError: it cannot be read.
    """
    name = recipe.data.sample
    if name is None:
        return None, ""
    if "sample" in recipe.frames:
        return table.as_texts(recipe.frames["sample"].rows), name
    path = locate(name, recipe, ("data", "sample"))
    return table.read_text(path, recipe.data.encoding), path.name


def _extra_parts(recipe: Recipe) -> list[tuple[str, ExtraSection, At]]:
    """Return part, section and place of each file of further rows."""
    return [(f"extra.{i}", e, ("data", "extra", i, "path")) for i, e in enumerate(recipe.data.extra)]


def _with_extra(built: infer.Table, recipe: Recipe, joins: Sequence[Side]) -> Added:
    data = recipe.data
    features = set(built.header) - asked.with_role(recipe) - set(data.drop) - built.missing_in_test
    texts = [name for name, form in built.forms.items() if forms.is_spelled(form)]
    read = [(e, _rows(part, e.path, recipe, at, texts)) for part, e, at in _extra_parts(recipe)]
    files = [Extra(e.path, joining.extended(rows, joins), e.weight) for e, rows in read]
    return add(built, files, data.target, sorted(features))


def _kinds(recipe: Recipe) -> dict[str, Wish]:
    """Return what columns are said to be, by the recipe or by the type they have in a data frame."""
    typed: dict[str, Wish] = dict.fromkeys(sorted(asked.categories(recipe) - asked.with_role(recipe)), "category")
    return {**typed, **roles.kinds(recipe, asked.with_role(recipe))}


def _rows(part: str, name: str, recipe: Recipe, at: At, texts: Sequence[str] = ()) -> pl.DataFrame:
    """Return the rows of a frame handed over, or of a file, columns under their names in the recipe.

    `texts`: columns, under these names, that are text in csv even where all their values are numbers.
    """
    data = recipe.data
    if part in recipe.frames:
        return table.renamed(table.plain(recipe.frames[part].rows, data.nulls), data.rename)
    path = locate(name, recipe, at)
    return table.renamed(table.read(path, data.nulls, data.encoding, table.unnamed(texts, data.rename)), data.rename)


def _frames(recipe: Recipe) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Return train and test rows, columns written alike in both: ids that are names, as 12e5, decimal commas."""
    import polars as pl

    data = recipe.data
    if data.source is not None:
        try:
            train = table.source(data.source)
        except DataError as error:
            raise placed(error, recipe.document, ("data", "source")) from error
    else:
        train = _rows("train", str(data.train), recipe, ("data", "train"))
    if data.holdout is not None:
        try:
            return table.holdout(train, data.holdout, recipe.seed, *data.together)
        except DataError as error:
            raise placed(error, recipe.document, ("data", "holdout")) from error
    if data.test is None:
        return train, None
    spelt = [str(name) for name in (data.id,) if name in train.columns and train[str(name)].dtype == pl.String]

    def again(part: str, name: str) -> commas.Again:
        return lambda texts: _rows(part, name, recipe, ("data", part), [*spelt, *texts])

    test = again("test", data.test)(())
    train = commas.alike(train, test, again("train", str(data.train)))
    return train, commas.alike(test, train, again("test", data.test))


def _remarks(recipe: Recipe) -> list[list[str]]:
    """Return notes on how the files are read, as (no column, what, next)."""
    files = [(("data", part), name) for part in ("train", "test") if (name := getattr(recipe.data, part)) is not None]
    files = [(at, name) for at, name in files if at[1] not in recipe.frames]
    return [["", f"{name}: {what}", ""] for at, name in files for what in table.remarks(locate(name, recipe, at))]
