"""Models that order the rows of a query: what they need of a recipe, and what their scores are not good for.

A ranker's predictions are scores: they say which row of a query comes first, and have no scale. A result made of
them is `unscaled`, until a stacker that learns a scale stands over it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kit import registry
from kit.errors import RecipeError
from kit.grouped import split
from kit.recipe import Model, Recipe
from kit.rowgroups import PREFIX
from kit.wording import placed

ADVICE = "metric: {ndcg@10: {by: <column>}}, the column that names the query"


def ranks(model: Model) -> bool:
    """Return whether a model orders the rows of a query instead of predicting the target."""
    found = getattr(registry.load("models", model.plug.use), "ranks", None)
    return found is not None and bool(found(model.plug.params))


def orders(metric: str) -> bool:
    """Return whether a metric goes by the order of predictions alone; a file of one's own within groups may."""
    module = registry.load("metrics", metric)
    of_order = bool(getattr(module, "NEEDS_BY", False) or getattr(module, "SCALE_FREE", False))
    return of_order or (registry.is_own(metric) and split(metric)[1] is not None)


def keeps(stacker: str) -> bool:
    """Return whether what a stacker makes of scores is scores."""
    return not getattr(registry.load("stackers", stacker), "SETS_SCALE", False)


def unscaled(recipe: Recipe, name: str) -> bool:
    """Return whether a model or blend of a recipe predicts scores."""
    model = next((m for m in recipe.models if m.name == name), None)
    if model is not None:
        return ranks(model)
    blend = next(b for b in recipe.blends if b.name == name)
    return keeps(blend.plug.use) and any(unscaled(recipe, source) for source in blend.sources)


def ingredients(model: Model, recipe: Recipe, content: Mapping[str, str]) -> dict[str, Any]:
    """Return what the queries of a ranker's rows are in the keys of its fits; nothing for other models. `content`: of
    the groups of metrics."""
    by = split(recipe.metric)[1]
    if by is None or not ranks(model):
        return {}
    name = f"{PREFIX}{by.text}"
    extra = content.get(f"extra_{name}")
    return {"query": content[name], **({"extra_query": extra} if extra else {})}


def check(recipe: Recipe) -> None:
    """Return nothing: the recipe's rankers have their queries, and nobody takes scores for values.

    Raises:
        RecipeError: not so.
    """
    for model in recipe.models:
        if ranks(model):
            _check_ranker(model, recipe)
        for name in {*model.reads, *model.teachers} - set(model.sources):
            if unscaled(recipe, name):
                error = RecipeError(
                    f"{name} predicts scores, which order the rows of a query and have no scale",
                    got=f"{model.names_in(name)} of {model.name}",
                    next=f"name a model that predicts the target; as a column, `from: [{name}]`, scores do",
                )
                raise placed(error, recipe.document, ("models", model.name, model.names_in(name)))
    estimates = recipe.evaluate.model
    if estimates is not None and unscaled(recipe, estimates):
        rule, advice = "a test distribution is estimated from values", "name a model that predicts the target"
        error = RecipeError(rule, got=f"{estimates}, which predicts scores of a ranking", next=advice)
        raise placed(error, recipe.document, ("evaluate",))


def _check_ranker(model: Model, recipe: Recipe) -> None:
    """Raise where a ranker has no queries, or is to learn from or be scored on what it cannot be."""
    metric, at, error = registry.shown(recipe.metric), ("models", model.name, "params"), None
    objective = getattr(model.plug.params, "objective", None)
    codec = registry.load("metrics", recipe.metric).CODEC if model.codec is None else model.codec.use
    if split(recipe.metric)[1] is None:
        rule = f"the objective {objective} orders the rows of a query, and the metric names none"
        error = RecipeError(rule, got=f"metric: {metric}", allowed="a metric with `by`", next=ADVICE)
    elif not orders(recipe.metric):
        can = [n for n in registry.names("metrics") if orders(n)]
        rule = f"the objective {objective} gives scores without a scale, and the metric needs values"
        error = RecipeError(rule, got=f"metric: {metric}", allowed=can, next="name one of these, with `by`")
    elif model.teachers:
        rule, advice = f"the objective {objective} takes no pseudo-labels: nobody knows their queries", "leave them out"
        error, at = RecipeError(rule, got=f"a label of {model.teachers[0]}", next=advice), (*at[:2], "augment")
    elif codec != "identity":
        rule = f"the objective {objective} learns the order of the target as it is"
        got = f"target_transform {registry.shown(codec)}"
        error, at = RecipeError(rule, got=got, next="target_transform: identity"), (*at[:2], "target_transform")
    if error is not None:
        raise placed(error, recipe.document, at)
