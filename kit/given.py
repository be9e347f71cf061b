"""Recipes and data handed over from Python: a mapping instead of a file, data frames instead of paths."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit import strictyaml
from kit.errors import RecipeError
from kit.frames import Frame, frame_of
from kit.strictyaml import Document, KeyPath

Source = str | Path | Mapping[str, Any]
"""A recipe: the path of a file, or its content as a mapping. There, `data` may hold data frames."""


def several(given: str | Sequence[str]) -> Sequence[str]:
    """Return the texts of a list; one alone need not stand in one.

    >>> several("judge:*"), several(["a", "b"])
    (('judge:*',), ['a', 'b'])
    """
    return (given,) if isinstance(given, str) else given


def texts_of(sets: str | Sequence[str] | Mapping[str, Any]) -> Sequence[str]:
    """Return changes of a recipe as "a.b=c"; the values of a mapping may be numpy's.

    >>> import numpy as np
    >>> texts_of({"seed": np.int64(7), "models.a.params": {"l2": np.float32(0.5)}})
    ['seed=7', 'models.a.params={"l2": 0.5}']
    """
    if not isinstance(sets, Mapping):
        return several(sets)
    return [f"{k}={json.dumps(plain(v, (k,), {}))}" for k, v in sets.items()]


@dataclass(frozen=True)
class Given:
    """A recipe as a document, where its relative paths start, and the frames handed over, by part of `data`."""

    document: Document
    folder: Path
    frames: Mapping[str, Frame] = field(default_factory=dict)


@dataclass(frozen=True)
class _Mapping(Document):
    """A document that was no file: places are key paths."""

    def place(self, keypath: KeyPath) -> str:
        """Return 'the recipe: models.cat', or '--set a.b=1'."""
        found = super().place(keypath)
        return ": ".join([self.path, ".".join(map(str, keypath))]) if found == self.path and keypath else found


def hand_over(source: Source | Given, train: Any = None, test: Any = None, sample: Any = None) -> Given:
    """Return a recipe with the frames that stand in it or are given for its train, test and sample.

    Raises:
        RecipeError: the recipe cannot be read.
        DataError: what is given is no data frame.
    """
    if isinstance(source, Given):
        return source
    frames = {
        part: frame for part, frame in (("train", train), ("test", test), ("sample", sample)) if frame is not None
    }
    if isinstance(source, Mapping):
        value = plain(source, (), frames)
        document: Document = _Mapping({"name": "recipe", **value}, "the recipe", {}, ())
        folder = Path.cwd()
    else:
        document, folder = strictyaml.load(Path(source)), Path(source).resolve().parent
    data = document.value.get("data", {})
    if frames and isinstance(data, dict):
        named = {part: f"the DataFrame {part}" for part in frames if "." not in part}
        document = replace(document, value={**document.value, "data": {**data, **named}})
    return Given(document, folder, {part: frame_of(frame, part) for part, frame in frames.items()})


def plain(value: Any, at: KeyPath, frames: dict[str, Any]) -> Any:
    """Return a value as YAML would give it; data frames under `data` move to `frames`."""
    if isinstance(value, Mapping):
        return {k: plain(v, (*at, k), frames) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, (*at, i), frames) for i, v in enumerate(value)]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(type(value), "columns") and at[:1] == ("data",):  # to ask a lazy frame itself costs
        part = ".".join(map(str, at[1:])).removesuffix(".path")
        frames[part] = value
        return f"the DataFrame {part}"
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    place, got = f"the recipe: {'.'.join(map(str, at))}", type(value).__name__
    raise RecipeError("a recipe holds texts, numbers, lists and mappings", place=place, got=got, next="write it as one")
