"""compile(recipe, facts) -> Plan: what would be done, as stages with keys. Pure: nothing is read, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from kit import bins, crossfit, evaluate, evaluating, leeway, oof, panel, ranking, registry, sample
from kit.canon import code_file, key_of
from kit.design import scope_of
from kit.errors import DataError, RecipeError
from kit.facts import Facts
from kit.fitplan import adds, ingredients, own_file, task_dict, transductive
from kit.folding import dump
from kit.recipe import Blend, Model, Plug, Recipe
from kit.resolving import Needs, Resolver
from kit.sections import STARRED
from kit.stackers import _even
from kit.stage import Stage
from kit.wording import placed


@dataclass(frozen=True)
class Plan:
    """Stages in an order in which each comes after its inputs.

    `oofs`: model or blend -> key of its OOF stage. `submit`: key or None.
    `names`: alias of a computed column -> its name. `v_key`: stage of the scoring weights where a test distribution is
    declared, else None.
    """

    stages: tuple[Stage, ...]
    oofs: Mapping[str, str]
    submit: str | None
    folds_key: str
    names: Mapping[str, str]
    v_key: str | None = None

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
        self.v_key: str | None = None

    def plan(self) -> Plan:
        recipe, facts = self.recipe, self.facts
        ranking.check(recipe)
        self._given()
        for name, plug in recipe.columns.items():
            self._column(name, plug)
        folds_key = facts.folds_key
        oofs: dict[str, str] = {}
        named = recipe.evaluate.model
        if recipe.evaluate.target != "train" and named is None:
            self.v_key = self._evaluate(None)
        for entry in recipe.ordered(first=named):
            if isinstance(entry, Model):
                oofs[entry.name] = self._model(entry, folds_key)
            else:
                oofs[entry.name] = self._blend(entry, [oofs[s] for s in entry.sources], folds_key)
            self.names.add_source(entry.name, oofs[entry.name])
            if entry.name == named:
                self.v_key = self._evaluate(oofs[named])
        submit = None
        if recipe.submit is not None and facts.n_test:
            submit = self._submit(oofs[recipe.submit])
        return Plan(tuple(self.stages.values()), oofs, submit, folds_key, self.names.shown(), self.v_key)

    # -- stages

    def _add(self, name: str, made: Mapping[str, Any], inputs: Sequence[str], **local: Any) -> str:
        key = key_of(made)
        needs = ("model",) if self.keep and made["verb"] in ("fit", "refit") else ()
        local = {"table": self.facts.table_key, "rows": self.facts.rows_key, "files": {}, **local}
        self.stages.setdefault(key, Stage(name, str(made["verb"]), key, made, tuple(inputs), local, needs))
        return key

    def _column(self, name: str, plug: Plug) -> None:
        module, place = registry.load("features", plug.use), self.recipe.document.place(plug.at)
        scope = scope_of(plug.use, plug.params)
        if scope == "fold":
            raise RecipeError(
                f"{plug.use} learns from the rows of a fold and cannot stand under columns",
                place=place,
                next="move it to features, where it is rebuilt inside the fold",
            )
        if getattr(module, "TOKENS", False):
            rule = f"{plug.use} cannot stand under columns"
            advice = "move it to the features of a model that trains a text model"
            raise RecipeError(rule, place=place, next=advice)
        filled = self.names.filled(plug)
        if filled is None:
            kinds = " or ".join(module.KINDS)
            raise RecipeError(f"{plug.use} finds no {kinds} column", place=place, next=f"leave {name} out")
        kind = self.names.kind(filled)
        key, of_table = self._computed(name, filled)
        alias = self.names.add_computed(name, key, kind)
        if of_table:
            self.names.of_table.add(alias)

    def _computed(self, name: str, filled: Plug, *, feature: bool = False) -> tuple[str, bool]:
        """Return the stage of a computed column, and whether it is learnt over train and test."""
        module, needs = registry.load("features", filled.use), Needs()
        spec = self.names.resolved(filled, needs, feature=feature)
        made = {"verb": "column", "feature": spec, "seed": self.recipe.seed, "task": task_dict(self.facts.task)}
        columns = self.names.computed(needs)
        made |= {"x": self.names.content(needs), "columns": columns, "libs": registry.versions((*module.LIBS, "numpy"))}
        if self.device in getattr(module, "DEVICES", ()):
            made["device"] = self.device
        key = self._add(f"column {name}", made, list(columns.values()), files=needs.files)
        of_table = scope_of(filled.use, filled.params) == "table" or self.names.of_table & columns.keys()
        return key, bool(of_table)

    def _once(self, model: Model) -> None:
        """Make computed columns of features that are dear and the same in every fold.

        Not where rows are made up: theirs come from columns that an augmenter may change.
        """
        for plug in () if model.augment else model.features:
            module = registry.load("features", plug.use)
            filled = self.names.filled(plug) if hasattr(module, "once") and module.once(plug.params) else None
            if filled is not None and not self.names.known_once(filled):
                name = f"{plug.use}({', '.join(getattr(filled.params, 'columns', ()))})"
                key, of_table = self._computed(name, filled, feature=True)
                self.names.add_once(name, filled, key, of_table)

    def _given(self) -> None:
        """Add the stages that are carried out before there is a plan: a plan depends on what they say."""
        facts = self.facts
        for verb, key in (("table", facts.table_key), ("rows", facts.rows_key), ("folds", facts.folds_key)):
            self.stages[key] = Stage(verb, verb, key, {"verb": verb}, (), {})

    def _evaluate(self, source: str | None) -> str:
        """Return the stage of the scoring weights under the declared test distribution."""
        section = self.recipe.evaluate.named()
        try:
            evaluating.check(self.recipe.evaluate.model_dump(mode="json"), self.facts.task, self.facts.n_test)
        except DataError as error:
            raise placed(error, self.recipe.document, ("evaluate",)) from error
        made: dict[str, Any] = {
            "verb": "evaluate",
            "evaluate": section,
            "source": source,
            "task": task_dict(self.facts.task),
        }
        made |= {"target": dict(self.facts.digests), "code": [code_file(m) for m in (evaluate, bins)]}
        made |= {"folds": self.facts.folds_key}
        made |= {"libs": registry.versions(("numpy", "scipy")), **({"leeway": code_file(leeway)} if source else {})}
        return self._add("evaluate", made, [source] if source else [])

    def _model(self, model: Model, folds_key: str) -> str:
        self._once(model)
        base, files = ingredients(model, self.recipe, self.facts, self.names, (self.device, self.v_key))
        policy = base["stop"]["use"]
        estimated = (base["wanted"] or {}).get("estimated")
        taught = base.get("taught", {}).values()
        inputs = [folds_key, *base["columns"].values(), *taught, *([estimated] if estimated else [])]
        curves = self._curves(model, base, inputs, files) if policy == "pooled" else []
        fits = []
        for k in range(self.facts.n_folds):
            seeds = []
            for s in range(model.seeds):
                made: dict[str, Any] = {**base, "verb": "fit", "fold": k, "seed_index": s}
                made |= {"curves": curves} if curves else {}
                name = f"fit {model.name} fold {k} seed {s}"
                seeds.append(self._add(name, made, [*inputs, *curves], files=files, model=model.name))
            fits.append(seeds)
        refits = self._refits(model, base, inputs, fits, files) if model.refit and self.facts.n_test else []
        made = {"verb": "oof", "fits": fits, "folds": folds_key, "task": task_dict(self.facts.task)}
        made |= {
            "peeked": policy in STARRED,
            "transductive": transductive(model, self.names, base["columns"]) or estimated is not None,
            "code": code_file(oof),
        }
        made |= {"sources": [self.names.keys[self.names.source(name)] for name in model.needs]}
        made |= {"refits": refits, "average": model.average}
        made |= {"unscaled": True} if ranking.ranks(model) else {}
        if (source := adds(model)) is not None:
            made |= {"over": self.names.keys[self.names.source(source)]}
        return self._add(f"oof {model.name}", made, [folds_key, *(key for seeds in fits for key in seeds), *refits])

    def _curves(self, model: Model, base: dict[str, Any], inputs: list[str], files: dict[str, str]) -> list[str]:
        """Return the stages of policy `pooled` that look how each fold's loss runs."""
        made = {**base, "verb": "curve", "seed_index": 0}
        return [
            self._add(f"curve {model.name} fold {k}", {**made, "fold": k}, inputs, files=files, model=model.name)
            for k in range(self.facts.n_folds)
        ]

    def _refits(
        self, model: Model, base: dict[str, Any], inputs: list[str], fits: list[list[str]], files: dict[str, str]
    ) -> list[str]:
        """Return the stages, one per seed, that train on all rows for as many steps as the folds' models took."""
        found = []
        for s in range(model.seeds):
            of_seed = [seeds[s] for seeds in fits]
            made = {**base, "verb": "refit", "fold": self.facts.n_folds, "seed_index": s, "fits": of_seed}
            name = f"refit {model.name} seed {s}"
            found.append(self._add(name, made, [*inputs, *of_seed], files=files, model=model.name))
        return found

    def _blend(self, blend: Blend, sources: Sequence[str], folds_key: str) -> str:
        module = registry.load("stackers", blend.plug.use)
        if self.facts.task.kind not in module.TASKS:
            raise RecipeError(
                f"{blend.plug.use} does not fit a {self.facts.task.kind} task",
                place=self.recipe.document.place(blend.plug.at),
                allowed=module.TASKS,
            )
        needs = Needs()
        plug = self._with_key(blend)
        spec = self.names.resolved(plug, needs)
        metric = self.recipe.metric
        needs.files.update(own_file("metrics", metric))
        registry.refuse_groups(blend.plug.use, metric, self.recipe.document.place(blend.plug.at))
        made: dict[str, Any] = {"verb": "blend", "stacker": spec, "sources": list(sources)}
        made |= {"metric": registry.keyed("metrics", metric), "metric_code": registry.code_of("metrics", metric)}
        made |= {"code": [code_file(m) for m in (crossfit, panel, _even)]}
        made |= {"libs": registry.versions((*module.LIBS, "numpy")), "task": task_dict(self.facts.task)}
        made |= {"seed": self.recipe.seed, "folds": folds_key, "target": dict(self.facts.digests)}
        columns = self.names.computed(needs)
        made |= {"x": self.names.content(needs), "columns": columns} if needs.columns else {}
        made |= {"by": dict(self.facts.by)} if registry.metric(metric).within else {}
        why = f" ({plug.use} for {registry.shown(metric)})" if blend.name == self.recipe.added else ""
        made |= {"v": self.v_key}
        if self.v_key and self.recipe.evaluate.model is not None and registry.learns(plug.use):
            made |= {"transductive": True}
        inputs = [*sources, *columns.values(), *([self.v_key] if self.v_key else [])]
        return self._add(f"blend {blend.name}{why}", made, inputs, files=needs.files, sources=list(blend.sources))

    def _with_key(self, blend: Blend) -> Plug:
        """Return the stacker; one that goes by a key and names none goes by the groups."""
        plug, groups = blend.plug, self.recipe.data.groups
        if not getattr(registry.load("stackers", plug.use), "NEEDS_KEY", False) or plug.params.key is not None:  # type: ignore[attr-defined]
            return plug
        if groups is None:
            rule, advice = f"{plug.use} needs a column to go by", "key: <column>, or data: {groups: <column>}"
            raise placed(RecipeError(rule, next=advice), self.recipe.document, plug.at)
        return replace(plug, params=type(plug.params).model_validate({**dump(plug.params), "key": groups}))

    def _submit(self, source: str) -> str:
        metric = self.recipe.metric
        made: dict[str, Any] = {"verb": "submit", "source": source, "metric": registry.keyed("metrics", metric)}
        made |= {"task": task_dict(self.facts.task)}
        made |= {"layout": self.facts.sample.as_dict(), "ids": self.facts.submitted}
        made |= {"code": [code_file(sample), registry.code_of("metrics", metric)]}
        return self._add("submit", made, [source], files=own_file("metrics", metric))
