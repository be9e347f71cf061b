"""A fold's matrices as files, for other tools: what a learner of kit would be handed, rows and names included."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from kit.design import concat
from kit.errors import DataError, RecipeError, nearest
from kit.fitting import folds_for, inputs_of, spec_of
from kit.fold import designs_of
from kit.opening import Opened
from kit.types import Array, Design, Ints, Rows


def export(opened: Opened, model: str, fold: int, target: Path) -> dict[str, Any]:
    """Write learning, held and test matrices of a fold into `target`; return their shapes by file.

    Files: learn_X (n, d) float32, learn_y (as the learner sees it), learn_w, learn_row, learn_parents (rows a synthetic
    row, whose row number is below 0, was made of; rows of weight 0 are left out), held_X, held_y, held_row, test_X,
    test_row as .npy; names.json.

    Raises:
        RecipeError: there is no such model or fold.
        DataError: the folder cannot be written.
    """
    known = [m.name for m in opened.recipe.models]
    if model not in known:
        raise RecipeError("unknown model", place="--model", got=model, allowed=known, next=nearest(model, known))
    if not 0 <= fold < opened.facts.n_folds:
        raise RecipeError("unknown fold", place="--fold", got=fold, allowed=f"0 to {opened.facts.n_folds - 1}")
    stage = opened.plan.of(opened.plan.of(opened.plan.oofs[model]).ingredients["fits"][fold][0])
    missing = [key for key in stage.ingredients["columns"].values() if not opened.store.has(key)]
    if missing:
        names = [opened.plan.of(key).name for key in missing]
        rule = "the model's matrices are made of results that are not there yet"
        raise RecipeError(rule, got=", ".join(names), next="kit run the recipe first")
    train, test = inputs_of(stage, opened.store)
    folds = folds_for(stage, opened.store, train)
    designs, learning, synthetic, held = designs_of(spec_of(stage, opened.store), train, test, folds)
    arrays = {
        **_part("learn", designs.train, concat([learning, *synthetic]), designs.counted),
        **_part("held", designs.of(held.blind()), held),
        **_part("test", designs.of(test.blind()), test),
        "held_y": np.asarray(held.y),
    }
    _write(arrays, {"names": list(designs.train.names), "categories": designs.train.categories}, target)
    return {name: list(array.shape) for name, array in arrays.items()}


def _part(name: str, design: Design, rows: Rows, counted: Ints | None = None) -> dict[str, Array]:
    at = slice(None) if counted is None else counted
    arrays: dict[str, Array] = {f"{name}_X": design.matrix(), f"{name}_row": rows.row[at]}
    if design.y is not None:
        arrays |= {f"{name}_y": design.y, f"{name}_w": design.w, f"{name}_parents": rows.parents[at]}
    return arrays


def _write(arrays: dict[str, Array], about: dict[str, Any], target: Path) -> None:
    """Write the files into a folder that must not exist yet, whole or not at all."""
    if target.exists():
        raise DataError("the output folder exists already", place=str(target), next="name a new folder")
    temp = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        temp.mkdir(parents=True)
        for name, array in arrays.items():
            np.save(temp / f"{name}.npy", array, allow_pickle=False)
        (temp / "names.json").write_text(json.dumps(about, ensure_ascii=False) + "\n", "utf-8")
        temp.rename(target)
    except OSError as error:
        shutil.rmtree(temp, ignore_errors=True)
        raise DataError("the matrices cannot be written", place=str(target), got=str(error)) from error
