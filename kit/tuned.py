"""`<name>.tuned.yaml` beside a recipe: the params `kit tune` found, to be read and committed. `kit run` takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock
from pydantic import ValidationError

from kit import strictyaml
from kit.canon import key_of
from kit.errors import RecipeError
from kit.mistakes import mistakes
from kit.params import Params
from kit.paths import whole
from kit.recipe import Model, Recipe
from kit.search import given, nested, with_values
from kit.spelling import spelt
from kit.strictyaml import Document
from kit.tunable import Entry, Tuned

HEAD = """\
# Written by `kit tune`. Plain values, to be read and committed: `kit run` uses them, explicit params of the recipe win,
# --no-tuned leaves them out. A score is that of the folds it was tuned on, so a little too good.
"""


class _Dumper(yaml.SafeDumper):
    """Writes YAML 1.1, and with quotes what 1.2 reads as a number: one of 60 keys of folds is like 03911e73."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if spelt(text) == text else "'")


_Dumper.add_representer(str, _text)


def path_of(folder: Path, recipe: str) -> Path:
    """Return the file of a recipe's tuned params."""
    return folder / f"{recipe}.tuned.yaml"


def read(path: Path) -> tuple[Document | None, dict[str, Entry]]:
    """Return the file and its entries by model; nothing where there is no file.

    Raises:
        RecipeError: it is not what `kit tune` writes.
    """
    if not path.is_file():
        return None, {}
    document = strictyaml.load(path)
    models = document.value.get("models", {})
    if not isinstance(models, Mapping):
        raise RecipeError("models must be a mapping", place=document.place(("models",)), next=_again(path))
    return document, {str(name): _entry(document, str(name), value) for name, value in models.items()}


def _entry(document: Document, name: str, value: Any) -> Entry:
    at = ("models", name)
    try:
        return Entry.model_validate(value)
    except ValidationError as error:
        first = next(mistakes(Entry, value if isinstance(value, Mapping) else {}, error))
        place = document.place((*at, *first.path))
        raise RecipeError(
            first.rule, place=place, got=first.got or "", allowed=first.allowed, next=_again(Path(document.path))
        ) from error


def apply(recipe: Recipe) -> Recipe:
    """Return the recipe with tuned params where it gives none itself.

    An entry of another learner is left alone: the recipe's model has become another one since.

    Raises:
        RecipeError: the file cannot be read, or the learner refuses a value.
    """
    document, entries = read(path_of(recipe.folder, recipe.name))
    if document is None:
        return recipe
    models = [_applied(m, entries.get(m.name), document) for m in recipe.models]
    return replace(recipe, models=tuple(models))


def spoken(use: str, folder: Path) -> str:
    """Return how a learner is named in a file of `folder`, which may be moved: a file of one's own from there."""
    path = Path(use)
    return path.relative_to(folder.resolve()).as_posix() if path.is_relative_to(folder.resolve()) else use


def with_found(recipe: Recipe, found: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """Return the recipe with these params of some of its models, by name, where it gives none itself."""

    def filled(model: Model) -> Model:
        params = with_values(model.plug.params, found[model.name])
        return replace(model, plug=replace(model.plug, params=params))

    return replace(recipe, models=tuple(filled(m) if m.name in found else m for m in recipe.models))


def _applied(model: Model, entry: Entry | None, document: Document) -> Model:
    if entry is None or entry.use not in (model.plug.use, spoken(model.plug.use, Path(document.path).parent)):
        return model
    written = given(model.plug.params)
    taken = {name: value for name, value in entry.params.items() if name not in written}
    cls: type[Params] = type(model.plug.params)
    try:
        params = cls.model_validate(nested({**taken, **written}))
    except ValidationError as error:
        first = next(mistakes(cls, nested({**taken, **written}), error))
        place = document.place(("models", model.name, "params", *first.path))
        advice = _again(Path(document.path))
        raise RecipeError(first.rule, place=place, got=first.got, allowed=first.allowed, next=advice) from error
    tuned = Tuned(Path(document.path).name, entry, tuple(sorted(taken)))
    return replace(model, plug=replace(model.plug, params=params), tuned=tuned)


def write(path: Path, model: str, entry: Entry) -> None:
    """Put the entry of a model into the file, whole or not at all; the others stay, those of other commands too."""
    with _held(path):
        _, entries = read(path)
        entries[model] = entry
        listed = {name: _plain(each) for name, each in entries.items()}
        text = HEAD + yaml.dump({"models": listed}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        with whole(path) as temp:
            temp.write_text(text, "utf-8")


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold what every writer of the file waits for. It lies beside the file: their stores may be different ones."""
    target = path.resolve()
    lock = target.with_name(f".{key_of({'holds': target.name})[:12]}.lock")  # a name as long as may be has no room
    with FileLock(lock):
        try:
            yield
        finally:
            with suppress(OSError):  # another system removes nothing that is open
                lock.unlink()


def _plain(entry: Entry) -> dict[str, Any]:
    found = entry.model_dump(mode="json", exclude_defaults=True)
    return {**found, "params": dict(sorted(found.get("params", {}).items()))}


def _again(path: Path) -> str:
    return f"mend or remove {path.name}; kit tune writes it anew, and --no-tuned leaves it out"
