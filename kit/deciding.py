"""What the target decides: thresholds as the last step where the metric is one of labels; whether it can be scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kit import registry
from kit.errors import DataError, RecipeError
from kit.recipe import Blend, Model, Plug, Recipe
from kit.rowgroups import attach
from kit.types import Floats, Pred, Task
from kit.wording import placed

STACKER, NAME, CLIMB, PLAIN = "thresholds", "labels", "hill_climb", "identity"

NEARLY = 0.99
"""What a true prediction scores at least where only a stray rating is no whole number."""

MOST_LEVELS = 100
"""Whole numbers of more distinct values than this are no ratings."""


def decided(recipe: Recipe, task: Task, y: Floats) -> Recipe:
    """Return the recipe, with cross-fitted thresholds as its last step where they pay and it says nothing of blends.

    Models that say no target transform get none where the metric's cannot take y (mape of targets below -1).
    Shape: y (n,), as the rows have it.
    """
    if task.kind == "regression" and not _takes(registry.load("metrics", recipe.metric).CODEC, y):
        plain = Plug("codecs", PLAIN, registry.load("codecs", PLAIN).Params(), ("metric",))
        recipe = replace(recipe, models=tuple(replace(m, codec=m.codec or plain) for m in recipe.models))
    declared = {"blend", "submit"} & set(recipe.document.value)
    pays = task.kind in getattr(registry.load("metrics", recipe.metric), "THRESHOLDS", ())
    if declared or not pays or recipe.submit is None or not _has_levels(task, y):
        return recipe
    taken = {m.name for m in recipe.models} | {b.name for b in recipe.blends}
    name = next(n for n in (NAME, *(f"{NAME}{i}" for i in range(2, len(taken) + 3))) if n not in taken)
    blends = tuple(_by_score(b) for b in recipe.blends)
    plug = Plug("stackers", STACKER, registry.load("stackers", STACKER).Params(), ("metric",))
    return replace(recipe, blends=(*blends, Blend(name, plug, (recipe.submit,))), submit=name, added=name)


def check(recipe: Recipe, task: Task, y: Floats) -> None:
    """Raise DataError for a target that the metric cannot score, or a target transform not take: before any fit.

    Shape: y (n,).
    """
    if task.kind != "regression":
        return
    perfect, ones = Pred(y[:, None].astype(np.float32), np.ones(len(y), np.float32)), np.ones(len(y))
    try:
        with np.errstate(all="ignore"):  # what overflows is told where it is scored
            metric = registry.metric(recipe.metric)
            if metric.within is not None:  # what no group could be scored by is told as of all rows
                ones = attach(ones, {metric.within.by.text: np.zeros(len(y), np.int64)})
            best = metric.score(task, y, perfect, ones)
        _check_ratings(recipe, y, best)
    except DataError as error:
        raise placed(error, recipe.document, ("metric",)) from error
    for model in recipe.models:
        _check_average(recipe, model, y)
        refuse = getattr(registry.load("codecs", model.codec.use), "check", None) if model.codec else None
        try:
            if refuse is not None:
                refuse(y)
        except DataError as error:
            raise placed(error, recipe.document, ("models", model.name, "target_transform")) from error


def _takes(codec: str, y: Floats) -> bool:
    """Return whether a target transform can take y (n,)."""
    try:
        getattr(registry.load("codecs", codec), "check", lambda _: None)(y)
    except DataError:
        return False
    return True


def _check_ratings(recipe: Recipe, y: Floats, best: float) -> None:
    """Raise DataError where a metric of whole ratings cannot tell those of the target; `best`: what y itself scores."""
    odd = y[y != np.round(y)]
    if getattr(registry.load("metrics", recipe.metric), "ORDERED", False) and len(odd) and best < NEARLY:
        rule = f"{registry.shown(recipe.metric)} decides whole numbers, and the target has others"
        advice = "task: multiclass decides the values there are; or multiply the target until it is whole"
        raise DataError(rule, got=f"{odd[0]:g}, as {len(odd)} of {len(y)} rows", next=advice)


def _check_average(recipe: Recipe, model: Model, y: Floats) -> None:
    """Raise RecipeError where the seeds of a regression are averaged in a space that its values do not lie in."""
    least = float(y.min(initial=np.inf))
    needs = {"logit": "probabilities", "geometric": "values above 0"}.get(model.average)
    if needs is None or (model.average == "geometric" and least > 0):
        return
    got = f"a regression, whose least target is {least:g}"
    error = RecipeError(f"average: {model.average} is for {needs}", got=got, next="average: mean or median")
    raise placed(error, recipe.document, ("models", model.name, "average"))


def _by_score(blend: Blend) -> Blend:
    """Return the blend as a climb by what the thresholds cut, as holdouts want it: docs/blending.md."""
    params = registry.load("stackers", CLIMB).Params(by="score")
    return replace(blend, plug=replace(blend.plug, use=CLIMB, params=params))


def notes(recipe: Recipe, task: Task, y: Floats) -> list[tuple[str, str]]:
    """Return (what, next) of what was decided, and of what was left undecided.

    Shape: y (n,).
    """
    found = [_unlogged(recipe, y)] if any(m.codec and m.codec.at == ("metric",) for m in recipe.models) else []
    found += [_added(recipe)] if recipe.added else []
    lacking = undecided(recipe, task, y)
    return [*found, lacking] if lacking else found


def _unlogged(recipe: Recipe, y: Floats) -> tuple[str, str]:
    what = f"models learn the target itself, not its logarithm as mostly under {registry.shown(recipe.metric)}: "
    return what + f"its least value is {y.min():g}", "target_transform of a model, if another suits"


def _added(recipe: Recipe) -> tuple[str, str]:
    source = next(b.sources[0] for b in recipe.blends if b.name == recipe.added)
    what = f"{recipe.added}: thresholds over {source} were added, for {registry.shown(recipe.metric)} wants labels"
    return what, "declare `blend` to choose yourself, `blend: {}` for none"


def undecided(recipe: Recipe, task: Task, y: Floats) -> tuple[str, str] | None:
    """Return (what, next) where the declared blends end without thresholds, though the metric is one of labels.

    Shape: y (n,).
    """
    if not recipe.document.value.get("blend"):
        return None
    pays = task.kind in getattr(registry.load("metrics", recipe.metric), "THRESHOLDS", ())
    blends, name, used = {b.name: b for b in recipe.blends}, recipe.submit, set()
    while name in blends:
        used.add(blends[name].plug.use)
        name = blends[name].sources[0] if len(blends[name].sources) == 1 else None
    if recipe.added or not pays or recipe.submit is None or STACKER in used or not _has_levels(task, y):
        return None
    what = f"{recipe.submit} is submitted without thresholds, which {registry.shown(recipe.metric)} mostly gains from"
    return what, f"blend: {{{NAME}: {{use: {STACKER}, from: {recipe.submit}}}}}, submit: {{from: {NAME}}}"


def _has_levels(task: Task, y: Floats) -> bool:
    return task.kind != "regression" or bool((y == np.round(y)).all() and len(np.unique(y)) <= MOST_LEVELS)
