"""A quick model that stands in where the time may end before any model of a recipe is complete."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from kit import cost, deciding, devices, planning, registry
from kit.errors import KitError
from kit.opening import Opened
from kit.plugs import DEFAULT_FEATURES
from kit.publish import retire
from kit.recipe import Model, Plug, Recipe
from kit.scene import Scene
from kit.sections import EvaluateSection, StopSection

NAME = "stand-in"
LEARNER = "lightgbm"
QUICK = {"n_estimators": 32, "learning_rate": 0.25}
"""Rounds of the stand-in, a hundredth of what a fit may take, in steps that reach as far."""
KEPT = ("objective", "level", "class_weight", "monotone", "interactions")
"""Parameters of the model it stands in for that say what is learnt, not how well."""


def beside(opened: Opened, deadline: float | None) -> Opened | None:
    """Return the recipe of the stand-in alone; None where time is not short or a model is complete already.

    `deadline`: when the run is to end, on the monotonic clock. The stand-in sees what the cheapest base model sees,
    but for columns of text models that are still to be computed.
    """
    recipe = opened.recipe
    bases = [m for m in recipe.models if not m.needs]
    taken = {m.name for m in recipe.models} | {b.name for b in recipe.blends}
    complete = any(opened.store.has(opened.plan.oofs[m.name]) for m in recipe.models)
    if deadline is None or complete or not bases or NAME in taken:
        return None
    like = min(bases, key=lambda m: cost.most(opened, m.name))
    slow = late(opened)
    if not slow and cost.most(opened, like.name) < deadline - time.monotonic():
        return None
    for seen, model in _seen(recipe, like, slow):
        small = replace(seen, models=(_quick(model),), blends=(), submit=NAME, evaluate=EvaluateSection(), added=None)
        if recipe.added is not None:  # labels are decided as in the recipe
            y = opened.store.open(opened.facts.rows_key).array("y")
            small = deciding.decided(small, opened.facts.task, y)
        keep = any(s.needs for s in opened.plan.stages)
        with suppress(KitError):  # no column is left that its features take
            return replace(opened, recipe=small, plan=planning.compile(small, opened.facts, devices.detect(), keep))
    return None


def late(opened: Opened) -> set[str]:
    """Return the computed columns that are still to come from a text model, and those made of them: nobody knows how
    long they take, and no fit begins before they are there.
    """
    there = {s.name for s in opened.plan.stages if opened.store.has(s.key)}
    found = set[str]()
    for name, plug in opened.recipe.columns.items():
        slow = "torch" in registry.load("features", plug.use).LIBS and f"column {name}" not in there
        found |= {name} if slow or found & _words(plug) else set()
    return found


def _seen(recipe: Recipe, like: Model, late: set[str]) -> Iterator[tuple[Recipe, Model]]:
    """Yield the recipe and the model that is stood in for without these columns: with what is left of its features,
    else with the usual ones.
    """
    if not late:
        yield recipe, like
        return
    recipe = replace(recipe, columns={name: plug for name, plug in recipe.columns.items() if name not in late})
    left = tuple(plug for plug in like.features if not late & _words(plug))
    usual = tuple(
        Plug("features", use, registry.load("features", use).Params(**given), like.plug.at)
        for use, given in DEFAULT_FEATURES.items()
    )
    for features in filter(None, (left, usual)):
        yield recipe, replace(like, features=features, augment=())


def _words(plug: Plug) -> set[str]:
    """Return the texts among the parameters of a plug-in, names of columns among them."""
    found, values = set[str](), [*plug.params.model_dump().values()]
    while values:
        value = values.pop()
        values += (
            [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
        )
        found |= {value} if isinstance(value, str) else set()
    return found


def leave(opened: Opened, scene: Scene) -> None:
    """Move what stood in to the history once a model of the recipe is complete: no blend is to take it for one."""
    own = {m.name for m in opened.recipe.models} | {b.name for b in opened.recipe.blends}
    if NAME not in own and any(m.name in own for m in scene.recipe.models):
        retire(scene, NAME)


def _quick(like: Model) -> Model:
    """Return the stand-in of a model."""
    params = like.plug.params
    kept = {
        name: getattr(params, name) for name in KEPT if like.plug.use == LEARNER and name in params.model_fields_set
    }
    made = registry.load("models", LEARNER).Params(**kept, **QUICK)
    plug = Plug("models", LEARNER, made, like.plug.at)
    return replace(like, name=NAME, plug=plug, stop=StopSection(use="fixed"), seeds=1, average="mean", tuned=None)
