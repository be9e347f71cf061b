"""What the other models stand with while one is tuned: what was found for them so far, as `kit run` will take it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from kit import devices, planning, tuned
from kit._tune import studies
from kit._tune.goal import goal_of
from kit._tune.project import Project, needed
from kit._tune.storages import Place
from kit.oofobject import load_oof
from kit.types import Pred

log = logging.getLogger("kit")

Settings = Mapping[str, Any]


def standing(project: Project, stem: str, later: Collection[str]) -> tuple[Project, Place]:
    """Return the project beside what was found for the models it is judged with, and where its study lies.

    `later`: models that the same command tunes after this one. The study goes on beside what it had of those, or the
    same command again would begin it anew: they have become better since. Where another model has changed, trials from
    before and from now would not compare, and the next study begins, from the best of all models so far.
    """
    options, recipe = project.options, project.recipe
    place = studies.place_of(project.folder, recipe.name, stem, options.storage, new=options.new)
    others = set(needed(project)) - {project.model.name}
    if not others:
        return project, place
    _, entries = tuned.read(tuned.path_of(recipe.folder, recipe.name))
    uses = {m.name: m.plug.use for m in recipe.models}
    kept = {name: dict(e.params) for name, e in entries.items() if uses.get(name) == e.use}
    found: dict[str, Settings] = {name: kept[name] for name in sorted(others & kept.keys())}
    there = studies.attrs(place)
    if there is not None:
        before: dict[str, Settings] = there.get(studies.BESIDE, {})
        same = {n: s for n, s in before.items() if n in later} | {n: s for n, s in found.items() if n not in later}
        if _is_of(laid(project, same), there) or not _is_of(laid(project, before), there):
            return laid(project, same), place  # the latter is told as what it is: made on something else
        changed = ", ".join(name for name in sorted(others) if before.get(name) != same.get(name))
        following = studies.place_of(project.folder, recipe.name, stem, options.storage, new=True)
        log.warning("%s was made beside other params of %s: %s begins", place.name, changed, following.name)
        place = following
    return replace(laid(project, found), before=kept.get(project.model.name)), place


def laid(project: Project, found: Mapping[str, Settings]) -> Project:
    """Return the project with these params of other models where the recipe gives none itself."""
    opened = project.opened
    recipe = tuned.with_found(opened.recipe, found)
    plan = planning.compile(recipe, project.facts, devices.detect())
    return replace(project, opened=replace(opened, recipe=recipe, plan=plan), plan=plan, beside=found)


def _is_of(project: Project, there: Mapping[str, Any]) -> bool:
    """Return whether a study of these attributes was made on what the project is made on."""
    return studies.parts(project.tie()) == there.get(studies.TIE)


def sources_of(project: Project) -> set[str]:
    """Return the keys of the OOFs that stand in the blend beside the model and what is made of it."""
    chain = project.chain()
    sources = {key for stage in chain for key in stage.ingredients["sources"]}
    return sources - {project.plan.oofs[project.model.name], *(stage.key for stage in chain)}


def in_blend(project: Project) -> Project | None:
    """Return the project with all models as `kit run` has them now; None where no blend with the model is tuned for."""
    opened, own = project.opened, project.plan.oofs[project.model.name]
    if not any(own in stage.ingredients["sources"] for stage in project.chain()):
        return None
    recipe = tuned.apply(opened.recipe)
    plan = planning.compile(recipe, project.facts, devices.detect())
    model = next(m for m in recipe.models if m.name == project.model.name)
    return replace(project, opened=replace(opened, recipe=recipe, plan=plan), plan=plan, model=model)


def score_of(project: Project) -> float:
    """Return the score of the blend, the model's own predictions in the store among its sources."""
    store = project.opened.store
    goal = goal_of(project.goal(), store)
    oof = load_oof(store.open(project.plan.oofs[project.model.name]))
    held = []
    for k in range(len(goal.folds)):
        rows, repeat = goal.folds.is_held(k), k // goal.folds.n_folds
        held.append(Pred(oof.pred[repeat, rows], None if oof.std is None else oof.std[repeat, rows]))
    return goal.value(held)
