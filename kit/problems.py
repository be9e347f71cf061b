"""Checks that gather problems instead of raising them, so that a recipe's errors are told all at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from kit.errors import Problem, RecipeError, nearest
from kit.mistakes import mistakes
from kit.strictyaml import Document
from kit.wording import At

LONGEST = 100
"""Characters of a name, which names folders and files: most systems take 255 with what is added to it."""

NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST - 1}}}\Z")
RESERVED = ("_history", "_tuning", "blends")


class Checks:
    """A document and the problems found in it so far."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def in_order(self) -> list[Problem]:
        """Return the problems once each, by line; those without a line come last."""
        return sorted(dict.fromkeys(self.problems), key=self._line)

    def _line(self, problem: Problem) -> tuple[bool, int]:
        line = problem.place.removeprefix(f"{self.document.path}:").partition(":")[0]
        return (False, int(line)) if line.isdigit() else (True, 0)

    def validated(self, cls: type[Any], value: Any, at: At) -> Any | None:
        """Return the value as `cls` takes it, or None after noting every problem of it."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            for mistake in mistakes(cls, value, error):
                self.add(
                    mistake.rule, (*at, *mistake.path), got=mistake.got, allowed=mistake.allowed, next=mistake.next
                )
            return None

    def section(self, cls: type[Any], value: Any, at: At) -> Any | None:
        """Return a section of the recipe, unknown keys noted."""
        if not isinstance(value, Mapping):
            self.add(f"{'.'.join(map(str, at))} must be a mapping", at, got=value)
            return None
        names = [f.alias or n for n, f in cls.model_fields.items()]
        self.known(value, names, at)
        return self.validated(cls, {k: v for k, v in value.items() if k in names}, at)

    def map(self, key: str) -> Mapping[str, Any]:
        """Return a top-level mapping of names, empty where there is none."""
        value = self.document.value.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.add(f"{key} must be a mapping of names", (key,), got=value)
            return {}
        return value

    def lost(self, key: str, known: Iterable[str]) -> bool:
        """Return whether a top-level section cannot be read, so that what refers to it cannot be judged."""
        top = self.document.value
        if key in top:
            return top[key] is not None and not isinstance(top[key], Mapping)
        return any(nearest(str(other), known) == nearest(key, [key]) for other in top if other not in known)

    def strings(self, value: Any, at: At, what: str) -> list[str] | None:
        """Return the list of a name or a list of names, or None after noting that it is neither."""
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
        self.add(f"{at[-1]} must be the name of {what}, or a list of names", at, got=value, next=f"{at[-1]}: <name>")
        return None

    def known(self, value: Mapping[str, Any], known: Sequence[str], at: At, of_data: Collection[str] = ()) -> None:
        """Note every key that is not known; `of_data`: keys that are, one level down."""
        for key in value:
            if key not in known:
                near = None if key in of_data else (str(key), known)
                advice = f"it stands under data: data: {{{key}: ...}}" if key in of_data else ""
                self.add("unknown key", (*at, key), got=key, allowed=known, near=near, next=advice)

    def flag(self, value: Any, at: At) -> bool:
        """Return true or false, false after noting what is neither."""
        if not isinstance(value, bool):
            self.add(f"{at[-1]} must be true or false", at, got=value)
        return value is True

    def name(self, value: Any, at: At) -> None:
        """Note a name that cannot be one."""
        if not isinstance(value, str) or not NAME.match(value):
            better = re.sub(r"[^a-z0-9_]+", "-", str(value).lower()).strip("-_")[:LONGEST]
            hint = f"write '{better}'" if better and better != value else ""
            rule = "a name has small letters, digits, _ and - and starts with a letter or digit"
            rule += f", {LONGEST} at most" if len(str(value)) > LONGEST else ""
            self.add(rule, at, got=value, next=hint)
        elif value in RESERVED:
            self.add("this name is reserved", at, got=value, next="choose another name")

    def count(self, value: Any, at: At) -> int:
        """Return a positive whole number, 1 after noting what is none."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.add(f"{at[-1]} must be a positive whole number", at, got=value, next=f"{at[-1]}: 1, or leave it out")
            return 1
        return value

    def int(self, key: str, default: int, least: int) -> int:
        """Return a top-level whole number."""
        value = self.document.value.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            advice = f"leave it out for the default, {default}"
            self.add(f"{key} must be a whole number of at least {least}", (key,), got=value, next=advice)
            return default
        return value

    def choice(self, key: str, allowed: Sequence[str], default: Any) -> Any:
        """Return a top-level choice."""
        value = self.document.value.get(key, default)
        if value != default and value not in allowed:
            self.add(f"unknown {key}", (key,), got=value, allowed=allowed, near=(str(value), allowed))
        return value

    def add(
        self,
        rule: str,
        at: At,
        got: Any = None,
        allowed: Any = "",
        near: tuple[str, Any] | None = None,
        next: str = "",
    ) -> None:
        """Note a problem at a place of the document; `next` is said where nothing is near."""
        hint = nearest(near[0], list(near[1])) if near else ""
        error = RecipeError(
            rule,
            place=self.document.place(at),
            got="" if got is None else got,
            allowed=allowed if isinstance(allowed, str) else list(allowed),
            next=hint or next,
        )
        self.problems.append(replace(error.problems[0], excerpt=self.document.excerpt(at)))
