"""A fold's matrices as files, for other tools: what its learner is fitted on and predicts, rows and names included."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kit import registry
from kit.design import concat
from kit.errors import DataError, RecipeError, nearest
from kit.fitspec import FitSpec, Handed
from kit.fitting import folds_for, inputs_of, spec_of
from kit.fold import handed
from kit.oofdir import parquet
from kit.opening import Opened
from kit.types import NO_PARENT, Array, Design, Ints, Rows, Task, labelled, unique
from kit.wording import unaliased

Form = Literal["npy", "parquet"]


def export(opened: Opened, model: str, fold: int | None, target: Path, form: Form = "npy") -> dict[str, Any]:
    """Write the matrices of a fold's model into `target`; return their shapes by file. `fold` None: the model of all
    rows that `refit` makes.

    Parts: learn (the rows of the last fit, synthetic ones below, without those of weight 0), stop (where that fit is
    stopped on rows), held, test. As npy: {part}_X (n, d) float32, {part}_row; learn and stop also _y as the learner
    sees it, learn _w and _parents (rows a synthetic row, whose number is below 0, was made of), stop and held _v, held
    _y; of a learner that ranks, learn and stop _query, the number of a row's query. As parquet: {part}_X with named
    columns, {part} with the others. names.json tells of columns and of the fit.

    Raises:
        RecipeError: there is no such model or fold.
        DataError: the folder cannot be written.
    """
    keys = _fits(opened, model, fold)
    stage = opened.plan.of(keys[0])  # all seeds of a fold have the same matrices
    missing = [opened.plan.of(key).name for key in stage.inputs if not opened.store.has(key)]
    if missing:
        rule = "the model's matrices are made of results that are not there yet"
        raise RecipeError(rule, got=", ".join(missing), next="kit run the recipe first")
    train, test = inputs_of(stage, opened.store)
    spec = spec_of(stage, opened.store)
    made = handed(spec, train, test, None if fold is None else folds_for(stage, opened.store, train))
    arrays = _arrays(made, test)
    names = unique(unaliased(name, opened.plan.names) for name in made.designs.train.names)
    about = {"names": names, "categories": made.designs.train.categories, **_about(opened, spec, keys)}
    _write(arrays, about, target, form)
    return {name: list(array.shape) for name, array in arrays.items()}


def _fits(opened: Opened, model: str, fold: int | None) -> list[str]:
    """Return the keys of the fits of a fold, one per seed."""
    known = [m.name for m in opened.recipe.models]
    if model not in known:
        raise RecipeError("unknown model", place="--model", got=model, allowed=known, next=nearest(model, known))
    made = opened.plan.of(opened.plan.oofs[model]).ingredients
    if fold is None and not made["refits"]:
        advice = "name a fold, or set refit: true"
        raise RecipeError(f"{model} has no model of all rows", place="--fold", got="all", next=advice)
    if fold is not None and not 0 <= fold < opened.facts.n_folds:
        raise RecipeError("unknown fold", place="--fold", got=fold, allowed=f"0 to {opened.facts.n_folds - 1}")
    return list(made["refits"] if fold is None else made["fits"][fold])


def _arrays(made: Handed, test: Rows) -> dict[str, Array]:
    """Return the files of each part by name, without what comes to the name for the format."""
    designs = made.designs
    learnt = concat([made.learn, *designs.synthetic])
    found = _part("learn", designs.train, learnt.row[designs.counted])
    found |= {"learn_y": _y(designs.train), "learn_w": designs.train.w}
    found["learn_parents"] = learnt.parents[designs.counted]
    if designs.train.query is not None:
        found["learn_query"] = designs.train.query
    if designs.stop is not None and made.stop is not None:
        found |= _part("stop", designs.stop, made.stop.row)
        found |= {} if designs.stop.query is None else {"stop_query": designs.stop.query}
        found |= {"stop_y": _y(designs.stop), "stop_v": designs.stop.v}
    if len(made.held):
        found |= {**_part("held", designs.of(made.held.blind()), made.held.row), "held_y": labelled(made.held)}
    return found | _part("test", designs.of(test.blind()), test.row)


def _part(name: str, design: Design, row: Ints) -> dict[str, Array]:
    return {f"{name}_X": design.matrix(), f"{name}_row": row}


def _y(design: Design) -> Array:
    """Return the y (n,) of a design that must have it."""
    if design.y is None:
        raise ValueError("this design must have y")
    return design.y


def _about(opened: Opened, spec: FitSpec, keys: list[str]) -> dict[str, Any]:
    """Return what else a fit on the files takes: the learner, its task, the steps of each seed once they are known."""
    task: Task = registry.load("codecs", spec.design.codec.use).task(spec.design.codec.params, spec.task)
    classes = sorted(task.classes, key=lambda c: c == task.positive) if task.kind == "binary" else task.classes
    steps = [int(opened.store.open(key).meta["best_step"]) for key in keys if opened.store.has(key)]
    return {
        "model": registry.shown(spec.model.use),
        "target_transform": registry.shown(spec.design.codec.use),
        "task": {"kind": task.kind, "objective": task.objective, "classes": list(classes)},
        "steps": steps if len(steps) == len(keys) and all(steps) else None,
    }


def _write(arrays: Mapping[str, Array], about: Mapping[str, Any], target: Path, form: Form) -> None:
    """Write the files into a folder that must not exist yet, whole or not at all."""
    if target.exists():
        raise DataError("the output folder exists already", place=str(target), next="name a new folder")
    temp = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        temp.mkdir(parents=True)
        if form == "npy":
            for name, array in arrays.items():
                np.save(temp / f"{name}.npy", array, allow_pickle=False)
        else:
            _tables(arrays, about["names"], temp)
        (temp / "names.json").write_text(json.dumps(about, ensure_ascii=False) + "\n", "utf-8")
        temp.rename(target)
    except OSError as error:
        shutil.rmtree(temp, ignore_errors=True)
        raise DataError("the matrices cannot be written", place=str(target), got=str(error)) from error


def _tables(arrays: Mapping[str, Array], names: Sequence[str], folder: Path) -> None:
    """Write {part}_X.parquet and {part}.parquet; a place without a parent is null."""
    import polars as pl

    for part in dict.fromkeys(name.partition("_")[0] for name in arrays):
        own = {name.partition("_")[2]: array for name, array in arrays.items() if name.startswith(f"{part}_")}
        x = own.pop("X")
        parquet(pl.DataFrame({name: x[:, i] for i, name in enumerate(names)}), folder / f"{part}_X.parquet")
        if (parents := own.pop("parents", None)) is not None:
            places = {f"parent_{i + 1}": pl.Series(parents[:, i]) for i in range(2)}
            own |= {name: value.replace(NO_PARENT, None) for name, value in places.items()}  # type: ignore[misc]
        parquet(pl.DataFrame(own), folder / f"{part}.parquet")
