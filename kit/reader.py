"""Reads a recipe: checks it as a whole, gathering all errors before one is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit import registry
from kit.errors import RecipeError
from kit.params import Params
from kit.problems import Checks
from kit.recipe import Blend, DataSection, Model, Plug, Recipe, StopSection, SubmitSection
from kit.strictyaml import Document
from kit.wording import At, plural

TOP_LEVEL = (
    *("name", "data", "metric", "also", "task", "positive", "target_transform", "split", "seed", "stop", "columns"),
    *("augment", "features", "models", "blend", "submit", "evaluate", "missing", "weights"),
)
MODEL_KEYS = ("use", "features", "augment", "weights", "params", "seeds", "target_transform", "stop")


def read(document: Document, folder: Path) -> Recipe:
    """Return the checked recipe of a document.

    Raises:
        RecipeError: with every problem found, each with its line.
    """
    reader = _Reader(document)
    recipe = reader.recipe(folder)
    if reader.problems or recipe is None:
        raise RecipeError.many(reader.in_order())
    return recipe


class _Reader(Checks):
    """Walks a document once."""

    def recipe(self, folder: Path) -> Recipe | None:
        top = self.document.value
        self.known(top, TOP_LEVEL, ())
        name = top.get("name", Path(self.document.path).name.removesuffix(".yaml").removesuffix(".yml"))
        self.name(name, ("name",))
        given = self.section(DataSection, top.get("data", {}), ("data",))
        data = given or DataSection()
        sets = {key: self._plugs("features", value, ("features", key)) for key, value in self.map("features").items()}
        augments = {key: self._plugs("augment", value, ("augment", key)) for key, value in self.map("augment").items()}
        split, repeats, data = self._split(top.get("split", "kfold"), data)
        stop = self._stop(top.get("stop", {}), ("stop",))
        models = self._models(sets, augments, stop)
        blends = self._blends()
        self._data(given)
        also = self._scoring(top)
        submit = self._submit(blends)
        columns = {k: p for k, v in self.map("columns").items() if (p := self._plug("features", v, ("columns", k)))}
        task = self.choice("task", ("regression", "binary", "multiclass"), None)
        seed, missing = self.int("seed", 0, 0), self.choice("missing", ("fail", "drop"), "fail")
        positive = self._positive(top.get("positive"))
        if self.problems or split is None:
            return None
        return Recipe(
            name=name,
            folder=folder,
            data=data,
            metric=top["metric"],
            also=also,
            task=task,
            positive=positive,
            split=split,
            repeats=repeats,
            seed=seed,
            columns=columns,
            models=models,
            blends=blends,
            submit=submit,
            missing=missing,
            document=self.document,
        )

    # -- sections

    def _scoring(self, top: Mapping[str, Any]) -> tuple[str, ...]:
        """Check what is scored; return the secondary metrics."""
        self.metric(top.get("metric"), ("metric",))
        also = self.strings(top.get("also", []), ("also",), "a metric") or []
        for i, extra in enumerate(also):
            self.metric(extra, ("also", i))
        if top.get("evaluate", {"target": "train"}) != {"target": "train"}:
            self.add("only the training distribution can be declared", ("evaluate",), allowed="{target: train}")
        return tuple(also)

    def _positive(self, value: Any) -> str | int | float | bool | None:
        if value is None or isinstance(value, str | int | float | bool):
            return value
        self.add("positive must be one class of the target", ("positive",), got=value, next="positive: <class>")
        return None

    def _data(self, data: DataSection | None) -> None:
        if data is None:
            return
        if (data.train is None) == (data.source is None):
            self.add("data needs either a train file or a source", ("data",), next="data: {train: train.csv, ...}")
        if data.test is not None and data.holdout is not None:
            advice = "leave out one of them"
            self.add("a test file and a holdout exclude each other", ("data", "holdout"), data.holdout, next=advice)
        if data.target in data.drop:
            self.add("the target cannot be dropped", ("data", "drop"), got=data.target, next="take it out of drop")

    def _split(self, value: Any, data: DataSection) -> tuple[Plug | None, int, DataSection]:
        value = {"use": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            known = registry.names("splits")
            self.add("split must be a splitter's name or a mapping", ("split",), got=value, allowed=known)
            return None, 1, data
        roles = {role: value[role] for role in ("groups", "time") if role in value}
        repeats = self.count(value.get("repeats", 1), ("split", "repeats"))
        rest = {k: v for k, v in value.items() if k not in ("groups", "time", "repeats")}
        for role, column in roles.items():
            other = getattr(data, role)
            if other not in (None, column):
                self.add(f"{role} is declared twice", ("split", role), got=column, allowed=f"{other} (data.{role})")
        return self._plug("splits", rest, ("split",)), repeats, data.model_copy(update=roles)

    def _stop(self, value: Any, at: At, base: StopSection | None = None) -> StopSection:
        value = {"use": value} if isinstance(value, str) else value
        section = self.section(StopSection, value, at) or StopSection()
        return base.model_copy(update=section.model_dump(exclude_unset=True)) if base else section

    def _models(
        self,
        sets: Mapping[str, tuple[Plug, ...]],
        augments: Mapping[str, tuple[Plug, ...]],
        stop: StopSection,
    ) -> tuple[Model, ...]:
        found = self.map("models")
        if not found and not self.lost("models", TOP_LEVEL):
            self.add("a recipe needs at least one model", ("models",), next="models: {lgbm: {use: lightgbm}}")
        default = sets or {"base": tuple(self._bare("features", use, ("models",)) for use in ("numeric", "category"))}
        models = [self._model(name, entry, default, augments, stop) for name, entry in found.items()]
        return tuple(m for m in models if m is not None)

    def _model(
        self,
        name: str,
        entry: Any,
        sets: Mapping[str, tuple[Plug, ...]],
        augments: Mapping[str, tuple[Plug, ...]],
        stop: StopSection,
    ) -> Model | None:
        at = ("models", name)
        self.name(name, at)
        value = {"use": entry} if isinstance(entry, str) else entry
        if not isinstance(value, Mapping):
            known = registry.names("models")
            self.add("a model is a mapping or a learner's name", at, got=value, allowed=known, next="{use: lightgbm}")
            return None
        self.known(value, MODEL_KEYS, at)
        params = value.get("params", {})
        if params is not None and not isinstance(params, Mapping):
            self.add("params must be a mapping", (*at, "params"), got=params)
            params = {}
        plug = self._plug("models", {"use": value.get("use"), **(params or {})}, at, "params")
        features = self._refs(value.get("features", list(sets)), sets, "features", (*at, "features"))
        augment = self._refs(value.get("augment", []), augments, "augment", (*at, "augment"))
        weights = self._optional("weights", value, at)
        codec = self._optional("target_transform", value, at)
        seeds = self.count(value.get("seeds", 1), (*at, "seeds"))
        stops = self._stop(value.get("stop", {}), (*at, "stop"), stop)
        return Model(name, plug, features, augment, weights, codec, seeds, stops) if plug is not None else None

    def _optional(self, key: str, value: Mapping[str, Any], at: At) -> Plug | None:
        """Return the plug-in a model names under `key`, or the recipe's own, or None."""
        kind = {"weights": "weights", "target_transform": "codecs"}[key]
        if key in value:
            return self._plug(kind, value[key], (*at, key))
        top = self.document.value
        return self._plug(kind, top[key], (key,)) if key in top else None

    def _blends(self) -> tuple[Blend, ...]:
        models = list(self._section("models"))
        found = self.map("blend")
        if not found and len(models) > 1 and "blend" not in self.document.value:
            found = {"blend": {"use": "hill_climb"}}
        known = list(models)
        blends: list[Blend] = []
        for name, entry in found.items():
            at = ("blend", name)
            self.name(name, at)
            if name in models:
                self.add("models and blends share one namespace", at, got=name, next="choose another name")
            blend = self._blend(name, entry, known, found)
            known.append(name)
            blends += [blend] if blend is not None else []
        return tuple(blends)

    def _blend(self, name: str, entry: Any, known: Sequence[str], blends: Mapping[str, Any]) -> Blend | None:
        """Return a blend; `known` are the models and the blends before it, whether or not they have mistakes."""
        at = ("blend", name)
        value = {"use": entry} if isinstance(entry, str) else entry
        if not isinstance(value, Mapping):
            stackers = registry.names("stackers")
            self.add("a blend is a mapping or a stacker's name", at, got=value, allowed=stackers, next="{use: mean}")
            return None
        plug = self._plug("stackers", {k: v for k, v in value.items() if k != "from"}, at)
        here = (*at, "from")
        models = list(self._section("models"))
        sources = self.strings(value.get("from", models), here, "a model or blend")
        if sources is None:
            return None
        for source in sources:
            if source not in known and not self.lost("models", TOP_LEVEL):
                late = source in blends and source != name
                next = f"write {source} before {name}" if late else "name a model, or a blend above this one"
                near = None if late else (source, known)
                self.add("unknown source", here, got=source, allowed=known, near=near, next=next)
        if plug is None:
            return None
        least, most = registry.load("stackers", plug.use).SOURCES
        if not least <= len(sources) <= most and (models or "from" in value):
            count = f"exactly {plural(least, 'source')}" if least == most else f"at least {plural(least, 'source')}"
            got = f"{len(sources)}: {', '.join(sources)}" if sources else "none"
            self.add(f"{plug.use} takes {count}", here, got=got, next=f"from: {(sources or models)[0]}")
        return Blend(name, plug, tuple(sources))

    def _submit(self, blends: Sequence[Blend]) -> str | None:
        section = self.section(SubmitSection, self.document.value.get("submit", {}), ("submit",)) or SubmitSection()
        models, mixed = self._section("models"), self._section("blend")
        known = [*models, *(mixed or (b.name for b in blends))]
        lost = self.lost("models", TOP_LEVEL) or self.lost("blend", TOP_LEVEL)
        if section.from_ is not None and section.from_ not in known and not lost:
            near = (str(section.from_), known)
            self.add("unknown model or blend", ("submit", "from"), section.from_, known, near, "name one of these")
        return section.from_ or (known[-1] if known else None)

    def _section(self, key: str) -> Mapping[str, Any]:
        """Return the names a section declares, whether or not what they stand for has mistakes."""
        value = self.document.value.get(key)
        return value if isinstance(value, Mapping) else {}

    # -- plug-ins

    def _refs(self, value: Any, known: Mapping[str, tuple[Plug, ...]], kind: str, at: At) -> tuple[Plug, ...]:
        """Return the plug-ins of the named sets; a bare plug-in name is taken where no set has that name."""
        what = {"features": "feature set", "augment": "augmentation"}[kind]
        plugs: list[Plug] = []
        for name in self.strings(value, at, f"a {what}" if kind == "features" else f"an {what}") or []:
            if name in known:
                plugs.extend(known[name])
            elif name in registry.names(kind):
                plugs.append(self._bare(kind, name, at))
            elif not self.lost(kind, TOP_LEVEL):
                allowed = [*known, *registry.names(kind)]
                self.add(f"unknown {what}", at, name, allowed, (name, allowed), f"declare it under {kind}")
        return tuple(plugs)

    def _plugs(self, kind: str, value: Any, at: At) -> tuple[Plug, ...]:
        items = value if isinstance(value, list) else [value]
        plugs = [self._plug(kind, item, (*at, i) if isinstance(value, list) else at) for i, item in enumerate(items)]
        return tuple(p for p in plugs if p is not None)

    def _bare(self, kind: str, use: str, at: At) -> Plug:
        return Plug(kind, use, registry.load(kind, use).Params(), at)

    def _plug(self, kind: str, value: Any, at: At, below: str = "") -> Plug | None:
        """Return the checked plug-in of a mapping {use: name, params...}; params stand under `below` if given."""
        value = {"use": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping) or not isinstance(value.get("use"), str):
            got = value.get("use") if isinstance(value, Mapping) else value
            names = registry.names(kind)
            self.add(f"a {registry.KINDS[kind]} is named by `use`", at, got=got, allowed=names, next="use: <name>")
            return None
        use = str(value["use"])
        if use.endswith(".py"):
            advice = "put the file into the folder of its kind in kit/, where it is a plug-in by its name"
            self.add("a recipe may not run code of its own", (*at, "use"), use, registry.names(kind), next=advice)
            return None
        try:
            cls: type[Params] = registry.load(kind, use).Params
        except RecipeError as error:
            line, excerpt = self.document.place((*at, "use")), self.document.excerpt((*at, "use"))
            self.problems += [replace(p, place=line, excerpt=excerpt) for p in error.problems]
            return None
        rest = {k: v for k, v in value.items() if k != "use"}
        known = [name for name in cls.known_names() if name != "native"]
        path = (*at, below) if below else at
        unknown = [k for k in rest if k not in known and not (k == "native" and cls.NATIVE)]
        for key in unknown:
            self.add(f"unknown parameter of {use}", (*path, key), got=key, allowed=known, near=(str(key), known))
        checked = self.validated(cls, {k: v for k, v in rest.items() if k not in unknown}, path)
        return Plug(kind, use, checked, at) if checked is not None else None
