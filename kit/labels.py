"""The task: what kind it is, which classes there are, and y as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit import registry
from kit.errors import DataError, RecipeError
from kit.recipe import Recipe
from kit.types import Floats, Label, Objective, Task

if TYPE_CHECKING:
    import polars as pl

MOST_CLASSES = 1_000
"""More distinct labels than this are taken for a mistake, not for classes."""

FEW_NUMBERS = 30
"""A metric that fits numbers and classes alike gets classes up to this many distinct whole numbers."""


def encode(target: pl.Series, recipe: Recipe) -> tuple[Task, Floats]:
    """Return the task and y (n,) float64 as `Task` says.

    Raises:
        DataError: nulls, a single class, text where numbers are needed, too many classes.
        RecipeError: the metric or `positive` does not fit the target.
    """
    place = f"column {target.name}"
    if target.null_count():
        at = int(target.is_null().arg_max() or 0)
        raise DataError(
            "training rows without a target",
            place=place,
            got=f"{target.null_count()} nulls, the first in row {at}",
            next="drop those rows or mend the file",
        )
    kind = _kind(target, recipe)
    if kind == "regression":
        return Task("regression", _objective(recipe, kind)), _numbers(target, place)
    classes: tuple[Label, ...] = tuple(target.unique().sort().to_list())
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise DataError(
            "the target has too few or too many classes",
            place=place,
            got=f"{len(classes)} distinct values",
            allowed=f"2 to {MOST_CLASSES}",
            next="task: regression, where it is a number",
        )
    if (recipe.task == "binary") != (len(classes) == 2) and recipe.task in ("binary", "multiclass"):
        raise DataError(f"task: {recipe.task} does not fit the target", place=place, got=f"{len(classes)} classes")
    codes = target.replace_strict(list(classes), list(range(len(classes))))
    y = codes.to_numpy().astype(np.float64)
    if len(classes) > 2:
        return Task("multiclass", _objective(recipe, "multiclass"), classes), y
    positive = _positive(recipe, classes)
    task = Task("binary", _objective(recipe, "binary"), classes, positive)
    return task, (y == classes.index(positive)).astype(np.float64)


def original(task: Task, y: Floats) -> list[Label] | Floats:
    """Return y as the data spelt it: labels for classes, numbers for a regression."""
    if task.kind == "regression":
        return y
    if task.kind == "binary":
        negative = next(c for c in task.classes if c != task.positive)
        return [task.positive if value == 1 else negative for value in y]  # type: ignore[misc]
    return [task.classes[int(value)] for value in y]


def _kind(target: pl.Series, recipe: Recipe) -> str:
    allowed = registry.load("metrics", recipe.metric).TASKS
    numeric = target.dtype.is_numeric()
    n_classes = target.n_unique()
    kind = recipe.task
    if kind is None and not ("regression" in allowed and numeric):
        kind = "binary" if n_classes == 2 else "multiclass"
    if kind is None:
        whole = bool((target == target.round()).all()) and n_classes <= FEW_NUMBERS
        classes = "binary" if n_classes == 2 else "multiclass"
        kind = classes if whole and classes in allowed else "regression"
    if kind not in allowed:
        raise RecipeError(
            f"the metric {recipe.metric} does not fit a {kind} target",
            place=recipe.document.place(("metric",)),
            got=f"{target.dtype} with {n_classes} distinct values",
            allowed=", ".join(allowed),
            next="name another metric, or `task:`",
        )
    return str(kind)


def _objective(recipe: Recipe, kind: str) -> Objective:
    objective: Objective = registry.load("metrics", recipe.metric).OBJECTIVE[kind]
    return objective


def _numbers(target: pl.Series, place: str) -> Floats:
    if not target.dtype.is_numeric():
        raise DataError("a regression target must be numbers", place=place, got=str(target.dtype))
    y = target.to_numpy().astype(np.float64)
    if not np.isfinite(y).all():
        at = int(np.argmin(np.isfinite(y)))
        raise DataError("the target must be finite", place=place, got=f"{y[at]} in row {at}")
    return y


def _positive(recipe: Recipe, classes: tuple[Label, ...]) -> Label:
    if recipe.positive is None:
        return classes[-1]
    for label in classes:
        if label == recipe.positive or str(label) == str(recipe.positive):
            return label
    raise RecipeError(
        "positive is not a class of the target",
        place=recipe.document.place(("positive",)),
        got=recipe.positive,
        allowed=[str(c) for c in classes],
    )
