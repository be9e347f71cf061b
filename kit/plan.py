"""compile(recipe, facts) -> Plan: what would be done, as stages with keys. Pure: nothing is read, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from kit import crossfit, design, fold, importance, registry, sample
from kit.canon import digest_file, fingerprint, key_of
from kit.errors import RecipeError, nearest
from kit.facts import Facts, locate
from kit.folding import dump
from kit.oof import __file__ as oof_file
from kit.params import Params
from kit.recipe import STARRED, Blend, Model, Plug, Recipe
from kit.stage import Stage, map_refs
from kit.types import Task


@dataclass(frozen=True)
class Plan:
    """Stages in an order in which each comes after its inputs.

    `oofs`: model or blend -> key of its OOF stage. `fits`: model -> names of its fit stages. `submit`: key or None.
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
        self.aliases: dict[str, str] = {}
        self.keys: dict[str, str] = {}

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
        names = {alias: name for name, alias in self.aliases.items()}
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
        spec, used, files = self._resolved(plug, feature=False)
        made = {"verb": "column", "feature": spec, "seed": self.recipe.seed, "task": _task(self.facts.task)}
        columns = {a: self.keys[a] for a in sorted(used) if a in self.keys}
        made |= {"x": self._content(used), "columns": columns}
        key = self._add(f"column {name}", made, list(columns.values()), files=files)
        alias = f"@{key[:12]}"
        self.aliases[name], self.keys[alias] = alias, key

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
                name = f"fit {model.name} fold {k}" + (f" seed {s}" if model.seeds > 1 else "")
                seeds.append(self._add(name, made, [*inputs, *curves], files=files, model=model.name))
            fits.append(seeds)
        made = {"verb": "oof", "fits": fits, "folds": folds_key, "task": _task(self.facts.task)}
        made |= {"peeked": policy in STARRED, "transductive": self._transductive(model), "code": _fingerprint(oof_file)}
        return self._add(f"oof {model.name}", made, [folds_key, *(key for seeds in fits for key in seeds)])

    def _fit_ingredients(self, model: Model, folds_key: str) -> tuple[dict[str, Any], dict[str, str]]:
        recipe, facts, module = self.recipe, self.facts, registry.load("models", model.plug.use)
        self._check_model(model, module)
        plug, used, files = self._resolved(model.plug, feature=False)
        features, augments = [], []
        for entry in model.features:
            if (filled := self._filled(entry)) is not None:
                spec, more, paths = self._resolved(filled, feature=True)
                features.append(spec)
                used, files = used | more, files | paths
        for entry in model.augment:
            spec, more, paths = self._resolved(entry, feature=False)
            augments.append(spec)
            used, files = used | more, files | paths
        used = used | {str(getattr(recipe.split.params, "column", ""))}  # the stop rows are cut by the same splitter
        if augments:
            used = used | set(facts.free)  # an augmenter may look at any column
        if not features:
            raise RecipeError(
                f"model {model.name} is left without a feature column",
                place=recipe.document.place(("models", model.name)),
                got=f"columns: {', '.join(f'{n} ({facts.header[n].kind})' for n in facts.free[:8])}",
                next="declare features for the kinds of columns there are",
            )
        weights = self._resolved(model.weights, feature=False)[0] if model.weights else None
        stop = model.stop.model_copy(update={"use": "fixed"}) if not module.STEPS else model.stop
        split = {"use": recipe.split.use, "params": dump(recipe.split.params), "code": self._code(recipe.split)}
        made: dict[str, Any] = {
            "model": plug,
            "libs": registry.versions((*module.LIBS, "numpy")),
            "code": [_fingerprint(str(m.__file__)) for m in (fold, design, importance)],
            "design": {"features": features, "augment": augments, "weights": weights, "codec": self._codec(model)},
            "task": _task(facts.task),
            "split": split,
            "stop": {"use": stop.use, "folds": None if stop.use in ("fixed", "held", "pooled") else stop.folds},
            "seed": recipe.seed,
            "device": self.device if self.device in module.DEVICES else "cpu",
            "x": self._content(used),
            "columns": {alias: self.keys[alias] for alias in sorted(used) if alias in self.keys},
            "target": dict(facts.digests),
            "folds": folds_key,
        }
        return made, files

    def _codec(self, model: Model) -> dict[str, Any]:
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
        return self._resolved(plug, feature=False)[0]

    def _blend(self, blend: Blend, sources: Sequence[str], folds_key: str) -> str:
        module = registry.load("stackers", blend.plug.use)
        if self.facts.task.kind not in module.TASKS:
            raise RecipeError(
                f"{blend.plug.use} does not fit a {self.facts.task.kind} task",
                place=self.recipe.document.place(blend.plug.at),
                allowed=module.TASKS,
            )
        spec, _, files = self._resolved(blend.plug, feature=False)
        metric = self.recipe.metric
        made: dict[str, Any] = {"verb": "blend", "stacker": spec, "sources": list(sources), "metric": metric}
        made |= {"metric_code": registry.code_of("metrics", metric), "code": _fingerprint(str(crossfit.__file__))}
        made |= {"libs": registry.versions((*module.LIBS, "numpy")), "task": _task(self.facts.task)}
        made |= {"seed": self.recipe.seed, "folds": folds_key, "target": dict(self.facts.digests)}
        return self._add(f"blend {blend.name}", made, list(sources), files=files, sources=list(blend.sources))

    def _submit(self, source: str) -> str:
        made = {"verb": "submit", "source": source, "metric": self.recipe.metric, "task": _task(self.facts.task)}
        made |= {"layout": self.facts.sample.as_dict(), "ids": self.facts.submitted}
        made |= {"code": [_fingerprint(str(sample.__file__)), registry.code_of("metrics", self.recipe.metric)]}
        return self._add("submit", made, [source])

    # -- resolving names

    def _content(self, used: set[str]) -> dict[str, str]:
        """Return the digests of the data columns among `used`: a fit depends on what is in them, not on files."""
        return {name: self.facts.content[name] for name in sorted(used) if name in self.facts.content}

    def _resolved(self, plug: Plug, *, feature: bool) -> tuple[dict[str, Any], set[str], dict[str, str]]:
        """Return the ingredient of a plug-in, the columns it uses and the paths behind its file digests."""
        used: set[str] = set()
        files: dict[str, str] = {}

        def column(name: str) -> str:
            self._check_column(name, plug, feature=feature)
            alias = self.aliases.get(name, name)
            used.add(alias)
            return alias

        def file(name: str) -> str:
            path = locate(name, self.recipe)
            digest = digest_file(path)
            files[digest] = str(path.resolve())
            return digest

        params = map_refs(plug.params, column, file)
        return {"use": plug.use, "params": dump(params), "code": self._code(plug)}, used, files

    def _filled(self, plug: Plug) -> Plug | None:
        """Return the feature with all columns of its kinds where it names none; None where there are none."""
        if getattr(plug.params, "columns", None) != ():
            return plug
        kinds = registry.load("features", plug.use).KINDS
        names = [n for n in self.facts.free if self.facts.header[n].kind in kinds]
        names += [n for n in self.aliases] if "vector" in kinds else []
        if not names:
            return None
        return replace(plug, params=type(plug.params).model_validate({**_given(plug.params), "columns": names}))

    def _check_column(self, name: str, plug: Plug, *, feature: bool) -> None:
        facts, data = self.facts, self.recipe.data
        roles = {data.target: "the target", data.id: "the id", data.groups: "the groups", data.weight: "the weight"}
        roles |= {str(getattr(self.recipe.split.params, "column", None)): "the fold"}
        refused = {data.target, data.id} if not feature else set(roles)
        known = [*facts.free, *self.aliases]
        if name in refused:
            raise RecipeError(
                f"{roles[name]} column cannot be used here", place=self.recipe.document.place(plug.at), got=name
            )
        if name not in facts.header and name not in self.aliases:
            raise RecipeError(
                f"unknown column in {plug.use}",
                place=self.recipe.document.place(plug.at),
                got=name,
                allowed=known,
                next=nearest(name, known) or "kit check prints the columns",
            )
        if feature and name not in known:
            raise RecipeError(
                "the test file lacks this column, or it is dropped",
                place=self.recipe.document.place(plug.at),
                got=name,
                allowed=known,
            )

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

    def _code(self, plug: Plug) -> str:
        return registry.code_of(plug.kind, plug.use)


def _fingerprint(path: str) -> str:
    return fingerprint(Path(path))


def _task(task: Task) -> dict[str, Any]:
    return {"kind": task.kind, "objective": task.objective, "classes": list(task.classes), "positive": task.positive}


def _given(params: Params) -> dict[str, Any]:
    return {n: getattr(params, n) for n in type(params).model_fields if n != "columns"}
