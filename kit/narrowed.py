"""A part of the training rows as data of their own: some learn, others stand where the test rows stand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kit import facts, table
from kit.canon import fingerprint, key_of
from kit.facts import Facts
from kit.recipe import Recipe
from kit.rowgroups import PREFIX
from kit.store import Store, Stored
from kit.types import Array, Ints

OF_ROWS = ("y", "w", "v", "group", "time")
"""What is known of each training row beside its columns."""


def narrowed(recipe: Recipe, whole: Facts, store: Store, learn: Ints, held: Ints) -> Facts:
    """Return the facts of data whose training rows are `learn` and whose test rows are `held`, both of them positions
    among the training rows of `whole`. The folds are those that the recipe's splitter makes of `learn`.

    Kinds, levels and classes stay those of the whole; no y of `held` is in the new data. Learn-only rows stay.

    Raises:
        KitError: the splitter cannot split these rows.
    """
    made = {"table": whole.table_key, "rows": whole.rows_key, "learn": _digest(learn), "held": _digest(held)}
    made |= {"code": fingerprint(Path(__file__))}
    ingredients = [{"verb": verb, **made} for verb in ("narrowed table", "narrowed rows")]
    keys = [key_of(one) for one in ingredients]
    for key, one, make in zip(keys, ingredients, (_table, _rows), strict=True):
        if not store.check(key):
            files, meta = make(store.open(whole.table_key), store.open(whole.rows_key), learn, held)
            store.commit(key, files, meta, one)
    return facts.known(recipe, store, keys[0], keys[1])


Parts = tuple[dict[str, Array | bytes], dict[str, Any]]


def _table(stored: Stored, _: Stored, learn: Ints, held: Ints) -> Parts:
    """Return the columns of these rows and of the learn-only ones, and what the table says of them."""
    first_extra = stored.meta["n_train"] + stored.meta["n_test"]
    files: dict[str, Array | bytes] = {}
    for name in stored.meta["header"]:
        x = stored.array(f"x/{name}", mmap=True)
        files[f"x/{name}"] = np.concatenate([x[learn], x[held], x[first_extra:]])
        if f"levels/{name}" in stored:
            files[f"levels/{name}"] = stored.blob(f"levels/{name}")
    return files, {**stored.meta, "n_train": len(learn), "n_test": len(held), "notes": []}


def _rows(stored: Stored, rows: Stored, learn: Ints, held: Ints) -> Parts:
    """Return y, weights, groups, times and ids of these rows."""
    arrays: dict[str, Array] = {name: rows.array(name)[learn] for name in OF_ROWS if name in rows}
    by = {name: rows.array(name)[learn] for name in rows.files if name.startswith(PREFIX)}
    extra = {name: rows.array(name) for name in rows.files if name.startswith("extra_")}
    if extra:
        moved = len(learn) + len(held) - stored.meta["n_train"] - stored.meta["n_test"]
        extra["extra_row"] = extra["extra_row"] + moved
    arrays |= extra
    digests = {name: _digest(a) for name, a in arrays.items()}
    ids = table.series_from_arrow(rows.blob("ids/train"))
    blobs: Mapping[str, bytes] = {
        f"ids/{part}": table.series_to_arrow(ids[at]) for part, at in (("train", learn), ("test", held))
    }
    order = np.arange(len(held))
    about = {**rows.meta, "digests": digests, "notes": []}
    about |= {"by": {name: _digest(a) for name, a in by.items()}} if by else {}
    return {**arrays, **by, **blobs, "order": order}, about


def _digest(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
