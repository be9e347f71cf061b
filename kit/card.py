"""The card of a result: everything about a model's or blend's OOF that a person or a later command asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kit import registry
from kit.canon import FORMAT, canonical
from kit.evaluate import effective
from kit.leeway import Leeway
from kit.oof import Oof
from kit.oofobject import load_oof
from kit.recipe import Blend
from kit.rowgroups import weights_of
from kit.scene import Scene
from kit.scores import fold_scores, group_counts, score, spread_of, standard_error, unscored
from kit.types import Floats
from kit.wording import unaliased


def card_of(scene: Scene, name: str, key: str, mark: str) -> dict[str, Any]:
    """Return the card of an OOF, by its key; `mark` changes with everything the card and the files say."""
    stored = scene.store.open(key)
    oof = load_oof(stored)
    recipe, about, entry = scene.recipe, dict(stored.meta["about"]), scene.entry(name)
    about["importances"] = {
        kind: {unaliased(column, scene.plan.names): value for column, value in values.items()}
        for kind, values in about.get("importances", {}).items()
    }
    weights = about.pop("weights", None)
    return {
        "format": FORMAT,
        "recipe": recipe.name,
        "model": name,
        "key": key,
        "mark": mark,
        **_plug(scene, name),
        "tuned": tuned_from(scene, name),
        "features": _features(scene, key),
        "metric": registry.shown(recipe.metric),
        "better": registry.metric(recipe.metric).better,
        **_scores(scene, oof),
        "kind": oof.kind,
        "classes": list(scene.facts.task.classes),
        "target": scene.facts.target,
        "positive": scene.facts.task.positive,
        "sources": list(entry.needs),
        "weights": None if weights is None else dict(zip(entry.needs, weights, strict=True)),
        **({} if isinstance(entry, Blend) else {"refit": entry.refit, "seeds": entry.seeds, "average": entry.average}),
        "peeked": oof.peeked,
        "transductive": oof.transductive,
        **({"unscaled": True} if oof.unscaled else {}),
        "truncated": scene.truncated,
        "missing": list(scene.missing) if isinstance(entry, Blend) else [],
        **_data(scene),
        "versions": _libs(scene, key),
        **about,
    }


def _scores(scene: Scene, oof: Oof) -> dict[str, Any]:
    """Return the scores of an OOF; `unscored`: why it has none of a metric."""
    recipe, task, v = scene.recipe, scene.facts.task, scene.v()
    return {
        "score": score(task, recipe.metric, oof, v),
        "fold_scores": fold_scores(task, recipe.metric, oof, v),
        "also": {m: score(task, m, oof, v) for m in recipe.also},
        **_declared(scene, oof, v),
        "spread": spread_of(oof, v),
        "unscored": {m: why for m in (recipe.metric, *recipe.also) if (why := unscored(task, m, oof, v))},
        **({"groups": counts} if (counts := group_counts(task, (recipe.metric, *recipe.also), oof, v)) else {}),
    }


def _data(scene: Scene) -> dict[str, str]:
    """Return the keys of the data behind a result."""
    facts = scene.facts
    return {
        "table": facts.table_key,
        "rows": facts.rows_key,
        "folds_key": facts.folds_key,
        "y_digest": facts.digests["y"],
    }


def _declared(scene: Scene, oof: Oof, v: Floats) -> dict[str, Any]:
    """Return what is said beside a score under a declared test distribution: its standard error, effective rows, the
    plain score, and the distribution. Empty where none is declared. `shares_se`: part of the error that estimated
    shares make."""
    if scene.declared is None:
        return {}
    rows, task, metric = scene.store.open(scene.facts.rows_key), scene.facts.task, scene.recipe.metric
    plain, group = weights_of(rows), rows.array("group") if "group" in rows else None
    about, se = scene.store.open(scene.declared).meta, standard_error(task, metric, oof, v, group)
    doubt = Leeway.told(about, oof.y)
    of_shares = {} if doubt is None else {"shares_se": doubt.variance(lambda f: score(task, metric, oof, v * f)) ** 0.5}
    return {
        "score_se": None if se is None else float(np.hypot(se, of_shares.get("shares_se", 0.0))),
        **of_shares,
        "effective_rows": effective(v[oof.scored]),
        "plain_score": score(task, metric, oof, plain),
        "plain_score_se": standard_error(task, metric, oof, plain, group),
        "evaluate": {"target": scene.recipe.evaluate.model or "declared", **about},
    }


def _plug(scene: Scene, name: str) -> dict[str, Any]:
    """Return use and resolved params of a model or blend, columns under the names the recipe gives them."""
    stage = scene.plan.of(scene.plan.oofs[name])
    spec = stage.ingredients.get("stacker") or _fit_ingredients(scene, stage.key)["model"]
    return {"use": _renamed(spec["use"], scene.plan.names), "params": _renamed(spec["params"], scene.plan.names)}


def tuned_from(scene: Scene, name: str) -> dict[str, Any] | None:
    """Return where a model's params come from, where `kit tune` found some; its score holds for the folds it names."""
    tuned = next((m.tuned for m in scene.recipe.models if m.name == name), None)
    if tuned is None:
        return None
    same = scene.facts.folds_key.startswith(tuned.entry.folds or "-")
    return {**tuned.about(), "tuned_on": "these folds" if same else "other folds"}


def _fit_ingredients(scene: Scene, oof_key: str) -> Mapping[str, Any]:
    return scene.plan.of(scene.plan.of(oof_key).ingredients["fits"][0][0]).ingredients


def _features(scene: Scene, key: str) -> list[Any]:
    if scene.plan.of(key).verb == "blend":
        return []
    features = _fit_ingredients(scene, key)["design"]["features"]
    return [{**_renamed(f["params"], scene.plan.names), "use": _renamed(f["use"], scene.plan.names)} for f in features]


def _libs(scene: Scene, key: str) -> Mapping[str, Any]:
    own = scene.plan.of(key).ingredients
    libs: Mapping[str, Any] = own["libs"] if "libs" in own else _fit_ingredients(scene, key)["libs"]
    return libs


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {k: _renamed(v, names) for k, v in value.items() if not (k == "native" and not v)}
    return [_renamed(v, names) for v in value] if isinstance(value, list) else value


def names_behind(scene: Scene, key: str) -> list[tuple[str, str]]:
    """Return (alias, name) of the computed columns and sources that stand behind an OOF."""
    used = canonical(scene.plan.of(key).ingredients)
    used += canonical(_fit_ingredients(scene, key)) if "fits" in scene.plan.of(key).ingredients else ""
    return sorted((alias, name) for alias, name in scene.plan.names.items() if alias in used)
