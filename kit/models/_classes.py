"""Weights of classes: `balanced`, or a mapping of labels to weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from kit.errors import RecipeError, nearest
from kit.types import Design, Label, Task, label_text


def _with_text_keys(value: Any) -> Any:
    return {label_text(k): v for k, v in value.items()} if isinstance(value, Mapping) else value


ClassWeight = Annotated[
    Literal["balanced"] | dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None,
    BeforeValidator(_with_text_keys),
]
"""The type of the parameter `class_weight`."""


Wanted = Literal["balanced"] | Mapping[str, float] | None


def check_classes(wanted: Wanted, task: Task) -> None:
    """Raise RecipeError where the task has no classes, or none of a name."""
    if wanted is None:
        return
    if task.kind == "regression":
        advice = "leave it out; `weights` of the recipe weighs rows by y"
        raise RecipeError("a regression has no classes to weigh", place="class_weight", got=wanted, next=advice)
    names = _names(task)
    for name in () if wanted == "balanced" else wanted:
        if name not in names:
            raise RecipeError("no such class", place="class_weight", got=name, allowed=names, next=nearest(name, names))


def class_weighted(design: Design, task: Task, wanted: Wanted) -> Design:
    """Return the design with w times the weight of each row's class; stop rows are for scoring and stay as they are.

    balanced: every class that has rows weighs the same in all; a mapping: classes it does not name count 1.

    Raises:
        RecipeError: the task has no classes, or none of that name.
    """
    check_classes(wanted, task)
    if wanted is None or design.y is None:
        return design
    y = design.y.astype(np.int64)
    if isinstance(wanted, str):
        mass = np.bincount(y, design.w, max(task.n_out, 2))
        filled = mass > 0
        factor = np.zeros(len(mass))
        factor[filled] = mass.sum() / (filled.sum() * mass[filled])
    else:
        factor = np.array([wanted.get(name, 1.0) for name in _names(task)])
    return replace(design, w=design.w * factor[y])


def _names(task: Task) -> list[str]:
    """Return the labels in the order of y's values: a binary y is 1 for the positive class."""
    order: tuple[Label | None, ...] = task.classes
    if task.kind == "binary":
        order = (next(c for c in task.classes if c != task.positive), task.positive)
    return [label_text(label) for label in order]
