"""Reads a recipe: checks it as a whole, gathering all errors before one is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from kit import chains, registry, search, targets
from kit.declaring import check_data, declared
from kit.errors import RecipeError
from kit.levels import circle
from kit.plugs import DEFAULT_STACKER, Plugs
from kit.recipe import Average, Blend, Model, Plug, Recipe
from kit.sections import DataSection, EvaluateSection, StopSection, SubmitSection
from kit.strictyaml import Document
from kit.types import TaskKind
from kit.wording import At, plural

TOP_LEVEL = (
    *("name", "data", "metric", "also", "task", "positive", "target_transform", "split", "seed", "stop", "columns"),
    *("augment", "features", "models", "blend", "submit", "evaluate", "missing", "weights", "refit"),
    "tune",
)
MODEL_KEYS = (
    *("use", "from", "features", "augment", "weights", "params", "seeds", "average", "target_transform", "stop"),
    "refit",
)


def read(document: Document, folder: Path, trust: bool = False) -> Recipe:
    """Return the checked recipe of a document; `trust`: whether it may run files of its own (`use: ./file.py`).

    Raises:
        RecipeError: with every problem found, each with its line.
    """
    reader = _Reader(document, folder, trust)
    recipe = reader.recipe(folder)
    chains.check(reader, *((recipe.models, recipe.blends) if recipe else ((), ())))
    tune = search.read(reader, recipe.models if recipe else ())
    if reader.problems or recipe is None:
        raise RecipeError.many(reader.in_order())
    return replace(recipe, tune=tune)


class _Reader(Plugs):
    """Walks a document once."""

    TOP_LEVEL = TOP_LEVEL
    refit = False  # where a recipe does not say it: models of a split by time have not seen the last rows

    def recipe(self, folder: Path) -> Recipe | None:
        top = self.document.value
        self.known(top, TOP_LEVEL, (), DataSection.model_fields)
        name = self._recipe_name(top)
        given = self.section(DataSection, top.get("data", {}), ("data",))
        data = given or DataSection()
        sets, augments = self._sets("features"), self._sets("augment")
        split, repeats, data = self._split(top.get("split", {}), data)
        self.refit, stop = split is not None and split.use == "time", self._stop(top.get("stop", {}), ("stop",))
        models = self._models(sets, augments, stop)
        blends = self._blends()
        self._levels(models, blends)
        check_data(self, given)
        metric, also = self._scoring(top)
        submit = self._submit(blends)
        columns = {k: p for k, v in self.map("columns").items() if (p := self.plug("features", v, ("columns", k)))}
        task, positive = self.choice("task", get_args(TaskKind), None), self._positive(top.get("positive"))
        evaluate = self._evaluate(top.get("evaluate", {}), blends)
        missing, seed = self.choice("missing", ("fail", "drop"), "fail"), self.int("seed", 0, 0)
        if self.problems or split is None:
            return None
        return Recipe(
            name=name,
            folder=folder,
            data=data,
            metric=str(metric),
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
            evaluate=evaluate,
            document=self.document,
        )

    # -- sections

    def _recipe_name(self, top: Mapping[str, Any]) -> str:
        name = top.get("name", targets.named(self.document))
        self.name(name, ("name",))
        return str(name)

    def _sets(self, kind: str) -> dict[str, tuple[Plug, ...]]:
        """Return the named lists of a section of features or augmenters."""
        return {key: self.plugs(kind, value, (kind, key)) for key, value in self.map(kind).items()}

    def _scoring(self, top: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
        """Check what is scored; return the metric and the secondary ones."""
        metric = self.metric(top.get("metric"), ("metric",))
        also = top.get("also", [])
        named = [also] if isinstance(also, Mapping) else also
        if not isinstance(named, list) or not all(isinstance(extra, str | Mapping) for extra in named):
            named = self.strings(also, ("also",), "a metric") or []
        extras = [self.metric(extra, ("also", i)) for i, extra in enumerate(named)]
        return metric, tuple(name for name in extras if name is not None)

    def _evaluate(self, value: Any, blends: Sequence[Blend]) -> EvaluateSection:
        """Return the declared test distribution."""
        known = [*self._section("models"), *(self._section("blend") or (b.name for b in blends))]
        return declared(self, value, known)

    def _positive(self, value: Any) -> str | int | float | bool | None:
        if value is None or isinstance(value, str | int | float | bool):
            return value
        self.add("positive must be one class of the target", ("positive",), got=value, next="positive: <class>")
        return None

    def _split(self, value: Any, data: DataSection) -> tuple[Plug | None, int, DataSection]:
        value = {"use": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            self.add("split must be a splitter's name or a mapping", ("split",), value, registry.names("splits"))
            return None, 1, data
        roles = {role: value[role] for role in ("groups", "time") if role in value}
        if "use" not in value and len(roles) == 2:
            advice = "use: time holds what is later, also of groups it knows; use: group holds whole groups"
            rule = "a split that names groups and time must say by `use` which of them it holds"
            self.add(rule, ("split",), "no `use`", ("time", "group", "stratified_group"), next=advice)
            value = {"use": "time", **value}
        elif "use" not in value:
            named = "".join(roles) or ("groups" if data.groups else "")
            value = {"use": {"groups": "group", "time": "time"}.get(named, "kfold"), **value}
        repeats = self.count(value.get("repeats", 1), ("split", "repeats"))
        rest = {k: v for k, v in value.items() if k not in ("groups", "time", "repeats")}
        for role, column in roles.items():
            other = getattr(data, role)
            if other not in (None, column):
                self.add(f"{role} is declared twice", ("split", role), got=column, allowed=f"{other} (data.{role})")
        return self.plug("splits", rest, ("split",)), repeats, data.model_copy(update=roles)

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
        default = sets or {"base": self.default_features(("models",))}
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
        plug = self.plug("models", {"use": value.get("use"), **(params or {})}, at, "params")
        sources = self._sources(value, (*at, "from"))
        features = self.refs(value.get("features", [] if sources else list(sets)), sets, "features", (*at, "features"))
        augment = self.refs(value.get("augment", []), augments, "augment", (*at, "augment"))
        weights = self.optional("weights", value, at)
        codec = self.optional("target_transform", value, at)
        seeds = self.count(value.get("seeds", 1), (*at, "seeds"))
        stops = self._stop(value.get("stop", {}), (*at, "stop"), stop)
        refit = self.flag(value.get("refit", self.document.value.get("refit", self.refit)), (*at, "refit"))
        average = cast(Average, value.get("average", "mean"))
        if average not in get_args(Average):
            self.add("unknown space to average seeds in", (*at, "average"), average, get_args(Average))
        if plug is None:
            return None
        return Model(name, plug, features, augment, weights, codec, seeds, stops, sources, refit, average)

    def _sources(self, value: Mapping[str, Any], at: At) -> tuple[str, ...]:
        """Return the models and blends whose OOFs a model sees; whether they exist is judged with all of them known."""
        sources = self.strings(value.get("from", []), at, "a model or blend") or []
        if sources and value.get("augment"):
            rule, advice = "a model over OOFs takes no synthetic rows: they have no OOF", "leave out augment"
            self.add(rule, (*at[:-1], "augment"), got=value["augment"], next=advice)
        return tuple(dict.fromkeys(sources))

    def _levels(self, models: Sequence[Model], blends: Sequence[Blend]) -> None:
        """Check that what models read exists and that nothing reads itself, directly or not."""
        known = [*self._section("models"), *(self._section("blend") or (b.name for b in blends))]
        lost = self.lost("models", TOP_LEVEL) or self.lost("blend", TOP_LEVEL)
        for model in models:
            for name in model.needs:
                at = ("models", model.name, model.names_in(name))
                if name not in known and not lost:
                    self.add("unknown source", at, name, known, (name, known), "name a model or a blend")
        entries = {m.name: m.needs for m in models} | {b.name: b.needs for b in blends}
        if found := circle(entries):
            rule = "models and blends read each other in a circle"
            self.add(rule, ("models", next(n for n in found if n in self._section("models"))), got=" -> ".join(found))

    def _blends(self) -> tuple[Blend, ...]:
        models = list(self._section("models"))
        found = self.map("blend")
        if not found and len(models) > 1 and "blend" not in self.document.value:
            found = {"blend": {"use": DEFAULT_STACKER}}
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
        plug = self.plug("stackers", {k: v for k, v in value.items() if k != "from"}, at)
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
        return Blend(name, self._placed(plug, sources, at), tuple(sources))

    def _placed(self, plug: Plug, sources: Sequence[str], at: At) -> Plug:
        """Return the stacker, names of sources in its params replaced by their places: names stay out of keys."""
        placed = getattr(plug.params, "placed", None)
        try:
            return plug if placed is None else replace(plug, params=placed(sources))
        except ValueError as error:
            self.add(str(error), at)
            return plug

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
