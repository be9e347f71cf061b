"""What the data says: rows, kinds, roles, task, classes. Stored by content, so a second look reads no data file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit import csvfile, folding, infer, labels, sample, table
from kit.canon import digest_file, fingerprint, key_of
from kit.errors import DataError, nearest
from kit.recipe import DataSection, Recipe
from kit.store import Store, Stored
from kit.types import Array, Column, Task

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


def locate(name: str, recipe: Recipe) -> Path:
    """Return an input file, looked up in the recipe's folder, then in the current directory.

    Raises:
        DataError: it is in neither.
    """
    for base in (recipe.folder, Path.cwd()):
        path = base / name
        if path.is_file():
            return path
    folder = (recipe.folder / name).parent
    beside = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    raise DataError(
        "the file does not exist",
        place=f"{recipe.document.path}: {name}",
        got=name,
        allowed=f"a path in {recipe.folder} or {Path.cwd()}",
        next=nearest(Path(name).name, beside) or "check the path; it starts at the recipe's folder",
    )


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
    roles = {data.target, data.id, data.groups, data.weight, *_split_columns(recipe)}
    free = tuple(n for n in header if n not in roles | set(data.drop) and n not in stored.meta["missing_in_test"])
    return Facts(
        table_key=table_key,
        rows_key=rows_key,
        content={name: _digest(stored, f"x/{name}", f"levels/{name}") for name in header},
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


def _digest(stored: Stored, *names: str) -> str:
    """Return 32 hex digits of the content of some files of an object; absent ones count as such."""
    parts = [stored.files[name]["sha256"] if name in stored else "" for name in names]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def _table_ingredients(recipe: Recipe) -> dict[str, object]:
    data = recipe.data
    code = [fingerprint(Path(str(m.__file__))) for m in (table, infer, csvfile)]
    source: dict[str, object] = {"source": data.source}
    if data.train is not None:
        source = {"train": digest_file(locate(data.train, recipe))}
    if data.test is not None:
        source["test"] = digest_file(locate(data.test, recipe))
    if data.holdout is not None:
        source["holdout"] = [data.holdout, recipe.seed]
    kept = [data.target, data.id]
    return {"verb": "table", "code": code, "data": source, "nulls": data.nulls, "kept": kept}


def _rows_ingredients(recipe: Recipe, table_key: str) -> dict[str, object]:
    data = recipe.data
    return {
        "verb": "rows",
        "code": [fingerprint(Path(str(m.__file__))) for m in (sample, labels)],
        "table": table_key,
        "sample": digest_file(locate(data.sample, recipe)) if data.sample else None,
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
        raise DataError("the test file lacks the id column", place="data.test", got=list(test.columns), allowed=data.id)
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
        train = table.source(data.source)
    else:
        train = table.read(locate(str(data.train), recipe), data.nulls)
    if data.holdout is not None:
        return table.holdout(train, data.holdout, recipe.seed, data.target)
    test = table.read(locate(data.test, recipe), data.nulls) if data.test is not None else None
    return train, test


def _require_column(name: str | None, known: list[str], role: str, recipe: Recipe) -> None:
    if name is not None and name not in known:
        raise DataError(
            f"the {role} column is not in the training data",
            place=recipe.document.place(("data", role)),
            got=name,
            allowed=known,
            next=nearest(name, known) or "kit check prints the columns",
        )


def _make_rows(recipe: Recipe, store: Store, key: str, ingredients: Mapping[str, object]) -> None:
    data = recipe.data
    stored = store.open(str(ingredients["table"]))
    n, t = stored.meta["n_train"], stored.meta["n_test"]
    target = table.series_from_arrow(stored.blob(f"train/{data.target}"))
    task, y = labels.encode(target, recipe)
    arrays: dict[str, Array] = {"y": y, "w": _weights(stored, data, n)}
    arrays["v"] = arrays["w"]
    arrays |= _group_and_time(stored, data)
    ids = {part: _ids(stored, data, part, size) for part, size in (("train", n), ("test", t))}
    blobs = {f"ids/{part}": table.series_to_arrow(series) for part, series in ids.items() if series is not None}
    path = locate(data.sample, recipe) if data.sample else None
    layout, order, written = sample.layout(recipe, task, ids["test"], path)
    meta = {
        "task": {"kind": task.kind, "objective": task.objective, "classes": task.classes, "positive": task.positive},
        "digests": {name: hashlib.sha256(np.ascontiguousarray(a).data).hexdigest() for name, a in arrays.items()},
        "sample": layout.as_dict(),
    }
    if written is not None:
        blobs["ids/submit"] = table.series_to_arrow(written)
    store.commit(key, {**arrays, **blobs, "order": order}, meta, ingredients)


def _ids(stored: Stored, data: DataSection, part: str, size: int) -> pl.Series | None:
    """Return the ids of the train or test rows: the id column, or row numbers (test continues after train)."""
    import polars as pl

    if part == "test" and size == 0:
        return None
    if data.id is None:
        start = 0 if part == "train" else stored.meta["n_train"]
        return pl.Series("row", np.arange(start, start + size))
    ids = table.series_from_arrow(stored.blob(f"{part}/{data.id}"))
    if ids.null_count():
        raise DataError(f"{part} rows without an id", place=f"column {data.id}", got=f"{ids.null_count()} nulls")
    repeated = ids.filter(ids.is_duplicated())
    if len(repeated):
        raise DataError(
            f"an id stands twice in {part}",
            place=f"column {data.id}",
            got=f"{repeated.n_unique()} ids, the first {repeated[0]!r}",
            allowed="one row per id",
            next="name another id column, or leave data.id out to number the rows",
        )
    return ids


def _weights(stored: Stored, data: DataSection, n: int) -> Array:
    if data.weight is None:
        return np.ones(n)
    if stored.meta["header"][data.weight]["kind"] != "numeric":
        raise DataError("row weights must be numbers", place=f"column {data.weight}")
    w = np.asarray(stored.array(f"x/{data.weight}")[:n], np.float64)
    if not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
        worst = w[~(np.isfinite(w) & (w >= 0))]
        raise DataError(
            "row weights must be finite and not negative, with a positive sum",
            place=f"column {data.weight}",
            got=f"{len(worst)} others, the first {worst[:1].tolist()}",
        )
    return w


def _group_and_time(stored: Stored, data: DataSection) -> dict[str, Array]:
    n = stored.meta["n_train"]
    found: dict[str, Array] = {}
    if data.groups is not None:
        values = stored.array(f"x/{data.groups}")[:n]
        _refuse_nulls(values, data.groups, "group")
        found["group"] = np.unique(values, return_inverse=True)[1].astype(np.int64)
    if data.time is not None:
        if stored.meta["header"][data.time]["kind"] not in ("numeric", "date"):
            raise DataError("times must be numbers or dates", place=f"column {data.time}")
        values = np.asarray(stored.array(f"x/{data.time}")[:n], np.float64)
        _refuse_nulls(values, data.time, "time")
        found["time"] = values
    return found


def _refuse_nulls(values: Array, name: str, role: str) -> None:
    empty = np.isnan(values) if values.dtype.kind == "f" else values < 0
    if empty.any():
        raise DataError(
            f"rows without a {role}",
            place=f"column {name}",
            got=f"{int(empty.sum())} nulls, the first in row {int(np.argmax(empty))}",
            next="fill them or drop the rows",
        )
