"""From a recipe's plug-ins to ingredients of keys: names of columns and files give way to what is behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kit import datafolder, hub, registry
from kit.canon import canonical, digest_file
from kit.errors import RecipeError, nearest
from kit.facts import Facts
from kit.folding import dump
from kit.loading import locate
from kit.params import ColumnName, KeyName, ModelRef, Params
from kit.recipe import Plug, Recipe
from kit.selecting import is_pattern, select
from kit.stage import alias_of, map_refs
from kit.types import Column, ColumnKind
from kit.wording import listed, placed


@dataclass
class Needs:
    """What plug-ins use: `columns` (data columns and aliases of computed ones) and `files` (digest -> path)."""

    columns: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)


class Resolver:
    """Knows the columns there are.

    `aliases`: computed column -> alias, `sources`: model or blend -> alias of its predictions as a column,
    `keys`: alias -> key of its stage, `files`: what stands for a file of the user's own -> its path,
    `of_table`: aliases of computed columns that are learnt over train and test, `kinds`: computed column -> its kind,
    `once`: features computed once for all folds -> name and alias of the column that stands for each.
    """

    def __init__(self, recipe: Recipe, facts: Facts) -> None:
        self.recipe, self.facts, self.free = recipe, facts, frozenset(facts.free)
        self.aliases: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.of_table: set[str] = set()
        self.kinds: dict[str, ColumnKind] = {}
        self.once: dict[str, tuple[str, str]] = {}

    def add_computed(self, name: str, key: str, kind: ColumnKind) -> str:
        """Make a planned computed column known and return its alias."""
        alias = alias_of(key)
        self.aliases[name], self.keys[alias], self.kinds[name] = alias, key, kind
        return alias

    def add_once(self, name: str, filled: Plug, key: str, of_table: bool) -> None:
        """Make known the column that stands for a feature in every fold; no recipe can name it."""
        alias = alias_of(key)
        self.keys[alias], self.once[_signature(filled)] = key, (name, alias)
        if of_table:
            self.of_table.add(alias)

    def known_once(self, filled: Plug) -> bool:
        """Return whether there is a column for this feature."""
        return _signature(filled) in self.once

    def add_source(self, name: str, key: str) -> None:
        """Make the OOF of a planned model or blend known as a column."""
        alias = alias_of(key)
        self.sources[name], self.keys[alias] = alias, key

    def source(self, name: str) -> str:
        """Return the column of the predictions of a model or blend that is planned already."""
        return self.sources[name]

    def shown(self) -> dict[str, str]:
        """Return what people read for an alias or a file of the user's own."""
        named = {alias: name for known in (self.sources, self.aliases) for name, alias in known.items()}
        named |= {alias: name for name, alias in self.once.values()}
        return named | {short: registry.shown(path) for short, path in self.files.items()}

    def computed(self, needs: Needs) -> dict[str, str]:
        """Return alias -> key of the computed columns among what is needed."""
        return {alias: self.keys[alias] for alias in sorted(needs.columns) if alias in self.keys}

    def all(self, plugs: tuple[Plug, ...], needs: Needs) -> list[dict[str, Any]]:
        """Return the ingredients of plug-ins in order."""
        return [self.resolved(p, needs) for p in plugs]

    def features(self, plugs: tuple[Plug, ...], needs: Needs, *, once: bool) -> list[dict[str, Any]]:
        """Return the ingredients of features in order; one without a column of its kind falls away.

        `once`: a feature that is computed once gives way to its column.
        """
        filled = [p for p in map(self.filled, plugs) if p is not None]
        found = []
        for plug in filled:
            _, alias = self.once.get(_signature(plug), ("", "")) if once else ("", "")
            if alias:
                needs.columns.add(alias)
            found.append(vectors([alias]) if alias else self.resolved(plug, needs, feature=True))
        return found

    def content(self, needs: Needs) -> dict[str, str]:
        """Return the digests of the data columns that are needed: a fit depends on what is in them, not on files."""
        return {name: self.facts.content[name] for name in sorted(needs.columns) if name in self.facts.content}

    def resolved(self, plug: Plug, needs: Needs, *, feature: bool = False) -> dict[str, Any]:
        """Return the ingredient of a plug-in and add to `needs` what it uses."""

        def column(name: ColumnName) -> str:
            self._check_column(name, plug, feature=feature)
            alias = self.aliases.get(name, str(name))
            needs.columns.add(alias)
            return alias

        def file(name: str) -> str:
            if isinstance(name, ModelRef):
                return self._model(name, plug, needs)
            path = locate(name, self.recipe, plug.at)
            digest = digest_file(path)
            needs.files[digest] = str(path.resolve())
            return digest

        def source(name: str) -> str:
            if plug.kind != "augment":  # what a teacher says of test rows is no column: each fold has its own
                needs.columns.add(self.source(name))
            return self.source(name)

        if feature and getattr(registry.load(plug.kind, plug.use), "COLUMNS_ONLY", False):
            rule = f"{plug.use} is computed once, before the folds: it stands under columns"
            advice = (
                f"columns: {{<name>: {{use: {plug.use}, ...}}}}, and the name among the columns of a feature: vector"
            )
            raise placed(RecipeError(rule, next=advice), self.recipe.document, plug.at)
        params = map_refs(plug.params, column, file, source)
        use = registry.keyed(plug.kind, plug.use)
        if use != plug.use:
            needs.files[use] = self.files[use] = plug.use
        return {"use": use, "params": dump(params), "code": code_of(plug)}

    def _model(self, name: str, plug: Plug, needs: Needs) -> str:
        """Return the revision of a text model, which stands for it in a key, and note where its folder lies."""
        try:
            found = hub.find(name, datafolder.bases(self.recipe))
            if hasattr(module := registry.load(plug.kind, plug.use), "check_model"):
                module.check_model(plug.params, found.folder)
        except RecipeError as error:
            raise placed(error, self.recipe.document, plug.at) from error
        needs.files[found.revision] = str(found.folder)
        return found.revision

    def filled(self, plug: Plug) -> Plug | None:
        """Return the feature with the names of its columns; None where it names none and there are none of its kinds.

        Patterns give way to the names they match; what the feature itself has to say of its columns is asked.
        """
        module = registry.load("features", plug.use)
        usable = self._usable(module)
        try:
            if (items := getattr(plug.params, "columns", None)) is not None:
                kinds = {name: column.kind for name, column in usable.items()}
                names = [n for n, kind in kinds.items() if kind in module.KINDS]
                if any(is_pattern(item, kinds) for item in items):
                    names = select(plug.use, items, kinds, module.ACCEPTS, module.KINDS)
                elif items:
                    names = list(items)
                if not names:
                    return None
                plug = replace(plug, params=_with(plug.params, columns=names))
            if hasattr(module, "ready"):
                plug = replace(plug, params=module.ready(plug.params, usable))
        except RecipeError as error:
            raise placed(error, self.recipe.document, plug.at) from error
        return plug

    def kind(self, plug: Plug) -> ColumnKind:
        """Return what a computed column of a filled feature will be: vectors, unless the feature says otherwise."""
        module = registry.load("features", plug.use)
        try:
            kind: ColumnKind = module.kind(plug.params, self._usable(module)) if hasattr(module, "kind") else "vector"
        except RecipeError as error:
            raise placed(error, self.recipe.document, plug.at) from error
        return kind

    def _usable(self, module: Any) -> dict[str, Column]:
        """Return the columns a feature may take; levels and width of a computed one are not known before it is made."""
        header = self.facts.header.items()
        found = {n: column for n, column in header if n in self.free or self._takes_time(module, n)}
        return found | {n: Column(kind) for n, kind in self.kinds.items()}

    def _takes_time(self, module: Any, name: str) -> bool:
        """Return whether a feature takes this column although it has the role of time."""
        data, facts = self.recipe.data, self.facts
        there = name == data.time and name not in (data.target, data.id, data.groups, data.weight, *data.drop)
        return there and name not in facts.lacking and getattr(module, "TAKES_TIME", False)

    def _check_column(self, name: ColumnName, plug: Plug, *, feature: bool) -> None:
        error = self._misused(name, plug, feature)
        error = error or self._of_wrong_kind(name, plug)
        if error is not None:
            raise placed(error, self.recipe.document, (*plug.at, "columns"))

    def _misused(self, name: ColumnName, plug: Plug, feature: bool) -> RecipeError | None:
        """Return what is wrong with a column's name or role, None where nothing is."""
        facts, data = self.facts, self.recipe.data
        roles: dict[str | None, str] = dict.fromkeys(data.together, "target")
        roles |= {data.id: "id", data.groups: "groups", data.weight: "weight", data.time: "time"}
        roles |= {str(getattr(self.recipe.split.params, "column", None)): "fold"}
        if feature and self._takes_time(registry.load(plug.kind, plug.use), name):
            return None
        refused = {*data.together, data.id} if not feature or isinstance(name, KeyName) else set(roles)
        there = name in facts.header or name in self.aliases
        usable = name in self.free or name in self.aliases
        usable |= name in roles and name not in facts.lacking if isinstance(name, KeyName) else not feature
        # Asked for each column of each model: what takes a look at all columns is for errors alone.
        if there and usable and name not in refused:
            return None
        known = [*facts.free, *self.aliases]
        if name in refused:
            rule = f"the {roles[name]} column cannot be used here"
            return RecipeError(rule, got=name, allowed=known, next="leave it out")
        if not there:
            next = nearest(name, known) or "kit check prints the columns"
            return RecipeError(f"unknown column in {registry.shown(plug.use)}", got=name, allowed=known, next=next)
        if name in data.drop:
            return RecipeError("this column is dropped", got=name, allowed=known, next="take it out of data.drop")
        advice = "leave it out, or add it to the test file"
        return RecipeError("the test file lacks this column", got=name, allowed=known, next=advice)

    def _of_wrong_kind(self, name: ColumnName, plug: Plug) -> RecipeError | None:
        """Return what is wrong with a column's kind, None where nothing is."""
        accepts = name.KINDS or getattr(registry.load(plug.kind, plug.use), "ACCEPTS", ())
        if not accepts or (self.kinds[name] if name in self.kinds else self.facts.header[name].kind) in accepts:
            return None
        kinds = {n: column.kind for n, column in self.facts.header.items()} | self.kinds
        fit = [n for n, kind in kinds.items() if kind in accepts and n in (*self.facts.free, *self.aliases)]
        modules = {n: registry.load("features", n) for n in registry.names("features")}
        apart = {n for n, m in modules.items() if getattr(m, "COLUMNS_ONLY", False) or getattr(m, "TOKENS", False)}
        others = [n for n, m in modules.items() if kinds[name] in m.ACCEPTS and n not in apart]
        others = [] if name.KINDS else others
        return RecipeError(
            f"{registry.shown(plug.use)} takes {listed(accepts)} columns",
            got=f"{name}, a {kinds[name]} column",
            allowed=fit or f"there is no {' or '.join(accepts)} column",
            next=f"features that take it: {', '.join(others)}" if others else "leave it out",
        )


def _signature(filled: Plug) -> str:
    return f"{filled.use} {canonical(dump(filled.params))}"


def vectors(columns: Sequence[str]) -> dict[str, Any]:
    """Return the ingredient of the feature that hands on computed columns or predictions."""
    vector = Plug("features", "vector", registry.load("features", "vector").Params(columns=tuple(columns)))
    return {"use": "vector", "params": dump(vector.params), "code": code_of(vector)}


def code_of(plug: Plug) -> str:
    """Return the code fingerprint of a plug-in."""
    return registry.code_of(plug.kind, plug.use)


def _with(params: Params, **changes: Any) -> Params:
    """Return the params with other values, validated."""
    given = {n: getattr(params, n) for n in type(params).model_fields}
    return type(params).model_validate({**given, **changes})
