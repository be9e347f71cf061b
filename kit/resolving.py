"""From a recipe's plug-ins to ingredients of keys: names of columns and files give way to what is behind them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from kit import registry
from kit.canon import digest_file
from kit.errors import RecipeError, nearest
from kit.facts import Facts, locate
from kit.folding import dump
from kit.params import Params
from kit.recipe import Plug, Recipe
from kit.stage import map_refs


@dataclass
class Needs:
    """What plug-ins use: `columns` (data columns and aliases of computed ones) and `files` (digest -> path)."""

    columns: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)


class Resolver:
    """Knows the columns there are. `aliases`: computed column -> alias, `keys`: alias -> key of its stage."""

    def __init__(self, recipe: Recipe, facts: Facts) -> None:
        self.recipe, self.facts = recipe, facts
        self.aliases: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    def computed(self, needs: Needs) -> dict[str, str]:
        """Return alias -> key of the computed columns among what is needed."""
        return {alias: self.keys[alias] for alias in sorted(needs.columns) if alias in self.keys}

    def all(self, plugs: tuple[Plug, ...], needs: Needs, *, feature: bool) -> list[dict[str, Any]]:
        """Return the ingredients of plug-ins in order; a feature without a column of its kind falls away."""
        filled = [self.filled(p) for p in plugs] if feature else list(plugs)
        return [self.resolved(p, needs, feature=feature) for p in filled if p is not None]

    def content(self, needs: Needs) -> dict[str, str]:
        """Return the digests of the data columns that are needed: a fit depends on what is in them, not on files."""
        return {name: self.facts.content[name] for name in sorted(needs.columns) if name in self.facts.content}

    def resolved(self, plug: Plug, needs: Needs, *, feature: bool = False) -> dict[str, Any]:
        """Return the ingredient of a plug-in and add to `needs` what it uses."""

        def column(name: str) -> str:
            self._check_column(name, plug, feature=feature)
            alias = self.aliases.get(name, name)
            needs.columns.add(alias)
            return alias

        def file(name: str) -> str:
            path = locate(name, self.recipe)
            digest = digest_file(path)
            needs.files[digest] = str(path.resolve())
            return digest

        params = map_refs(plug.params, column, file)
        return {"use": plug.use, "params": dump(params), "code": code_of(plug)}

    def filled(self, plug: Plug) -> Plug | None:
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


def code_of(plug: Plug) -> str:
    """Return the code fingerprint of a plug-in."""
    return registry.code_of(plug.kind, plug.use)


def _given(params: Params) -> dict[str, Any]:
    return {n: getattr(params, n) for n in type(params).model_fields if n != "columns"}
