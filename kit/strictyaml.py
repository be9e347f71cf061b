"""Reads a recipe: YAML with the scalars of version 1.2's core schema, no duplicate keys, a line for every value."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from kit.canon import whole
from kit.errors import Problem, RecipeError, nearest, shorten

KeyPath = tuple[str | int, ...]

MAX_NODES = 100_000
"""Values a document may hold once its aliases are followed; a recipe has hundreds, an alias bomb billions."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": re.compile(r"^(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"),
    "float": re.compile(
        r"^(?:[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", re.A
    ),
}
"""Core schema, in the order of trial. Source: YAML 1.2.2, section 10.3.2."""

_QUOTE = "put quotes around text that begins with !"
_NEXT = (
    ("'\\t'", "indent with spaces, never with tabs"),
    ("mapping values are not allowed", "put quotes around text that holds ': ', and check the indentation"),
    ("could not find expected ':'", "write `key: value`, with a blank after the colon"),
    ("expected <block end>", "give all keys of one mapping the same indentation"),
    ("expected ',' or", "close the bracket, or put a comma between its items"),
    ("unknown escape", "use single quotes, or write each backslash twice"),
    ("end of stream", "close the quotes or the bracket"),
    ("cannot start any token", "put quotes around text that begins with a special character"),
    ("undefined alias", "put quotes around text that begins with *"),
    ("while scanning a tag", _QUOTE),
    ("single document", "remove the line '---': a recipe is one document"),
)


class _Core(yaml.SafeLoader):
    """Composes nodes and resolves plain scalars by the core schema."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML reads this class attribute


for _name, _pattern in _SCALARS.items():
    _Core.add_implicit_resolver(_TAG + _name, _pattern, None)
_Core.add_implicit_resolver(_TAG + "merge", re.compile(r"^<<$"), ["<"])


@dataclass(frozen=True)
class Document:
    """A recipe as plain values, with the place each came from.

    `lines` gives the 1-based line of each key path in `text`; `sets` the --set argument that set a key path.
    """

    value: Any
    path: str
    lines: Mapping[KeyPath, int]
    text: tuple[str, ...]
    sets: Mapping[KeyPath, str] = field(default_factory=dict)

    def place(self, keypath: KeyPath) -> str:
        """Return 'recipe.yaml:12', or '--set a.b=1', of the key path or its nearest parent."""
        found = self._nearest(keypath)
        if found in self.sets:
            return f"--set {self.sets[found]}"
        return f"{self.path}:{self.lines[found]}" if found in self.lines else self.path

    def excerpt(self, keypath: KeyPath) -> str:
        """Return the source line of the key path or its nearest parent; "" for what --set set."""
        found = self._nearest(keypath)
        return "" if found in self.sets or found not in self.lines else self.text[self.lines[found] - 1].strip()

    def _nearest(self, keypath: KeyPath) -> KeyPath:
        for n in range(len(keypath), 0, -1):
            if keypath[:n] in self.sets or keypath[:n] in self.lines:
                return keypath[:n]
        return ()


def load(path: Path) -> Document:
    """Return the recipe at `path`.

    Raises:
        RecipeError: the file cannot be read, or is not one mapping without duplicate keys in strict YAML.
    """
    text = _read(path)
    built = _Builder(str(path), text)
    node = built.compose()
    if not isinstance(node, yaml.MappingNode):
        what = "the recipe is empty" if node is None else "a recipe is a mapping of names to values"
        raise RecipeError(what, place=f"{path}:1", next="begin with `data: {train: train.csv, test: test.csv}`")
    value = built.value(node)
    return Document(value, str(path), built.lines, tuple(text.splitlines()))


def parse_scalar_or_flow(text: str, place: str = "--set") -> Any:
    """Return the value of one command line argument: flow YAML if it begins with a bracket or quote, else a scalar.

    Raises:
        RecipeError: the bracket or quote is not closed, or the like.

    >>> parse_scalar_or_flow("1e-4"), parse_scalar_or_flow("[a, 2]"), parse_scalar_or_flow("a: b")
    (0.0001, ['a', 2], 'a: b')
    """
    text = text.strip()
    builder = _Builder(place, text, columns=False)
    if text[:1] in ("[", "{", '"', "'"):
        return builder.value(builder.compose())
    tag = next((t for t, pattern in _SCALARS.items() if pattern.match(text)), "str")
    return builder.scalar(tag, text, None)


def apply_sets(document: Document, sets: Sequence[str]) -> Document:
    """Return the document after assignments 'a.b.c=value', in their order; missing mappings are made.

    A number is the index of an item where the value there is a list.

    Raises:
        RecipeError: an argument is not an assignment, or leads through a value that is no mapping or list.
    """
    value, lines, places = copy.deepcopy(document.value), dict(document.lines), dict(document.sets)
    problems: list[Problem] = []
    for argument in sets:
        try:
            new, path = _assign(value, argument)
        except RecipeError as error:
            problems += error.problems
            continue
        lines = {p: line for p, line in lines.items() if p[: len(path)] != path}
        places = {p: place for p, place in places.items() if p[: len(path)] != path} | {new: argument, path: argument}
    if problems:
        raise RecipeError.many(problems)
    return replace(document, value=value, lines=lines, sets=places)


def _assign(root: Any, argument: str) -> tuple[KeyPath, KeyPath]:
    """Set one value inside `root`; return the first key path that is new by it, and its own."""
    name, equals, text = argument.partition("=")
    parts = name.strip().split(".")
    place = f"--set {argument}"
    if not equals or not all(parts):
        raise RecipeError("not an assignment", place=place, next="write --set a.b.c=value")
    value = parse_scalar_or_flow(text, place)
    at, path, new = root, (), None  # type: tuple[Any, KeyPath, KeyPath | None]
    for depth, part in enumerate(parts):
        key = _key_in(at, part, place, ".".join(parts[:depth]))
        path = (*path, key)
        if depth == len(parts) - 1:
            at[key] = value
        elif isinstance(at, dict) and at.get(key) is None:
            at[key], new = {}, new or path
        at = at[key]
    return new or path, path


def _key_in(container: Any, part: str, place: str, where: str) -> str | int:
    """Return the key or index that `part` means in a mapping or list."""
    if isinstance(container, dict):
        return int(part) if part.isdecimal() and part not in container and int(part) in container else part
    if not isinstance(container, list):
        raise RecipeError(f"{where} is neither a mapping nor a list", place=place, got=container)
    if not part.isdecimal() or int(part) >= len(container):
        raise RecipeError(f"{where} is a list", place=place, got=part, allowed=f"an index 0 to {len(container) - 1}")
    return int(part)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"{path}:{error.object[: error.start].count(10) + 1}"
        raise RecipeError("the recipe is not UTF-8 text", place=place, next="save the file as UTF-8") from error
    except OSError as error:
        rule = "the recipe does not exist" if isinstance(error, FileNotFoundError) else "the recipe cannot be read"
        near = nearest(path.name, (p.name for p in path.parent.glob("*") if p.is_file() and p != path))
        raise RecipeError(rule, place=str(path), got=error.strerror, next=near) from error


class _Builder:
    """Makes plain values of composed nodes and remembers the line of each key path."""

    def __init__(self, name: str, text: str, columns: bool = True) -> None:
        self._name, self._text, self._columns = name, text, columns
        self.lines: dict[KeyPath, int] = {}
        self._open, self._seen = set[int](), 0

    def compose(self) -> yaml.Node | None:
        """Return the root node, or None for an empty document."""
        try:
            return yaml.compose(self._text, Loader=_Core)
        except yaml.MarkedYAMLError as error:
            # What is not closed is best looked for where it was opened.
            mark = error.context_mark if "end of stream" in str(error.problem) else error.problem_mark
            rule = "not YAML: " + " ".join(filter(None, (error.context, error.problem)))
            raise self._error(rule, mark, next((step for sign, step in _NEXT if sign in rule), "")) from error
        except yaml.reader.ReaderError as error:
            line = self._text[: error.position].count("\n") + 1
            raise self._error(f"line {line} holds a control character", None, "remove the character") from error
        except RecursionError as error:
            raise self._error("values are nested too deeply", None, "flatten the recipe") from error

    def value(self, node: yaml.Node | None, path: KeyPath = ()) -> Any:
        """Return the plain value of a node; lines of what is in it are remembered under `path`."""
        assert node is not None
        self._seen += 1
        if self._seen > MAX_NODES:
            raise self._error(f"aliases expand to over {MAX_NODES} values", node.start_mark, "write fewer aliases")
        if id(node) in self._open:
            raise self._error("an alias stands inside its own anchor", node.start_mark, "remove the alias")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node.tag, node.value, node.start_mark)
        wanted = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if node.tag != _TAG + wanted:
            raise self._tag_error(node.tag, node.start_mark)
        self._open.add(id(node))
        made = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        self._open.remove(id(node))
        return made

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        self.lines.update({(*path, i): item.start_mark.line + 1 for i, item in enumerate(node.value)})
        return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        first: dict[str, int] = {}
        # What << brings comes first, so that the mapping's own keys replace it.
        for key, item in sorted(node.value, key=lambda pair: pair[0].tag != _TAG + "merge"):
            name = self._key(key, item, node)
            line = key.start_mark.line + 1
            if str(name) in first:
                rule = f"key '{name}' stands twice, first in line {first[str(name)]}"
                raise self._error(rule, key.start_mark, "remove one of them")
            first[str(name)] = line
            if key.tag == _TAG + "merge":
                out = self._merge(key, item, path)
                continue
            for below in [p for p in self.lines if p[: len(path) + 1] == (*path, name)] if name in out else []:
                del self.lines[below]
            self.lines[(*path, name)] = line
            out[name] = self.value(item, (*path, name))
        return out

    def _merge(self, key: yaml.Node, target: yaml.Node, path: KeyPath) -> dict[Any, Any]:
        """Return the keys that `<<: *anchor` or `<<: [*one, *two]` brings; earlier ones win."""
        parts = target.value if isinstance(target, yaml.SequenceNode) else [target]
        out: dict[Any, Any] = {}
        for part in reversed(parts):
            if not isinstance(part, yaml.MappingNode):
                raise self._error("<< takes mappings only", key.start_mark, "write `<<: *name` of an anchored mapping")
            out.update(self.value(part, path))
        return out

    def _key(self, key: yaml.Node, item: yaml.Node, mapping: yaml.MappingNode) -> str | int:
        name = self.scalar(key.tag, key.value, key.start_mark) if isinstance(key, yaml.ScalarNode) else None
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise self._error("a key must be text or a whole number", key.start_mark, "put quotes around the key")
        # YAML reads {a:1} as the key 'a:1' without a value.
        bare = all(isinstance(n, yaml.ScalarNode) and not n.style for n in (key, item))
        if mapping.flow_style and bare and item.value == "" and ":" in str(name):
            raise self._error(f"key '{name}' has no value", key.start_mark, "put a blank after the colon")
        return name

    def scalar(self, full: str, text: str, mark: yaml.Mark | None) -> Any:
        """Return the value of a scalar with that tag, short or in full."""
        tag = full.removeprefix(_TAG)
        if tag in ("str", "merge"):
            return whole(text)
        if tag not in _SCALARS:
            raise self._tag_error(full, mark)
        if not _SCALARS[tag].match(text) or len(text) > 1000:
            raise self._error(f"not a YAML {tag}: {text[:40]}", mark, "put quotes around text")
        if text.lower() == ".nan":
            raise self._error("nan is no value", mark, "write null, or leave the key out")
        if tag == "int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if tag == "float":
            return float(text.lower().replace(".inf", "inf"))
        return text.lower() == "true" if tag == "bool" else None

    def _tag_error(self, tag: str, mark: yaml.Mark | None) -> RecipeError:
        return self._error(f"tag {tag.replace(_TAG, '!!')} is not part of YAML's core", mark, _QUOTE)

    def _error(self, rule: str, mark: yaml.Mark | None, hint: str) -> RecipeError:
        known = mark if self._columns else None
        place = f"{self._name}:{known.line + 1}:{known.column + 1}" if known else self._name
        excerpt = "".join(self._text.splitlines()[known.line : known.line + 1]) if known else ""
        return RecipeError.many([Problem(rule, place, next=hint, excerpt=shorten(excerpt.strip()))])
