"""Checks of the plug-ins a recipe uses: names, files of the user's own, parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from kit import grouped, judged, registry
from kit.errors import Problem, RecipeError
from kit.params import Params
from kit.problems import Checks
from kit.recipe import Plug
from kit.strictyaml import Document
from kit.wording import At

CALL = re.compile(r"([a-z]\w*)\(([a-z0-9][a-z0-9_-]*)\)\Z")
"""`log_residual(lgbm)`: a target transform of a source."""


UNTRUSTED = "the recipe runs code of its own, which must be trusted"

DEFAULT_STACKER = "shrunk"
"""What blends where nothing is said: the best on held parts of ten sets, for 2 sources as for 45 (docs/blending.md)."""

DEFAULT_FEATURES: dict[str, dict[str, Any]] = {
    **{"numeric": {}, "category": {}, "dates": {}, "text_stats": {}},
    **{"tfidf": {"no_terms": "zero"}, "parts": {}},
}
"""What models read where a recipe declares no features: each takes the columns of its kind, if there are any."""


class Plugs(Checks):
    """Checks of a document in `folder`; `trust`: whether it may run files of its own."""

    TOP_LEVEL: ClassVar[tuple[str, ...]] = ()

    def __init__(self, document: Document, folder: Path, trust: bool) -> None:
        super().__init__(document)
        self.folder, self.trust = folder, trust

    def refs(self, value: Any, known: Mapping[str, tuple[Plug, ...]], kind: str, at: At) -> tuple[Plug, ...]:
        """Return the plug-ins of the named sets; a bare plug-in name is taken where no set has that name."""
        what = {"features": "feature set", "augment": "augmentation"}[kind]
        plugs: list[Plug] = []
        for name in self.strings(value, at, f"a {what}" if kind == "features" else f"an {what}") or []:
            if name in known:
                plugs.extend(known[name])
            elif name in registry.names(kind):
                plugs += [plug] if (plug := self.plug(kind, {"use": name}, at)) is not None else []
            elif not self.lost(kind, self.TOP_LEVEL):
                allowed = [*known, *registry.names(kind)]
                self.add(f"unknown {what}", at, name, allowed, (name, allowed), f"declare it under {kind}")
        return tuple(plugs)

    def plugs(self, kind: str, value: Any, at: At) -> tuple[Plug, ...]:
        """Return the checked plug-ins of a list, or of one entry alone."""
        items = value if isinstance(value, list) else [value]
        plugs = [self.plug(kind, item, (*at, i) if isinstance(value, list) else at) for i, item in enumerate(items)]
        return tuple(p for p in plugs if p is not None)

    def bare(self, kind: str, use: str, at: At) -> Plug:
        """Return a plug-in with its defaults."""
        return Plug(kind, use, registry.load(kind, use).Params(), at)

    def default_features(self, at: At) -> tuple[Plug, ...]:
        """Return the features of a recipe that declares none."""
        modules = {use: registry.load("features", use) for use in DEFAULT_FEATURES}
        return tuple(Plug("features", use, modules[use].Params(**given), at) for use, given in DEFAULT_FEATURES.items())

    def optional(self, key: str, value: Mapping[str, Any], at: At) -> Plug | None:
        """Return the plug-in a model names under `key`, or the recipe's own, or None."""
        kind = {"weights": "weights", "target_transform": "codecs"}[key]
        if key in value:
            return self.plug(kind, value[key], (*at, key))
        top = self.document.value
        return self.plug(kind, top[key], (key,)) if key in top else None

    def plug(self, kind: str, value: Any, at: At, below: str = "") -> Plug | None:
        """Return the checked plug-in of a mapping {use: name, params...}; params stand under `below` if given."""
        value = _in_full(kind, value)
        if not isinstance(value, Mapping) or not isinstance(value.get("use"), str):
            got = value.get("use") if isinstance(value, Mapping) else value
            names = registry.names(kind)
            self.add(f"a {registry.KINDS[kind]} is named by `use`", at, got=got, allowed=names, next="use: <name>")
            return None
        use = self.known_use(kind, str(value["use"]), (*at, "use") if "use" in self._written(at) else at)
        if use is None:
            return None
        cls: type[Params] = registry.load(kind, use).Params
        rest = {k: v for k, v in value.items() if k != "use"}
        known = [name for name in cls.known_names() if name != "native"]
        path = (*at, below) if below else at
        unknown = [k for k in rest if k not in known and not (k == "native" and cls.NATIVE)]
        for key in unknown:
            rule = f"unknown parameter of {registry.shown(use)}"
            if "params" in cls.model_fields:  # of an estimator, which has parameters of its own
                deeper = f"a parameter of the estimator itself stands one level deeper: params: {{{key}: ...}}"
                self.add(rule, (*path, key), got=key, allowed=known, next=deeper)
            else:
                self.add(rule, (*path, key), got=key, allowed=known, near=(str(key), known))
        checked = self.validated(cls, {k: v for k, v in rest.items() if k not in unknown}, path)
        return Plug(kind, use, checked, at) if checked is not None else None

    def known_use(self, kind: str, use: str, at: At) -> str | None:
        """Return the name of a plug-in, or the path of a file of the user's own; None after noting what is wrong."""
        try:
            found = self._own_file(use, kind) if use.endswith(".py") else use
            registry.load(kind, found)
        except RecipeError as error:
            line, excerpt = self.document.place(at), self.document.excerpt(at)
            self._gather([replace(p, place=line, excerpt=excerpt) for p in error.problems])
            return None
        return found

    def metric(self, value: Any, at: At) -> str | None:
        """Return a metric's full name, the path of a file of the user's own in it; None after noting what is wrong."""
        value = value.get("use") if isinstance(value, Mapping) and list(value) == ["use"] else value
        if isinstance(value, Mapping) or (isinstance(value, str) and grouped.split(value)[1] is not None):
            return self._within(value, at)
        known = registry.names("metrics")
        if value is None:
            self.add("a recipe needs a metric", at, allowed=known, next="metric: rmse")
        elif isinstance(value, str) and value.endswith(".py"):
            return self.known_use("metrics", value, at)
        elif str(value).partition("@")[0] not in known:
            self.add("unknown metric", at, got=value, allowed=known, near=(str(value), known))
        else:
            found = self.known_use("metrics", str(value), at)
            if found and getattr(registry.load("metrics", found), "NEEDS_BY", False):
                self.add(judged.needs_by(found), at, got=value, next=f"{at[0]}: {{{found}: {{by: <column>}}}}")
                return None
            return found
        return None

    def _within(self, value: Any, at: At) -> str | None:
        """Return the full name of a metric within groups: `{spearman: {by: era}}`, or `spearman by era`."""
        if isinstance(value, str):
            base, by = grouped.split(value)
            value = {base: {"by": list(by.columns), "weigh": "rows" if by.rows else "equal"}} if by else {}
        base, options = next(iter(value.items())) if len(value) == 1 else ("", None)
        shape = "{spearman: {by: era}}; weigh: equal, or rows, where groups count by their rows"
        if not isinstance(options, Mapping) or "by" not in options:
            self.add("a metric is a name, or a mapping of one name to its groups", at, got=value, allowed=shape)
            return None
        self.known(options, ("by", "weigh"), (*at, base) if base in self._written(at) else at)
        columns = [options["by"]] if isinstance(options["by"], str) else options["by"]
        weigh = options.get("weigh", "equal")
        if wrong := grouped.fault(columns):
            self.add(wrong, at, got=options["by"], allowed=shape)
        if weigh not in ("equal", "rows"):
            self.add("groups weigh equal, or as their rows do", at, got=weigh, allowed=("equal", "rows"))
        known = registry.names("metrics")
        if not isinstance(base, str) or not (base.endswith(".py") or base.partition("@")[0] in known):
            self.add("unknown metric", at, got=base, allowed=known, near=(str(base), known))
            return None
        found = self.known_use("metrics", base, at)
        if found is None or wrong or weigh not in ("equal", "rows"):
            return None
        return grouped.joined(found, grouped.By(tuple(columns), weigh == "rows"))

    def _gather(self, problems: list[Problem]) -> None:
        """Note problems; files that are not trusted as one, for there is one thing to do about all of them."""
        for problem in problems:
            same = [i for i, p in enumerate(self.problems) if p.rule == problem.rule == UNTRUSTED]
            if not same:
                self.problems.append(problem)
            elif problem.got not in self.problems[same[0]].got.split(", "):
                first = self.problems[same[0]]
                self.problems[same[0]] = replace(first, got=f"{first.got}, {problem.got}")

    def _own_file(self, use: str, kind: str) -> str:
        """Return the absolute path of a plug-in beside the recipe or in the current directory."""
        found = next((p for base in (self.folder, Path.cwd()) if (p := base / use).is_file()), None)
        if found is None:
            rule = f"the {registry.KINDS[kind]} file does not exist"
            raise RecipeError(rule, got=use, allowed=f"a file in {self.folder}", next="check the path")
        if not self.trust:
            advice = "read each file; if you trust them, run the same command with --trust"
            raise RecipeError(UNTRUSTED, got=use, next=advice)
        return str(found.resolve())

    def _written(self, at: At) -> Mapping[str, Any]:
        """Return the mapping that stands at a place of the document, empty where none does."""
        value: Any = self.document.value
        for step in at:
            inside = isinstance(value, Mapping) and step in value
            listed = isinstance(value, list) and isinstance(step, int) and step < len(value)
            value = value[step] if inside or listed else None
        return value if isinstance(value, Mapping) else {}


def _in_full(kind: str, value: Any) -> Any:
    """Return a plug-in's short form written out: `name`, or for a target transform `name(source)`."""
    if not isinstance(value, str):
        return value
    if kind == "codecs" and (match := CALL.match(value)):
        return {"use": match[1], "source": match[2]}
    return {"use": value}
