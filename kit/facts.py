"""What the data says: rows, kinds, roles, task, classes. Stored by content, so a second look reads no data file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit import csvfile, folding, infer, labels, roles, sample, table
from kit.canon import digest_file, fingerprint, key_of
from kit.errors import DataError, nearest
from kit.recipe import Recipe
from kit.store import Store, Stored
from kit.types import Array, Column, Task
from kit.wording import At, placed

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Facts:
    """What a plan is compiled from, beside the recipe.

    `content`: digest per column, train and test. `submitted`: digest of a submission's ids and order. `digests`:
    content of y, w, v, group, time (absent ones left out). `header`: kind and width per column; the levels stay in
    the table. `free`: columns a feature may use. `n_folds`: K, over all repeats. `made`: which of the stages table,
    rows and folds this call had to carry out.
    """

    table_key: str
    rows_key: str
    content: Mapping[str, str]
    submitted: str
    n_train: int
    n_test: int
    header: Mapping[str, Column]
    free: tuple[str, ...]
    task: Task
    id_name: str
    target: str
    digests: Mapping[str, str]
    sample: sample.Layout
    folds_key: str
    n_folds: int
    made: tuple[str, ...] = ()


def locate(name: str, recipe: Recipe, at: At) -> Path:
    """Return an input file, looked up in the recipe's folder, then in the current directory; `at`: who names it.

    Raises:
        DataError: it is in neither.
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


def gather(recipe: Recipe, store: Store) -> Facts:
    """Return the facts, reading the data files only where the store has not seen them.

    Raises:
        DataError: the data breaks a rule.
    """
    data = recipe.data
    made = []
    table_key = key_of(_table_ingredients(recipe))
    if not store.has(table_key):
        made.append("table")
        _make_table(recipe, store, table_key)
    rows_ingredients = _rows_ingredients(recipe, table_key)
    rows_key = key_of(rows_ingredients)
    if not store.check(rows_key):
        made.append("rows")
        _make_rows(recipe, store, rows_key, rows_ingredients)
    stored, rows = store.open(table_key), store.open(rows_key)
    folds, fresh = folding.folds(recipe, store, table_key, rows_key)
    made += ["folds"] if fresh else []
    header = {n: Column(c["kind"], (), c["width"]) for n, c in stored.meta["header"].items()}
    taken = {data.target, data.id, data.groups, data.weight, data.time, *_split_columns(recipe)}
    free = tuple(n for n in header if n not in taken | set(data.drop) and n not in stored.meta["missing_in_test"])
    return Facts(
        table_key=table_key,
        rows_key=rows_key,
        content={name: _digest(stored, f"x/{name}", f"levels/{name}", kind=c.kind) for name, c in header.items()},
        submitted=_digest(rows, "order", "ids/submit"),
        n_train=stored.meta["n_train"],
        n_test=stored.meta["n_test"],
        header=header,
        free=free,
        task=folding.task_of(rows.meta["task"]),
        id_name=data.id or "row",
        target=data.target,
        digests=rows.meta["digests"],
        sample=sample.from_meta(rows.meta["sample"]),
        folds_key=folds.key,
        n_folds=int(folds.meta["n"]),
        made=tuple(made),
    )


def _digest(stored: Stored, *names: str, kind: str = "") -> str:
    """Return 32 hex digits of the content of some files of an object, absent ones count as such, and of a kind.

    A date and a number may be the same bytes and still be treated otherwise.
    """
    parts = [kind] + [stored.files[name]["sha256"] if name in stored else "" for name in names]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def _table_ingredients(recipe: Recipe) -> dict[str, object]:
    data = recipe.data
    code = [fingerprint(Path(str(m.__file__))) for m in (table, infer, csvfile)]
    source: dict[str, object] = {"source": data.source}
    if data.train is not None:
        source = {"train": digest_file(locate(data.train, recipe, ("data", "train")))}
    if data.test is not None:
        source["test"] = digest_file(locate(data.test, recipe, ("data", "test")))
    if data.holdout is not None:
        source["holdout"] = [data.holdout, recipe.seed]
    kept = [data.target, data.id]
    return {"verb": "table", "code": code, "data": source, "nulls": data.nulls, "kept": kept}


def _rows_ingredients(recipe: Recipe, table_key: str) -> dict[str, object]:
    data = recipe.data
    return {
        "verb": "rows",
        "code": [fingerprint(Path(str(m.__file__))) for m in (sample, labels, roles)],
        "table": table_key,
        "sample": digest_file(locate(data.sample, recipe, ("data", "sample"))) if data.sample else None,
        "roles": [data.target, data.id, data.groups, data.weight, data.time],
        "task": [recipe.task, recipe.positive, recipe.metric],
    }


def _split_columns(recipe: Recipe) -> tuple[str, ...]:
    """Return the columns the splitter reads: they say which fold a row is in and are no features."""
    column = getattr(recipe.split.params, "column", None)
    return (str(column),) if column else ()


def _make_table(recipe: Recipe, store: Store, key: str) -> None:
    data = recipe.data
    train, test = _frames(recipe)
    for role in ("target", "id", "groups", "weight", "time"):
        _require_column(getattr(data, role), train.columns, role, recipe)
    for name in (*data.drop, *_split_columns(recipe)):
        _require_column(name, train.columns, "drop" if name in data.drop else "split", recipe)
    if test is not None and data.id is not None and data.id not in test.columns:
        rule, advice = "the test file lacks the id column", "check data.id, or rename the column of the test file"
        error = DataError(rule, got=f"columns {', '.join(test.columns)}", allowed=f"a column {data.id}", next=advice)
        raise placed(error, recipe.document, ("data", "test"))
    built = infer.build(train, test, keep=[data.target, *([data.id] if data.id else [])])
    files: dict[str, Array | bytes] = {f"x/{name}": array for name, array in built.x.items()}
    for name, column in built.header.items():
        if column.levels:
            files[f"levels/{name}"] = table.levels_to_arrow(tuple(column.levels))
    for name, (train_part, test_part) in built.kept.items():
        files[f"train/{name}"] = table.series_to_arrow(train_part)
        if test_part is not None:
            files[f"test/{name}"] = table.series_to_arrow(test_part)
    header = {n: {"kind": c.kind, "width": c.width, "levels": len(c.levels)} for n, c in built.header.items()}
    meta = {
        "n_train": built.n_train,
        "n_test": built.n_test,
        "header": header,
        "missing_in_test": sorted(built.missing_in_test - {data.target}),
        "notes": list(built.notes),
    }
    store.commit(key, files, meta, _table_ingredients(recipe))


def _frames(recipe: Recipe) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    data = recipe.data
    if data.source is not None:
        try:
            train = table.source(data.source)
        except DataError as error:
            raise placed(error, recipe.document, ("data", "source")) from error
    else:
        train = table.read(locate(str(data.train), recipe, ("data", "train")), data.nulls)
    if data.holdout is not None:
        try:
            return table.holdout(train, data.holdout, recipe.seed, data.target)
        except DataError as error:
            raise placed(error, recipe.document, ("data", "holdout")) from error
    test = table.read(locate(data.test, recipe, ("data", "test")), data.nulls) if data.test is not None else None
    return train, test


def _require_column(name: str | None, known: list[str], role: str, recipe: Recipe) -> None:
    if name is not None and name not in known:
        at: At = ("split", "column") if role == "split" else ("data", role)
        named = "column to drop" if role == "drop" else f"{role} column"
        advice = nearest(name, known) or "name one of the columns there are"
        error = DataError(f"the {named} is not in the training data", got=name, allowed=known, next=advice)
        raise placed(error, recipe.document, at)


def _make_rows(recipe: Recipe, store: Store, key: str, ingredients: Mapping[str, object]) -> None:
    data = recipe.data
    stored = store.open(str(ingredients["table"]))
    n, t = stored.meta["n_train"], stored.meta["n_test"]
    target = table.series_from_arrow(stored.blob(f"train/{data.target}"))
    task, y = labels.encode(target, recipe)
    arrays: dict[str, Array] = {"y": y, "w": roles.weights(stored, recipe)}
    arrays["v"] = arrays["w"]
    arrays |= roles.group_and_time(stored, recipe)
    ids = {part: roles.ids(stored, recipe, part, size) for part, size in (("train", n), ("test", t))}
    blobs = {f"ids/{part}": table.series_to_arrow(series) for part, series in ids.items() if series is not None}
    path = locate(data.sample, recipe, ("data", "sample")) if data.sample else None
    layout, order, written = sample.layout(recipe, task, ids["test"], path)
    meta = {
        "task": {"kind": task.kind, "objective": task.objective, "classes": task.classes, "positive": task.positive},
        "digests": {name: hashlib.sha256(np.ascontiguousarray(a).data).hexdigest() for name, a in arrays.items()},
        "sample": layout.as_dict(),
    }
    if written is not None:
        blobs["ids/submit"] = table.series_to_arrow(written)
    store.commit(key, {**arrays, **blobs, "order": order}, meta, ingredients)
