"""What the data says: rows, kinds, roles, task, classes. Stored by content, so a second look reads no data file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kit import (
    alike,
    amounts,
    asked,
    folding,
    labels,
    labelwords,
    loading,
    registry,
    roles,
    sample,
    table,
    targets,
    unchanged,
)
from kit.canon import code_file, key_of
from kit.recipe import Recipe
from kit.rowgroups import PREFIX
from kit.store import Store, Stored
from kit.types import Array, Column, Floats, Task


@dataclass(frozen=True)
class Facts:
    """What a plan is compiled from, beside the recipe.

    `content`: digest per column, train and test. `submitted`: digest of a submission's ids and order. `digests`:
    content of y, w, v, group, time (absent ones left out). `header`: kind and width per column; the levels stay in
    the table. `free`: columns a feature may use. `n_folds`: K, over all repeats. `made`: which of the stages table,
    rows and folds this call had to carry out. `lacking`: columns the test data lack. `n_extra`: learn-only rows.
    `by`: content of the groups of metrics, by the names they are stored under; no fit depends on them.
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
    lacking: tuple[str, ...] = ()
    n_extra: int = 0
    by: Mapping[str, str] = field(default_factory=dict)


def gather(recipe: Recipe, store: Store) -> Facts:
    """Return the facts, reading the data files only where the store has not seen them.

    Raises:
        DataError: the data breaks a rule.
    """
    made = []
    still = unchanged.watch(recipe)
    table_ingredients = loading.ingredients(recipe)
    table_key = key_of(table_ingredients)
    rows_ingredients = _rows_ingredients(recipe, table_key)
    rows_key = key_of(rows_ingredients)
    known_rows = store.check(rows_key)
    if not (store.has if known_rows else store.check)(table_key):  # of a damaged table no rows are made
        made.append("table")
        loading.make(recipe, store, table_key, table_ingredients, still)
    if not known_rows:
        made.append("rows")
        _make_rows(recipe, store, rows_key, rows_ingredients, still)
    return known(recipe, store, table_key, rows_key, made)


def known(recipe: Recipe, store: Store, table_key: str, rows_key: str, made: Sequence[str] = ()) -> Facts:
    """Return the facts of a stored table and its rows; the folds are made where they are not there.

    Raises:
        KitError: the splitter cannot split these rows.
    """
    data, stored, rows = recipe.data, store.open(table_key), store.open(rows_key)
    folds, fresh = folding.folds(recipe, store, table_key, rows_key)
    header = {n: Column(c["kind"], (), c["width"]) for n, c in stored.meta["header"].items()}
    taken = {data.target, data.id, data.groups, data.weight, data.time, *asked.split_columns(recipe)}
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
        made=(*made, *(["folds"] if fresh else [])),
        lacking=tuple(stored.meta["missing_in_test"]),
        n_extra=len(rows.array("extra_row")) if "extra_row" in rows else 0,
        by=rows.meta.get("by", {}),
    )


def _digest(stored: Stored, *names: str, kind: str = "") -> str:
    """Return 32 hex digits of the content of some files of an object, absent ones count as such, and of a kind.

    A date and a number may be the same bytes and still be treated otherwise.
    """
    parts = [kind] + [stored.digest(name) for name in names]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def _rows_ingredients(recipe: Recipe, table_key: str) -> dict[str, object]:
    data = recipe.data
    return {
        "verb": "rows",
        "code": [code_file(m) for m in (sample, labelwords, alike, labels, roles)],
        "table": table_key,
        "sample": loading.digest("sample", data.sample, recipe, ("data", "sample")) if data.sample else None,
        "roles": [data.target, data.id, data.groups, data.weight, data.time],
        "task": [recipe.task, recipe.positive, registry.keyed("metrics", recipe.metric)],
        **({"targets": [code_file(targets), data.targets]} if data.targets else {}),
        **({"by": asked.groupings(recipe)} if asked.groupings(recipe) else {}),
    }


def _make_rows(
    recipe: Recipe, store: Store, key: str, ingredients: Mapping[str, object], still: Callable[[], None]
) -> None:
    data = recipe.data
    stored = store.open(str(ingredients["table"]))
    n, t = stored.meta["n_train"], stored.meta["n_test"]
    # Polars takes a name like ^a$ for a pattern, so the target goes without its own.
    written = table.series_from_arrow(stored.blob(f"train/{data.target}")).alias("y")
    target, note = labels.amounts_as_numbers(written, recipe, comma=_commas(stored))
    task, y = labels.encode(target, recipe)
    v = roles.weights(stored, recipe)
    arrays: dict[str, Array] = {"y": y, "w": roles.of_learning(v), "v": v}
    arrays |= roles.group_and_time(stored, recipe)
    by = roles.of_metrics(stored, recipe, asked.groupings(recipe))
    notes = [[data.target, note, "the submission holds plain numbers"]] if note else []
    if data.extra:
        more = _extra_targets(stored, recipe, task)
        for name, array in roles.further(stored, recipe, more, v, by).items():
            (by if name.startswith(f"extra_{PREFIX}") else arrays)[name] = array
        lost = int(np.isnan(more).sum())
        notes += [["", f"{lost} extra rows are left out: their target is none of this task", ""]] if lost else []
    ids = {part: roles.ids(stored, recipe, part, size) for part, size in (("train", n), ("test", t))}
    blobs = {f"ids/{part}": table.series_to_arrow(series) for part, series in ids.items() if series is not None}
    raw, place = loading.sample_of(recipe)
    raw = targets.own_columns(raw, data, place) if raw is not None and data.targets else raw
    layout, order, listed = sample.layout(recipe, task, ids["test"], raw, place)
    notes += sample.remarks(layout, task, raw, place)
    if raw is not None and data.id not in (None, known := layout.header[layout.id_at], data.rename.get(known)):
        notes.append([known, f"{place} has this name for {data.id}: its values are the ids of test", ""])
    meta = {
        "task": {"kind": task.kind, "objective": task.objective, "classes": task.classes, "positive": task.positive},
        "digests": _digests(arrays),
        **({"by": _digests(by)} if by else {}),
        "sample": layout.as_dict(),
        "notes": notes,
    }
    if listed is not None:
        blobs["ids/submit"] = table.series_to_arrow(listed)
    still()
    store.commit(key, {**arrays, **by, **blobs, "order": order}, meta, ingredients)


def _digests(arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return the digest of the values of each array; one that stands under two names is read once."""
    found = {
        id(a): hashlib.sha256(np.ascontiguousarray(a).data).hexdigest()
        for a in {id(a): a for a in arrays.values()}.values()
    }
    return {name: found[id(a)] for name, a in arrays.items()}


def _extra_targets(stored: Stored, recipe: Recipe, task: Task) -> Floats:
    """Return y of the learn-only rows, file after file; NaN where a target is none of the task."""
    blobs = [stored.blob(f"extra/target/{i}") for i in range(len(recipe.data.extra))]
    return np.concatenate(
        [labels.more(table.series_from_arrow(blob).alias("y"), task, comma=_commas(stored)) for blob in blobs]
    )


def _commas(stored: Stored) -> bool:
    """Return whether columns of the table have decimal commas."""
    return any(column["form"]["style"] in amounts.COMMAS for column in stored.meta["header"].values())
