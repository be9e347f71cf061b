"""The folds of a recipe, made once and kept by content: every OOF carries their key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kit import rarity, registry, returned, rows
from kit.canon import key_of, stream
from kit.errors import DataError, KitError, RecipeError
from kit.owned import own_code
from kit.params import Params
from kit.recipe import Recipe
from kit.store import Store, Stored
from kit.types import Array, Folds, Task
from kit.wording import placed

ROLES = {"group": "groups", "time": "time"}
"""What a splitter needs -> the recipe's word for the column."""


def folds(recipe: Recipe, store: Store, table_key: str, rows_key: str) -> tuple[Stored, bool]:
    """Return the stored folds of a recipe and whether this call had to make them.

    Raises:
        RecipeError: the splitter lacks a column, or repeats would all be the same.
        DataError: the splitter cannot split these rows.
    """
    facts = store.open(rows_key)
    split, params = recipe.split.use, recipe.split.params
    column = getattr(params, "column", None)
    made = {
        "verb": "folds",
        "split": {
            "use": registry.keyed("splits", recipe.split.use),
            "params": dump(params),
            "code": registry.code_of("splits", recipe.split.use),
        },
        "libs": registry.versions(("numpy", *registry.load("splits", split).LIBS)),
        "repeats": recipe.repeats,
        "seed": recipe.seed,
        "task": facts.meta["task"],
        "n": store.open(table_key).meta["n_train"],
        "x": {} if column is None else {column: store.open(table_key).digest(f"x/{column}")},
        "target": {k: v for k, v in facts.meta["digests"].items() if k in ("y", "group", "time")},
    }
    key = key_of(made)
    if store.check(key):
        return store.open(key), False
    _check(recipe, facts)
    return _make(recipe, store, key, made, table_key, rows_key), True


def folds_of(stored: Stored) -> Folds:
    """Return the folds of a stored object."""
    learns = stored.array("learns") if "learns" in stored else None
    return Folds(stored.array("held"), int(stored.meta["n_folds"]), learns)


def task_of(spec: Mapping[str, Any]) -> Task:
    """Return the task of an ingredient."""
    return Task(spec["kind"], spec["objective"], tuple(spec["classes"]), spec["positive"])


def dump(params: Params) -> dict[str, Any]:
    """Return params as JSON takes them, defaults included."""
    return params.model_dump(mode="json")


def _check(recipe: Recipe, facts: Stored) -> None:
    module = registry.load("splits", recipe.split.use)
    for need in module.NEEDS:
        if need not in facts.meta["digests"]:
            rule = f"the {recipe.split.use} split needs the column of {ROLES[need]}"
            advice = f"split: {{use: {recipe.split.use}, {ROLES[need]}: <column>}}"
            raise placed(RecipeError(rule, next=advice), recipe.document, ("split",))
    if recipe.repeats > 1 and not module.RANDOM:
        drawn = [name for name in registry.names("splits") if registry.load("splits", name).RANDOM]
        rule = f"repeats of the {recipe.split.use} split would all be the same"
        advice = f"leave out repeats; splits that draw at random: {', '.join(drawn)}"
        error = RecipeError(rule, got=f"repeats: {recipe.repeats}", next=advice)
        raise placed(error, recipe.document, ("split", "repeats"))


def _make(recipe: Recipe, store: Store, key: str, made: Mapping[str, Any], table_key: str, rows_key: str) -> Stored:
    column = getattr(recipe.split.params, "column", None)
    read = {str(name): None for name in (column, recipe.data.time) if name is not None}
    loaded, _ = rows.load(store, table_key, rows_key, {}, list(read))
    train = loaded if len(loaded) == made["n"] else loaded.take(np.arange(made["n"]))
    assigned, split = [], recipe.split.use
    for repeat in range(recipe.repeats):
        rng = stream(recipe.seed, "split", repeat)
        module = registry.load("splits", split)
        try:
            with own_code():
                given = module.assign(recipe.split.params, task_of(made["task"]), train, rng)
            assigned.append(returned.assignment(split, given, len(train)))
        except KitError as error:
            advice = "choose fewer folds or another split"
            error.problems = tuple(replace(p, next=p.next or advice) for p in error.problems)
            raise placed(error, recipe.document, ("split",)) from error
    held = np.stack([a.held for a in assigned]).astype(np.int16)
    arrays: dict[str, Array | bytes] = {"held": held}
    if assigned[0].train is not None:
        arrays["learns"] = np.concatenate([a.train for a in assigned])
    try:
        found = Folds(held, int(held.max()) + 1, arrays.get("learns"))  # type: ignore[arg-type]
    except ValueError as error:
        rule, advice = "the split cannot be used", "choose other folds, or another splitter"
        raise placed(DataError(rule, got=str(error), next=advice), recipe.document, ("split",)) from error
    told = [] if train.y is None else rarity.notes(task_of(made["task"]), train.y, found)
    return store.commit(key, arrays, {"n_folds": found.n_folds, "n": len(found), "notes": told}, made)
