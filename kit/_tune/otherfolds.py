"""Folds to tune on beside the recipe's own: those of another seed, and those inside the learning rows of one fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kit import devices, folding, planning, registry, rows
from kit._tune.project import Project
from kit.canon import key_of, stream
from kit.errors import RecipeError
from kit.folding import dump, folds_of
from kit.types import Array, Bools, Folds
from kit.wording import placed


def of_seed(project: Project, seed: int) -> Project:
    """Return the project on the folds that the recipe would have with another seed.

    Raises:
        RecipeError: the splitter does not draw at random.
    """
    recipe, facts = project.recipe, project.facts
    if not registry.load("splits", recipe.split.use).RANDOM:
        rule = f"the {recipe.split.use} split has no other folds: it does not draw at random"
        error = RecipeError(rule, got=f"--split-seed {seed}", next="leave out --split-seed; --nested needs no chance")
        raise placed(error, recipe.document, ("split",))
    other = replace(recipe, seed=seed)
    stored, _ = folding.folds(other, project.opened.store, facts.table_key, facts.rows_key)
    return _on(project, stored.key, int(stored.meta["n"]))


def inside(project: Project, k: int) -> Project:
    """Return the project on folds of the rows that fold k learns from: no row that it holds is in any of them."""
    store, recipe, facts = project.opened.store, project.recipe, project.facts
    split, params = recipe.split.use, recipe.split.params
    made = {
        "verb": "folds",
        "inside": [project.plan.folds_key, k],
        "split": {"use": registry.code_of("splits", split), "params": dump(params)},
        "seed": recipe.seed,
    }
    key = key_of(made)
    if not store.has(key):
        outer = folds_of(store.open(project.plan.folds_key))
        column = str(getattr(params, "column", "") or "")
        train, _ = rows.load(store, facts.table_key, facts.rows_key, {}, [column] if column else [])
        learning = np.flatnonzero(outer.is_train(k))
        assigned = registry.load("splits", split).assign(
            params, facts.task, train.take(learning), stream(recipe.seed, "inside", k)
        )
        found = _scattered(len(train), learning, assigned.held, assigned.train)
        arrays: dict[str, Array | bytes] = {"held": found.held}
        if found.learns is not None:
            arrays["learns"] = found.learns
        store.commit(key, arrays, {"n_folds": found.n_folds, "n": len(found)}, made)
    return _on(project, key, int(store.open(key).meta["n"]))


def _scattered(n: int, learning: Array, held: Array, train: Bools | None) -> Folds:
    """Return folds of n rows from those of some of them: the others are neither held nor learnt from."""
    whole = np.full((1, n), -1, np.int16)
    whole[0, learning] = held
    n_folds = int(held.max()) + 1
    learns = np.zeros((n_folds, n), np.bool_)
    for i in range(n_folds):
        learns[i, learning] = held != i if train is None else train[i]
    return Folds(whole, n_folds, learns)


def _on(project: Project, folds_key: str, n_folds: int) -> Project:
    facts = replace(project.facts, folds_key=folds_key, n_folds=n_folds)
    plan = planning.compile(project.recipe, facts, devices.detect())
    return replace(project, facts=facts, plan=plan)
