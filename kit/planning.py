"""compile(recipe, facts) -> Plan: what would be done, as stages with keys. Pure: nothing is read, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kit import crossfit, design, fold, importance, registry, sample
from kit.canon import fingerprint, key_of
from kit.errors import RecipeError
from kit.facts import Facts
from kit.folding import dump
from kit.oof import __file__ as oof_file
from kit.recipe import STARRED, Blend, Model, Plug, Recipe
from kit.resolving import Needs, Resolver, code_of
from kit.stage import Stage
from kit.types import Task


@dataclass(frozen=True)
class Plan:
    """Stages in an order in which each comes after its inputs.

    `oofs`: model or blend -> key of its OOF stage. `submit`: key or None.
    `names`: alias of a computed column -> its name.
    """

    stages: tuple[Stage, ...]
    oofs: Mapping[str, str]
    submit: str | None
    folds_key: str
    names: Mapping[str, str]

    def of(self, key: str) -> Stage:
        """Return the stage of a key."""
        return next(s for s in self.stages if s.key == key)


def compile(recipe: Recipe, facts: Facts, device: Literal["cpu", "cuda"] = "cpu", keep_models: bool = False) -> Plan:
    """Return the plan of a recipe on data of which `facts` is known.

    Raises:
        RecipeError: a column that does not exist, a model without features, a learner that does not fit the task.
    """
    return _Compiler(recipe, facts, device, keep_models).plan()


class _Compiler:
    def __init__(self, recipe: Recipe, facts: Facts, device: Literal["cpu", "cuda"], keep_models: bool) -> None:
        self.recipe, self.facts, self.device, self.keep = recipe, facts, device, keep_models
        self.stages: dict[str, Stage] = {}
        self.names = Resolver(recipe, facts)

    def plan(self) -> Plan:
        recipe, facts = self.recipe, self.facts
        self._given()
        for name, plug in recipe.columns.items():
            self._column(name, plug)
        folds_key = facts.folds_key
        oofs = {model.name: self._model(model, folds_key) for model in recipe.models}
        for blend in recipe.blends:
            oofs[blend.name] = self._blend(blend, [oofs[s] for s in blend.sources], folds_key)
        submit = None
        if recipe.submit is not None and facts.n_test:
            submit = self._submit(oofs[recipe.submit])
        names = {alias: name for name, alias in self.names.aliases.items()}
        return Plan(tuple(self.stages.values()), oofs, submit, folds_key, names)

    # -- stages

    def _add(self, name: str, ingredients: Mapping[str, Any], inputs: Sequence[str], **local: Any) -> str:
        key = key_of(ingredients)
        needs = ("model",) if self.keep and ingredients["verb"] == "fit" else ()
        local = {"table": self.facts.table_key, "rows": self.facts.rows_key, "files": {}, **local}
        self.stages.setdefault(
            key, Stage(name, str(ingredients["verb"]), key, ingredients, tuple(inputs), local, needs)
        )
        return key

    def _column(self, name: str, plug: Plug) -> None:
        module = registry.load("features", plug.use)
        if module.SCOPE == "fold":
            raise RecipeError(
                f"{plug.use} learns from y and cannot stand under columns",
                place=self.recipe.document.place(plug.at),
                next="move it to features, where it is rebuilt inside the fold",
            )
        needs = Needs()
        spec = self.names.resolved(plug, needs)
        made = {"verb": "column", "feature": spec, "seed": self.recipe.seed, "task": _task(self.facts.task)}
        columns = self.names.computed(needs)
        made |= {"x": self.names.content(needs), "columns": columns}
        key = self._add(f"column {name}", made, list(columns.values()), files=needs.files)
        alias = f"@{key[:12]}"
        self.names.aliases[name], self.names.keys[alias] = alias, key

    def _given(self) -> None:
        """Add the stages that are carried out before there is a plan: a plan depends on what they say."""
        facts = self.facts
        for verb, key in (("table", facts.table_key), ("rows", facts.rows_key), ("folds", facts.folds_key)):
            self.stages[key] = Stage(verb, verb, key, {"verb": verb}, (), {})

    def _model(self, model: Model, folds_key: str) -> str:
        base, files = self._fit_ingredients(model, folds_key)
        policy = base["stop"]["use"]
        inputs = [folds_key, *base["columns"].values()]
        curves: list[str] = []
        folds = range(self.facts.n_folds)
        if policy == "pooled":
            made = {**base, "verb": "curve", "seed_index": 0}
            curves = [
                self._add(f"curve {model.name} fold {k}", {**made, "fold": k}, inputs, files=files, model=model.name)
                for k in folds
            ]
        fits = []
        for k in folds:
            seeds = []
            for s in range(model.seeds):
                made = {**base, "verb": "fit", "fold": k, "seed_index": s}
                made |= {"curves": curves} if curves else {}
                name = f"fit {model.name} fold {k} seed {s}"
                seeds.append(self._add(name, made, [*inputs, *curves], files=files, model=model.name))
            fits.append(seeds)
        made = {"verb": "oof", "fits": fits, "folds": folds_key, "task": _task(self.facts.task)}
        made |= {"peeked": policy in STARRED, "transductive": self._transductive(model), "code": _fingerprint(oof_file)}
        return self._add(f"oof {model.name}", made, [folds_key, *(key for seeds in fits for key in seeds)])

    def _fit_ingredients(self, model: Model, folds_key: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what every fit of a model has in common, and the paths behind the digests of its files."""
        recipe, facts, module = self.recipe, self.facts, registry.load("models", model.plug.use)
        self._check_model(model, module)
        needs = Needs({str(getattr(recipe.split.params, "column", ""))})  # stop rows are cut by the same splitter
        plug = self.names.resolved(model.plug, needs)
        stop = model.stop.model_copy(update={"use": "fixed"}) if not module.STEPS else model.stop
        split = {"use": recipe.split.use, "params": dump(recipe.split.params), "code": code_of(recipe.split)}
        made: dict[str, Any] = {
            "model": plug,
            "libs": registry.versions((*module.LIBS, "numpy")),
            "code": [_fingerprint(str(m.__file__)) for m in (fold, design, importance)],
            "design": self._design(model, needs),
            "task": _task(facts.task),
            "split": split,
            "stop": {"use": stop.use, "folds": stop.folds if stop.use in ("cut", "refit") else None},
            "seed": recipe.seed,
            "device": self.device if self.device in module.DEVICES else "cpu",
            "target": dict(facts.digests),
            "folds": folds_key,
        }
        made |= {"x": self.names.content(needs), "columns": self.names.computed(needs)}
        return made, needs.files

    def _design(self, model: Model, needs: Needs) -> dict[str, Any]:
        """Return the ingredients of a model's matrices and add to `needs` what they use."""
        features = self.names.all(model.features, needs, feature=True)
        if not features:
            raise RecipeError(
                f"model {model.name} is left without a feature column",
                place=self.recipe.document.place(("models", model.name)),
                got=f"columns: {', '.join(f'{n} ({self.facts.header[n].kind})' for n in self.facts.free[:8])}",
                next="declare features for the kinds of columns there are",
            )
        augments = self.names.all(model.augment, needs, feature=False)
        if augments:
            needs.columns |= set(self.facts.free)  # an augmenter may look at any column
        weights = self.names.resolved(model.weights, needs) if model.weights else None
        return {"features": features, "augment": augments, "weights": weights, "codec": self._codec(model, needs)}

    def _codec(self, model: Model, needs: Needs) -> dict[str, Any]:
        plug = model.codec
        if plug is None:
            use = (
                registry.load("metrics", self.recipe.metric).CODEC
                if self.facts.task.kind == "regression"
                else "identity"
            )
            plug = Plug("codecs", use, registry.load("codecs", use).Params())
        if self.facts.task.kind not in registry.load("codecs", plug.use).TASKS:
            raise RecipeError(
                f"target_transform {plug.use} does not fit a {self.facts.task.kind} task",
                place=self.recipe.document.place(plug.at),
            )
        return self.names.resolved(plug, needs)

    def _blend(self, blend: Blend, sources: Sequence[str], folds_key: str) -> str:
        module = registry.load("stackers", blend.plug.use)
        if self.facts.task.kind not in module.TASKS:
            raise RecipeError(
                f"{blend.plug.use} does not fit a {self.facts.task.kind} task",
                place=self.recipe.document.place(blend.plug.at),
                allowed=module.TASKS,
            )
        needs = Needs()
        spec = self.names.resolved(blend.plug, needs)
        metric = self.recipe.metric
        made: dict[str, Any] = {"verb": "blend", "stacker": spec, "sources": list(sources), "metric": metric}
        made |= {"metric_code": registry.code_of("metrics", metric), "code": _fingerprint(str(crossfit.__file__))}
        made |= {"libs": registry.versions((*module.LIBS, "numpy")), "task": _task(self.facts.task)}
        made |= {"seed": self.recipe.seed, "folds": folds_key, "target": dict(self.facts.digests)}
        return self._add(f"blend {blend.name}", made, list(sources), files=needs.files, sources=list(blend.sources))

    def _submit(self, source: str) -> str:
        made = {"verb": "submit", "source": source, "metric": self.recipe.metric, "task": _task(self.facts.task)}
        made |= {"layout": self.facts.sample.as_dict(), "ids": self.facts.submitted}
        made |= {"code": [_fingerprint(str(sample.__file__)), registry.code_of("metrics", self.recipe.metric)]}
        return self._add("submit", made, [source])

    # -- checks

    def _check_model(self, model: Model, module: Any) -> None:
        task, codec = self.facts.task, model.codec
        place = self.recipe.document.place(("models", model.name, "use"))
        if task.kind not in module.TASKS:
            raise RecipeError(f"{model.plug.use} cannot do {task.kind}", place=place, allowed=module.TASKS)
        inner = registry.load("codecs", codec.use).task(codec.params, task) if codec else task
        if inner.objective not in module.OBJECTIVES:
            raise RecipeError(
                f"{model.plug.use} cannot train for {inner.objective}",
                place=place,
                got=f"metric {self.recipe.metric}",
                allowed=module.OBJECTIVES,
            )

    def _transductive(self, model: Model) -> bool:
        scopes = [getattr(p.params, "scope", registry.load("features", p.use).SCOPE) for p in model.features]
        return "table" in scopes


def _fingerprint(path: str) -> str:
    return fingerprint(Path(path))


def _task(task: Task) -> dict[str, Any]:
    return {"kind": task.kind, "objective": task.objective, "classes": list(task.classes), "positive": task.positive}
