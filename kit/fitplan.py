"""What the fits of a model have in common: the ingredients of their keys, checked against what the data are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from kit import bins, design, evaluate, fold, importance, ranking, registry, returned, scored, search, sourced, stopping
from kit.canon import code_file
from kit.errors import RecipeError
from kit.facts import Facts
from kit.folding import dump
from kit.params import Params
from kit.recipe import Model, Plug, Recipe
from kit.resolving import Needs, Resolver, code_of, vectors
from kit.tunable import ModelSection
from kit.types import Task
from kit.wording import placed


def ingredients(
    model: Model, recipe: Recipe, facts: Facts, names: Resolver, on: tuple[Literal["cpu", "cuda"], str | None]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what every fit of a model has in common, and the paths behind the digests of its files.

    `on`: the device, and the stage of the scoring weights where a test distribution is declared.

    Raises:
        RecipeError: the learner does not fit the task, a column does not exist, no feature is left.
    """
    module, (device, v_key) = registry.load("models", model.plug.use), on
    codec = _codec(model, recipe, facts)
    _check(model, codec, recipe, facts)
    needs = Needs({str(getattr(recipe.split.params, "column", ""))})  # stop rows are cut by the same splitter
    stop = model.stop.model_copy(update={"use": "fixed"}) if not module.STEPS else model.stop
    split = {"use": registry.keyed("splits", recipe.split.use), "params": dump(recipe.split.params)}
    needs.files.update(own_file("splits", recipe.split.use))
    made: dict[str, Any] = {
        "model": names.resolved(model.plug, needs),
        "libs": registry.versions(tuple(dict.fromkeys((*module.LIBS, *_libs(model.features), "numpy")))),
        "code": [code_file(m) for m in (fold, stopping, design, importance, scored, sourced)],
        "design": _design(model, facts, names, needs),
        "task": task_dict(facts.task),
        "split": {**split, "code": code_of(recipe.split)},
        "stop": {"use": stop.use, "folds": stop.folds if stop.use in ("cut", "refit") else None},
        "wanted": None if stop.use == "fixed" else _wanted(recipe, v_key),
        "seed": recipe.seed,
        "device": device if device in module.DEVICES else "cpu",
        "target": dict(facts.digests),
        "folds": facts.folds_key,
        **ranking.ingredients(model, recipe, facts.by),
    }
    made["design"]["codec"] = names.resolved(codec, needs)
    if not made["design"]["features"]:
        raise _without_features(model, recipe, facts)
    made |= {"x": names.content(needs), "columns": names.computed(needs)}
    if model.teachers:
        made |= {"taught": {alias: names.keys[alias] for alias in map(names.source, model.teachers)}}
    return made, needs.files


def _wanted(recipe: Recipe, v_key: str | None) -> dict[str, Any] | None:
    """Return the test distribution that stop rows stand for.

    One that is estimated by counts rests on held rows' y: it weighs scores and blends, and stops no fit.
    """
    section = recipe.evaluate
    if v_key is None or (section.model is not None and section.by == "counts"):
        return None
    if section.model is not None:
        return {"estimated": v_key}
    return {**section.named(), "code": [code_file(m) for m in (evaluate, bins)]}


def adds(model: Model) -> str | None:
    """Return the source whose prediction a model's target transform adds to the learner's, None where there is none."""
    name = getattr(registry.load("codecs", model.codec.use), "ADDS", None) if model.codec else None
    return str(getattr(model.codec.params, name)) if model.codec and name else None


def own_file(kind: str, use: str) -> dict[str, str]:
    """Return what stands for a user's own plug-in in keys -> its path; empty for one of kit's."""
    own = registry.is_own(use) if kind == "metrics" else use.endswith(".py")
    return {registry.keyed(kind, use): use} if own else {}


def task_dict(task: Task) -> dict[str, Any]:
    """Return a task as an ingredient (folding.task_of reads it)."""
    return {"kind": task.kind, "objective": task.objective, "classes": list(task.classes), "positive": task.positive}


def transductive(model: Model, names: Resolver, columns: Mapping[str, str]) -> bool:
    """Return whether test rows' x shape a model: through a feature of table scope or a column computed so."""
    filled = [p for p in map(names.filled, model.features) if p is not None]
    scopes = [design.scope_of(p.use, p.params) for p in filled]
    return "table" in scopes or bool(names.of_table & columns.keys() or model.teachers)


def _libs(features: tuple[Plug, ...]) -> list[str]:
    """Return the distributions whose versions shape the features."""
    return [lib for plug in features for lib in registry.load("features", plug.use).LIBS]


def _design(model: Model, facts: Facts, names: Resolver, needs: Needs) -> dict[str, Any]:
    """Return the ingredients of a model's matrices and add to `needs` what they use."""
    features = names.features(model.features, needs, once=not model.augment)
    if model.sources:
        columns = [names.source(name) for name in model.sources]
        needs.columns |= set(columns)
        features.append(vectors(columns))
    augments = names.all(model.augment, needs)
    if augments:
        needs.columns |= set(facts.free)  # an augmenter may look at any column
    weights = names.resolved(model.weights, needs) if model.weights else None
    return {"features": features, "augment": augments, "weights": weights}


def _codec(model: Model, recipe: Recipe, facts: Facts) -> Plug:
    if model.codec is not None:
        return model.codec
    use = registry.load("metrics", recipe.metric).CODEC if facts.task.kind == "regression" else "identity"
    return Plug("codecs", use, registry.load("codecs", use).Params())


def _without_features(model: Model, recipe: Recipe, facts: Facts) -> RecipeError:
    return RecipeError(
        f"model {model.name} is left without a feature column",
        place=recipe.document.place(("models", model.name)),
        got=f"columns: {', '.join(f'{n} ({facts.header[n].kind})' for n in facts.free[:8])}",
        next="declare features for the kinds of columns there are",
    )


def _check(model: Model, codec: Plug, recipe: Recipe, facts: Facts) -> None:
    """Raise where learner, target transform and task do not go together."""
    task, module, transform = facts.task, registry.load("models", model.plug.use), registry.load("codecs", codec.use)
    place = recipe.document.place(("models", model.name, "use"))
    if task.kind not in transform.TASKS:
        rule = f"target_transform {registry.shown(codec.use)} does not fit a {task.kind} task"
        raise RecipeError(rule, place=recipe.document.place(codec.at))
    if model.augment and set(model.reads) - set(model.sources):
        rule, advice = "a target transform of a source takes no synthetic rows: they have no OOF", "leave out augment"
        raise RecipeError(rule, place=recipe.document.place(codec.at), next=advice)
    inner = returned.task(codec.use, transform.task(codec.params, task))
    if inner.kind not in module.TASKS:
        raise RecipeError(f"{registry.shown(model.plug.use)} cannot do {inner.kind}", place=place, allowed=module.TASKS)
    if inner.objective not in module.OBJECTIVES:
        can = [n for n in registry.names("models") if inner.objective in registry.load("models", n).OBJECTIVES]
        raise RecipeError(
            f"{registry.shown(model.plug.use)} cannot train for {inner.objective}",
            place=place,
            got=f"metric {registry.shown(recipe.metric)}",
            allowed=module.OBJECTIVES,
            next=f"learners that can: {', '.join(can)}",
        )
    for plug in model.features:
        _check_history(plug, recipe)
    _check_tokens(model, recipe)
    at = ("tune", "models", model.name, "ranges")
    try:
        search.check_idle(model, recipe.tune.models.get(model.name, ModelSection()), inner)
    except RecipeError as error:
        problem = error.problems[0]
        error.problems = (replace(problem, place=""),)
        raise placed(error, recipe.document, (*at, problem.place)) from error
    try:
        getattr(module, "check", _nothing_to_check)(model.plug.params, inner)
    except RecipeError as error:
        problem = error.problems[0]
        rule = f"{problem.place}: {problem.rule}" if problem.place else problem.rule
        error.problems = (replace(problem, place="", rule=rule),)
        raise placed(error, recipe.document, ("models", model.name, "params")) from error


def _check_history(plug: Plug, recipe: Recipe) -> None:
    """Raise where a feature tells of a group's past what folds that hold the group whole know nothing of."""
    key = getattr(registry.load("features", plug.use), "HISTORY", None)
    groups, whole = recipe.data.groups, "group" in registry.load("splits", recipe.split.use).NEEDS
    if key is None or not whole or groups not in getattr(plug.params, key):
        return
    rule = f"{registry.shown(plug.use)} by {groups} would be missing in all held rows, and in no learning row"
    advice = "split: time, if test goes on with the same groups; else leave it out"
    error = RecipeError(rule, got=f"split: {recipe.split.use}, which holds groups whole", next=advice)
    raise placed(error, recipe.document, plug.at)


def _check_tokens(model: Model, recipe: Recipe) -> None:
    """Raise where a feature makes tokens for a learner of numbers, or none makes any for one that reads them."""
    reads = getattr(registry.load("models", model.plug.use), "READS_TOKENS", False)
    makers = [p for p in model.features if getattr(registry.load("features", p.use), "TOKENS", False)]
    use = registry.shown(model.plug.use)
    if makers and not reads:
        can = [n for n in registry.names("models") if getattr(registry.load("models", n), "READS_TOKENS", False)]
        rule, got = f"{use} cannot read tokens: they number words", f"model {model.name}, use: {use}"
        advice = f"learners that can: {', '.join(can)}; for the others there are tfidf and embed"
        raise placed(RecipeError(rule, got=got, next=advice), recipe.document, makers[0].at)
    if reads and not makers:
        advice = "features: [{use: tokens, text: <a text column>, model: minilm}], beside whatever else it is to read"
        place = recipe.document.place(("models", model.name))
        raise RecipeError(f"{use} reads tokens, and none of its features makes any", place=place, next=advice)


def _nothing_to_check(params: Params, task: Task) -> None:
    """A learner without `check` takes any params its schema takes."""
