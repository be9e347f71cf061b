"""The task: what kind it is, which classes there are, and y as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kit import amounts, clocks, forms, registry
from kit.asarray import array_of
from kit.errors import DataError, RecipeError, nearest
from kit.recipe import Recipe
from kit.spelling import spelt
from kit.types import Floats, Label, Objective, Task
from kit.wording import column_of, placed, plural, rows_of

if TYPE_CHECKING:
    import polars as pl

MOST_CLASSES = 1_000
"""More distinct labels than this are taken for a mistake, not for classes."""

FEW_NUMBERS = 30
"""A metric that fits numbers and classes alike gets classes up to this many distinct whole numbers."""

_KINDS = {"regression": "a number", "binary": "one of two classes", "multiclass": "one of several classes"}


def amounts_as_numbers(target: pl.Series, recipe: Recipe, *, comma: bool) -> tuple[pl.Series, str]:
    """Return the target, amounts like "$1,200" as numbers where the metric asks for numbers, and a note or "".

    `comma`: columns of the table have decimal commas.
    """
    import polars as pl

    tasks = registry.load("metrics", recipe.metric).TASKS
    if (
        target.dtype != pl.String
        or target.null_count()
        or "regression" not in tasks
        or recipe.task not in (None, "regression")
    ):
        return target, ""
    found = forms.interpret(target, comma=comma)
    if found.form.family != "numbers" or found.form.style in clocks.STYLES or isinstance(found.values, forms.Coded):
        return target, ""
    return found.values.alias(target.name), found.note or "read as numbers"


def more(target: pl.Series, task: Task, *, comma: bool) -> Floats:
    """Return y (e,) of further rows, NaN where their target is no number, or no class of the task."""
    if task.kind == "regression":
        values, _ = forms.read(target, forms.Form("numbers", amounts.COMMAS[0] if comma else ""))
        y = array_of(values, "numbers").astype(np.float64)
        return np.where(np.isfinite(y), y, np.nan)
    places = {_spelt(c): float(i) for i, c in enumerate(task.classes)}
    y = np.array([places.get(_spelt(v), np.nan) for v in target.to_list()])
    return y if task.kind == "multiclass" or task.positive == task.classes[1] else 1.0 - y


def _spelt(label: Label) -> str:
    """Return a label in one spelling: 1, 1.0 and "1" are the same."""
    try:
        return repr(float(label))
    except ValueError:
        return str(label).strip()


def encode(target: pl.Series, recipe: Recipe) -> tuple[Task, Floats]:
    """Return the task and y (n,) float64 as `Task` says.

    Raises:
        DataError: nulls, a single class, text where numbers are needed, too many classes.
        RecipeError: the metric or `positive` does not fit the target.
    """
    place = column_of(recipe, recipe.data.target)
    if target.null_count():
        got = rows_of(recipe, target.is_null().to_numpy(), "without a value")
        raise DataError(
            "training rows without a target",
            place=place,
            got=got,
            next="data: {unlabelled: drop} leaves them out; or fill them",
        )
    kind = _kind(target, recipe)
    if kind == "regression":
        return Task("regression", _objective(recipe, kind)), _numbers(target, recipe)
    classes: tuple[Label, ...] = tuple(target.unique().sort().to_list())
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise DataError(
            f"the target has too {'few' if len(classes) < 2 else 'many'} classes",
            place=place,
            got=plural(len(classes), "distinct value") + (f": {classes[0]}" if len(classes) == 1 else ""),
            allowed=f"2 to {MOST_CLASSES}",
            next=_next_for_classes(target),
        )
    if (recipe.task == "binary") != (len(classes) == 2) and recipe.task in ("binary", "multiclass"):
        fits = "binary" if len(classes) == 2 else "multiclass"
        rule = f"task: {recipe.task} does not fit the target {recipe.data.target}"
        error = RecipeError(rule, got=f"{len(classes)} classes", next=f"task: {fits}, or leave it out")
        raise placed(error, recipe.document, ("task",))
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
    module = registry.load("metrics", recipe.metric)
    allowed = module.TASKS
    numeric = target.dtype.is_numeric()
    fractional = numeric and not bool((target == target.round()).all())
    kind = recipe.task
    if kind is None and not ("regression" in allowed and numeric):
        kind = _classes(target)
    if kind is None:
        kind = "regression"
        if not fractional and (n_classes := target.n_unique()) <= FEW_NUMBERS:
            classes = "binary" if n_classes == 2 else "multiclass"
            ordered = getattr(module, "ORDERED", False) and n_classes > 2
            kind = classes if classes in allowed and not ordered else kind
    if kind not in allowed or (kind != "regression" and recipe.task is None and fractional):
        raise _misfit(target, recipe, "regression" if fractional and recipe.task is None else str(kind))
    return str(kind)


def _misfit(target: pl.Series, recipe: Recipe, kind: str) -> RecipeError:
    """Return the error that the metric does not fit the target, with what would mend it."""
    known = {name: registry.load("metrics", name) for name in registry.names("metrics")}
    fits = [name for name, module in known.items() if kind in module.TASKS and not getattr(module, "NEEDS_BY", False)]
    allowed = registry.load("metrics", recipe.metric).TASKS
    rule = f"the metric {recipe.metric} does not fit the target {recipe.data.target}, which is {_KINDS[kind]}"
    fit = "rmse" if kind == "regression" else "accuracy"
    advice = f"metric: {{{spelt(recipe.data.target)}: {fit}, ...}}" if recipe.data.targets else f"metric: {fit}"
    if recipe.task is not None:
        advice += ", or leave `task` out"
    elif kind == "regression":
        advice += f", or task: {_classes(target)} where each number is a class"
    elif "regression" in allowed:
        advice += "; if it should be numbers, mend those that are not"
    content = "numbers with fractions" if kind == "regression" and recipe.task is None else _content(target)
    got = f"{content}, {plural(target.n_unique(), 'distinct value')}"
    return placed(RecipeError(rule, got=got, allowed=fits, next=advice), recipe.document, ("metric",))


def _objective(recipe: Recipe, kind: str) -> Objective:
    objective: Objective = registry.load("metrics", recipe.metric).OBJECTIVE[kind]
    return objective


def _numbers(target: pl.Series, recipe: Recipe) -> Floats:
    place = column_of(recipe, recipe.data.target)
    if not target.dtype.is_numeric():
        rule, got = "a regression target must be numbers", _content(target)
        raise DataError(rule, place=place, got=got, next="mend what is no number, or name a metric of classes")
    y = np.asarray(target.to_numpy(), np.float64)
    wrong = ~np.isfinite(y)
    if wrong.any():
        got = rows_of(recipe, wrong, "infinite")
        raise DataError("the target must be finite", place=place, got=got, next="drop those rows or mend them")
    return y


def _content(target: pl.Series) -> str:
    """Return what a column holds, in a word."""
    kinds = {"String": "text", "Boolean": "true and false"}
    return "numbers" if target.dtype.is_numeric() else kinds.get(str(target.dtype), str(target.dtype))


def _classes(target: pl.Series) -> str:
    return "binary" if target.n_unique() == 2 else "multiclass"


def _next_for_classes(target: pl.Series) -> str:
    """Return what to do about a target that has one class or very many."""
    if target.n_unique() < 2:
        return "a target with one value needs no model; check data.target"
    if not target.dtype.is_numeric():
        return "check data.target: this looks like an id or a text"
    return "a metric of numbers, such as rmse, if these are numbers and not classes"


def _positive(recipe: Recipe, classes: tuple[Label, ...]) -> Label:
    if recipe.positive is None:
        return classes[-1]
    for label in classes:
        if label == recipe.positive or str(label) == str(recipe.positive):
            return label
    names = [str(c) for c in classes]
    rule, advice = "positive is not a class of the target", nearest(str(recipe.positive), names)
    error = RecipeError(rule, got=recipe.positive, allowed=names, next=advice or f"positive: {names[-1]}")
    raise placed(error, recipe.document, ("positive",))
