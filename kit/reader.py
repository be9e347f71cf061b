"""Reads a recipe: checks it as a whole, gathering all errors before one is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit import registry
from kit.errors import RecipeError
from kit.params import Params
from kit.problems import At, Checks
from kit.recipe import Blend, DataSection, Model, Plug, Recipe, StopSection, SubmitSection
from kit.strictyaml import Document

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
        raise RecipeError.many(reader.problems)
    return recipe


class _Reader(Checks):
    """Walks a document once."""

    def recipe(self, folder: Path) -> Recipe | None:
        top = self.document.value
        self.known(top, TOP_LEVEL, ())
        name = top.get("name", Path(self.document.path).name.removesuffix(".yaml").removesuffix(".yml"))
        self.name(name, ("name",))
        data = self.section(DataSection, top.get("data", {}), ("data",)) or DataSection()
        sets = {key: self._plugs("features", value, ("features", key)) for key, value in self.map("features").items()}
        augments = {key: self._plugs("augment", value, ("augment", key)) for key, value in self.map("augment").items()}
        split, repeats, data = self._split(top.get("split", "kfold"), data)
        stop = self._stop(top.get("stop", {}), ("stop",))
        models = self._models(sets, augments, stop)
        blends = self._blends([m.name for m in models])
        self._data(data)
        also = self._scoring(top)
        submit = self._submit(models, blends)
        columns = {k: p for k, v in self.map("columns").items() if (p := self._plug("features", v, ("columns", k)))}
        task = self.choice("task", ("regression", "binary", "multiclass"), None)
        seed, missing = self.int("seed", 0, 0), self.choice("missing", ("fail", "drop"), "fail")
        if self.problems or split is None:
            return None
        return Recipe(
            name=name,
            folder=folder,
            data=data,
            metric=top["metric"],
            also=also,
            task=task,
            positive=top.get("positive"),
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
        also = top.get("also", [])
        also = [also] if isinstance(also, str) else also
        if not isinstance(also, list):
            self.add("also must be a list of metrics", ("also",), got=also)
            also = []
        for i, extra in enumerate(also):
            self.metric(extra, ("also", i))
        if top.get("evaluate", {"target": "train"}) != {"target": "train"}:
            self.add("only the training distribution can be declared", ("evaluate",), allowed="{target: train}")
        return tuple(also)

    def _data(self, data: DataSection) -> None:
        if (data.train is None) == (data.source is None):
            self.add("data needs either a train file or a source", ("data",), next="data: {train: train.csv, ...}")
        if data.test is not None and data.holdout is not None:
            self.add("a test file and a holdout exclude each other", ("data", "holdout"))
        if data.target in data.drop:
            self.add("the target cannot be dropped", ("data", "drop"), got=data.target)

    def _split(self, value: Any, data: DataSection) -> tuple[Plug | None, int, DataSection]:
        value = {"use": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            self.add("split must be a splitter's name or a mapping", ("split",), got=value)
            return None, 1, data
        roles = {role: value[role] for role in ("groups", "time") if role in value}
        repeats = value.get("repeats", 1)
        if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
            self.add("repeats must be a positive whole number", ("split", "repeats"), got=repeats)
            repeats = 1
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
        if not found:
            self.add("a recipe needs at least one model", ("models",), next="models: {lgbm: {use: lightgbm}}")
        default = sets or {"base": tuple(self._bare("features", use, ("models",)) for use in ("numeric", "category"))}
        models = []
        for name, entry in found.items():
            at = ("models", name)
            self.name(name, at)
            value = {"use": entry} if isinstance(entry, str) else entry
            if not isinstance(value, Mapping):
                self.add("a model is a mapping or a learner's name", at, got=value)
                continue
            self.known(value, MODEL_KEYS, at)
            params = value.get("params") or {}
            if not isinstance(params, Mapping):
                self.add("params must be a mapping", (*at, "params"), got=params)
                params = {}
            plug = self._plug("models", {"use": value.get("use"), **params}, at, "params")
            features = self._refs(value.get("features", list(default)), default, "feature set", (*at, "features"))
            augment = self._refs(value.get("augment", []), augments, "augmentation", (*at, "augment"))
            if plug is not None:
                models.append(
                    Model(
                        name,
                        plug,
                        features,
                        augment,
                        self._optional("weights", value, at),
                        self._optional("target_transform", value, at),
                        self.count(value.get("seeds", 1), (*at, "seeds")),
                        self._stop(value.get("stop", {}), (*at, "stop"), stop),
                    )
                )
        return tuple(models)

    def _optional(self, key: str, value: Mapping[str, Any], at: At) -> Plug | None:
        """Return the plug-in a model names under `key`, or the recipe's own, or None."""
        kind = {"weights": "weights", "target_transform": "codecs"}[key]
        if key in value:
            return self._plug(kind, value[key], (*at, key))
        top = self.document.value
        return self._plug(kind, top[key], (key,)) if key in top else None

    def _blends(self, models: Sequence[str]) -> tuple[Blend, ...]:
        found = self.map("blend")
        if not found and len(models) > 1 and "blend" not in self.document.value:
            found = {"blend": {"use": "hill_climb"}}
        blends: list[Blend] = []
        for name, entry in found.items():
            at = ("blend", name)
            self.name(name, at)
            if name in models:
                self.add("models and blends share one namespace", at, got=name, next="choose another name")
            value = {"use": entry} if isinstance(entry, str) else entry
            if not isinstance(value, Mapping):
                self.add("a blend is a mapping or a stacker's name", at, got=value)
                continue
            known = [*models, *(b.name for b in blends)]
            sources = value.get("from", list(models))
            sources = [sources] if isinstance(sources, str) else sources
            for source in sources:
                if source not in known:
                    self.add("unknown source", (*at, "from"), got=source, allowed=known, near=(str(source), known))
            plug = self._plug("stackers", {k: v for k, v in value.items() if k != "from"}, at)
            if plug is not None:
                least, most = registry.load("stackers", plug.use).SOURCES
                if not least <= len(sources) <= most:
                    self.add(f"{plug.use} takes {least} to {most} sources", (*at, "from"), got=len(sources))
                blends.append(Blend(name, plug, tuple(sources)))
        return tuple(blends)

    def _submit(self, models: Sequence[Model], blends: Sequence[Blend]) -> str | None:
        section = self.section(SubmitSection, self.document.value.get("submit", {}), ("submit",)) or SubmitSection()
        known = [*(m.name for m in models), *(b.name for b in blends)]
        if section.from_ is not None and section.from_ not in known:
            near = (section.from_, known)
            self.add("unknown model or blend", ("submit", "from"), got=section.from_, allowed=known, near=near)
        return section.from_ or (known[-1] if known else None)

    # -- plug-ins

    def _refs(self, value: Any, known: Mapping[str, tuple[Plug, ...]], what: str, at: At) -> tuple[Plug, ...]:
        """Return the plug-ins of the named sets; a bare plug-in name is taken where no set has that name."""
        kind = "features" if what == "feature set" else "augment"
        plugs: list[Plug] = []
        for name in [value] if isinstance(value, str) else value:
            if name in known:
                plugs.extend(known[name])
            elif name in registry.names(kind):
                plugs.append(self._bare(kind, name, at))
            else:
                self.add(f"unknown {what}", at, got=name, allowed=known, near=(str(name), known))
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
            self.add(f"a {registry.KINDS[kind]} is named by `use`", at, got=value, allowed=registry.names(kind))
            return None
        use = str(value["use"])
        try:
            cls: type[Params] = registry.load(kind, use).Params
        except RecipeError as error:
            self.problems += [replace(p, place=self.document.place((*at, "use"))) for p in error.problems]
            return None
        rest = {k: v for k, v in value.items() if k != "use"}
        known = cls.known_names()
        path = (*at, below) if below else at
        unknown = [k for k in rest if k not in known]
        for key in unknown:
            self.add(f"unknown parameter of {use}", (*path, key), got=key, allowed=known, near=(str(key), known))
        checked = self.validated(cls, {k: v for k, v in rest.items() if k not in unknown}, path)
        return Plug(kind, use, checked, at) if checked is not None else None
