"""The reference of plug-ins, made from what they declare: one line per parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kit import registry
from kit.params import Params, Tune


@dataclass(frozen=True)
class Entry:
    """One parameter: its type, default, search range and documentation, as text."""

    name: str
    type: str
    default: str
    range: str
    doc: str


@dataclass(frozen=True)
class Page:
    """A plug-in: what it is, what it is called in a recipe, its parameters and how many native names it takes."""

    kind: str
    name: str
    summary: str
    entries: tuple[Entry, ...]
    n_native: int


def page(kind: str, name: str) -> Page:
    """Return the page of a plug-in.

    Raises:
        RecipeError: there is no such plug-in.
    """
    module = registry.load(kind, name)
    params: type[Params] | None = getattr(module, "Params", None)
    entries = tuple(_entries(params)) if params else ()
    refused = getattr(params, "MANAGED", {})
    native = sum(target not in refused for target in params.NATIVE.values()) if params else 0
    return Page(kind, name, " ".join((module.__doc__ or "").split()), entries, native)


def pages() -> list[Page]:
    """Return the pages of every plug-in, kind by kind."""
    return [page(kind, name) for kind in registry.KINDS for name in registry.names(kind)]


def as_markdown(page_: Page) -> str:
    """Return a page as Markdown."""
    lines = [f"### {page_.name}", "", page_.summary, ""]
    if page_.entries:
        lines += ["| parameter | type | default | search range | |", "|---|---|---|---|---|"]
        lines += [
            f"| `{e.name}` | {_cell(e.type)} | {_cell(e.default)} | {_cell(e.range)} | {_cell(e.doc)} |"
            for e in page_.entries
        ]
        lines.append("")
    if page_.n_native:
        lines += [f"Beside these it takes {page_.n_native} native names and aliases of the library.", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _entries(params: type[Params]) -> Iterator[Entry]:
    properties = params.model_json_schema().get("properties", {})
    for name, info in params.model_fields.items():
        if name == "native":
            continue
        tune = next((m for m in info.metadata if isinstance(m, Tune)), None)
        default = "required" if info.is_required() else str(info.get_default(call_default_factory=True))
        yield Entry(
            name, _type(properties.get(name, {})), default, _range(tune), " ".join((info.description or "").split())
        )


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(s) for s in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(str(v) for v in schema["enum"])
    if "$ref" in schema:
        return "mapping"
    kind = str(schema.get("type", "any"))
    words = {"integer": "whole number", "string": "text", "array": "list", "boolean": "true or false", "null": "null"}
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {schema[key]:g}" for key, sign in bounds.items() if key in schema)
    return " ".join(part for part in (words.get(kind, kind), limits) if part)


def _range(tune: Tune | None) -> str:
    if tune is None:
        return ""
    if tune.choices:
        return ", ".join(str(c) for c in tune.choices)
    return f"{tune.low:g} .. {tune.high:g}" + (" (log)" if tune.log else "")
