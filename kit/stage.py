"""A stage: the unit of work of a plan, as JSON a worker can be handed; and how its JSON turns into plug-ins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kit import registry
from kit.design import Use
from kit.params import ColumnName, DataFile, Params, SourceName


@dataclass(frozen=True)
class Stage:
    """A unit of work. `name` is for people. `ingredients` make the key; `local` (paths, where inputs lie) does not."""

    name: str
    verb: str
    key: str
    ingredients: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    local: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the stage as one line: what a worker gets, and what `kit stage` runs again."""
        return json.dumps(vars(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Stage:
        """Return the stage of such a line."""
        fields = json.loads(line)
        return cls(**{**fields, "inputs": tuple(fields["inputs"]), "needs": tuple(fields["needs"])})


def alias_of(key: str) -> str:
    """Return the column name under which the result of a stage is read: what a person called it is not in it."""
    return f"@{key[:12]}"


def use_of(spec: Mapping[str, Any], kind: str, files: Mapping[str, str]) -> Use:
    """Return the plug-in of an ingredient; digests of files, its own included, become the paths they have now."""
    use = files.get(spec["use"], spec["use"])
    params: Params = registry.load(kind, use).Params.model_validate(spec["params"])
    return Use(kind, use, map_refs(params, str, lambda digest: files[digest]))


def map_refs(
    params: Params,
    column: Callable[[ColumnName], str],
    file: Callable[[str], str],
    source: Callable[[str], str] = str,
) -> Params:
    """Return the params with every column name, data file and source in them replaced."""

    def walk(value: Any) -> Any:
        if isinstance(value, ColumnName):
            return column(value)
        if isinstance(value, SourceName):
            return source(str(value))
        if isinstance(value, DataFile):
            return file(value)
        if isinstance(value, list | tuple):
            return [walk(v) for v in value]
        if isinstance(value, Mapping):
            return {k: walk(v) for k, v in value.items()}
        if hasattr(value, "model_fields_set"):
            return {n: walk(getattr(value, n)) for n in type(value).model_fields}
        return value

    return type(params).model_validate({n: walk(getattr(params, n)) for n in type(params).model_fields})
