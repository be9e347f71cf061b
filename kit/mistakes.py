"""Values that a schema refuses, in the words of a person: which parameter, what it must be, what stood there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from kit import limits
from kit.errors import nearest

_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}
"""First word of an error's type -> what was wanted."""


@dataclass(frozen=True)
class Mistake:
    """One refused value: `path` leads to it from what was validated."""

    path: tuple[str | int, ...]
    rule: str
    got: Any = None
    next: str = ""
    allowed: str = ""


def mistakes(cls: type[Any], value: Mapping[str, Any], error: ValidationError) -> Iterator[Mistake]:
    """Yield what is wrong with a value of `cls`: one mistake for each place, whatever the schema says of it."""
    wanted: dict[tuple[str | int, ...], list[str]] = {}
    found: dict[tuple[str | int, ...], Mapping[str, Any]] = {}
    for detail in error.errors():
        path = _path(cls, value, detail)
        words = _must(detail)
        if words not in wanted.setdefault(path, []):
            wanted[path].append(words)
        found.setdefault(path, detail)
    for path, first in found.items():
        if any(other[: len(path)] == path for other in found if len(other) > len(path)):
            continue  # another member of a union: the value was meant as the one that got further
        if not path:
            yield _of_several(value, first)
        elif first["type"] == "extra_forbidden":
            known = _keys(cls, path[:-1])
            next = nearest(str(path[-1]), known) or f"one of {', '.join(known)}"
            yield Mistake(path, "unknown key", path[-1], next)
        elif first["type"] == "missing":
            yield Mistake(path[:-1], f"{_name(path)} must be given", next=f"add `{path[-1]}: ...`")
        else:
            words, said = " or ".join(wanted[path]), f"{path[-1]}: "
            rule = (
                f"{_name(path)}: {words.removeprefix(said)}"
                if words.startswith(said)
                else f"{_name(path)} must be {words}"
            )
            own = (
                (first["loc"][0], *path[1:]) if first["loc"][0] in cls.model_fields else path
            )  # not the library's name
            yield Mistake(path, rule, first.get("input"), _default(cls, own, path[0]), limits.of(cls, own))


def _path(cls: type[Any], value: Any, detail: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the part of a location that stands in the recipe; names of union members and of `native` do not."""
    path: tuple[str | int, ...] = ()
    at: Any = value
    for part in detail["loc"]:
        if part == "native" and not path and isinstance(at, Mapping) and part not in at:
            continue
        step: Any = _spelt(cls, part, at) if not path else part
        if (isinstance(at, Mapping) and step in at) or (isinstance(at, list | tuple) and isinstance(step, int)):
            path, at = (*path, step), at[step]
        elif detail["type"] == "missing" and part == detail["loc"][-1]:
            path = (*path, step)
        elif isinstance(step, int):
            break
    return path


def _spelt(cls: type[Any], part: str | int, value: Any) -> str | int:
    """Return the name under which the recipe wrote a parameter: its own or that of the library."""
    aliases = getattr(cls, "NATIVE", {})
    if not isinstance(value, Mapping) or part in value:
        return part
    own = getattr(cls, "OWN", {})
    return next((k for k in value if k in aliases and part in (aliases[k], own.get(aliases[k]))), part)


def _keys(cls: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the section that stands at a path of `cls`."""
    inside = [cls]
    for part in (p for p in path if isinstance(p, str)):
        fields = [c.model_fields[part] for c in inside if part in c.model_fields]
        inside = [found for field in fields for found in _sections(field.annotation)]
    return [f.alias or name for c in inside[:1] for name, f in c.model_fields.items()]


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a type speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _sections(part)]


def _must(detail: Mapping[str, Any]) -> str:
    kind, context = str(detail["type"]), detail.get("ctx", {})
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"{word} {limits.written(context[key])}"
    if kind == "literal_error":
        choices = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        return f"one of {choices}" if ", " in choices else choices
    if kind in ("too_short", "string_too_short"):
        return f"of at least {context['min_length']}"
    known = _TYPES.get(kind.partition("_")[0])
    return known or _plain(detail).removeprefix("input should be ")


def _plain(detail: Mapping[str, Any]) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _of_several(value: Mapping[str, Any], detail: Mapping[str, Any]) -> Mistake:
    """Return the mistake of a rule over several parameters; only those it speaks of are shown."""
    message = _plain(detail)
    named = [name for name in dict.fromkeys(re.findall(r"\w+", message)) if name in value]
    got = value[named[0]] if len(named) == 1 else ", ".join(f"{name}: {value[name]}" for name in named)
    return Mistake((named[0],) if named else (), message, got if named else None)


def _name(path: tuple[str | int, ...]) -> str:
    """Return the name of a parameter or of an item of it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _default(cls: type[Any], path: tuple[str | int, ...], named: str | int) -> str:
    """Return the advice to leave a parameter out, where it has a default that says something."""
    field = cls.model_fields.get(path[0])
    inside = len(path) > 1 and isinstance(path[1], str)  # of a section in it, which has defaults of its own
    if field is None or inside or field.default is None or field.is_required():
        return ""
    what = f"`{named}`" if len(path) > 1 else "it"
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    simple = isinstance(default, int | float | str) or bool(isinstance(default, list) and default)
    return f"leave {what} out for the default, {limits.written(default)}" if simple else ""
