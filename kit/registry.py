"""The folder is the registry: lists plug-ins, imports them on use. Only it, cli.py and api.py use importlib."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import is_dataclass
from functools import cache, partial
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from kit import grouped, judged, rowgroups
from kit.canon import code_file, code_of_parts, fingerprint
from kit.errors import RecipeError, nearest
from kit.judging import Metric
from kit.owned import PREFIX, line_of, require_offers
from kit.params import Params

KINDS = {
    "models": "learner",
    "features": "feature",
    "augment": "augmenter",
    "weights": "weighting",
    "codecs": "target transform",
    "metrics": "metric",
    "stackers": "stacker",
    "splits": "splitter",
}
"""Folder -> what a person calls one of its plug-ins."""

_ROOT = Path(__file__).parent


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the recipe names of a folder's plug-ins, sorted. Files that begin with `_` are private."""
    return tuple(sorted(p.stem for p in (_ROOT / kind).glob("[!_]*.py")))


def path_of(kind: str, name: str) -> Path:
    """Return the file of a plug-in; `name` may be a path to a user's own (it ends in .py).

    Raises:
        RecipeError: there is no such plug-in.
    """
    name = grouped.split(name)[0] if kind == "metrics" else name
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise RecipeError(f"the {KINDS[kind]} file does not exist", place=f"use: {name}", got=name)
        return path.resolve()
    stem = name.partition("@")[0] if kind == "metrics" else name
    if stem not in names(kind):
        raise RecipeError(f"unknown {KINDS[kind]}", got=name, allowed=names(kind), next=nearest(stem, names(kind)))
    return _ROOT / kind / f"{stem}.py"


def has(kind: str, name: str) -> bool:
    """Return whether kit has such a plug-in. A file of one's own is none: to look into it is to run it."""
    if name.endswith(".py") or (kind == "metrics" and is_own(name)):
        return False
    try:
        load(kind, name)
    except RecipeError:
        return False
    return True


def load(kind: str, name: str) -> Any:
    """Return the plug-in module. Its library is not imported by that, only by its verbs.

    A metric's name may carry a number, as `map@3`: what is returned then scores with that number. It may name groups,
    as `rmse by series`: what is returned has neither the shortcuts nor the thresholds of the metric over all rows.

    Raises:
        RecipeError: there is no such plug-in, or a user's own file cannot be imported.
    """
    base, by = grouped.split(name) if kind == "metrics" else (name, None)
    module = _load_file(path_of(kind, base), kind) if base.endswith(".py") else _load_own(kind, base)
    if by is None:
        return module
    offered = {n: value for n, value in vars(module).items() if not n.startswith("_")}
    return SimpleNamespace(**{**offered, "tally": None, "THRESHOLDS": (), "BY": by})


def is_own(metric: str) -> bool:
    """Return whether a metric, within groups or not, is a file of the user's own."""
    return grouped.split(metric)[0].endswith(".py")


@cache
def _load_own(kind: str, name: str) -> Any:
    stem = path_of(kind, name).stem
    module = importlib.import_module(f"kit.{kind}.{stem}")
    return module if name == stem else _numbered(module, name)


def _numbered(module: ModuleType, name: str) -> SimpleNamespace:
    """Return what a metric's module offers, its score taken with the number behind the @ of `name`."""
    stem, _, text = name.partition("@")
    number = getattr(module, "AT", None)
    if number is None:
        raise RecipeError(f"the metric {stem} takes no number", got=name, allowed=stem, next=f"metric: {stem}")
    try:
        at = number.read(text)
    except ValueError:
        example = f"{stem}@{number.default:g}"
        allowed = f"{stem}@ and {number.allowed}"
        raise RecipeError("this number cannot stand there", got=name, allowed=allowed, next=f"as {example}") from None
    offered = {n: value for n, value in vars(module).items() if not n.startswith("_")}
    if hasattr(module, "by_group_at"):
        offered["by_group"] = partial(module.by_group_at, at=at)
    return SimpleNamespace(**{**offered, "score": partial(module.score_at, at=at), "NUMBER": at})


class _AsItIs(SourceFileLoader):
    """Runs a file as it is now: what Python keeps of one, it tells by size and the second it was changed in."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the file, compiled anew."""
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


_SEEN: dict[str, tuple[Path, str]] = {}
"""Module beside a user's plug-in -> its file and a digest of its code, as Python has it since the last look."""


class _Beside(MetaPathFinder):
    """Finds the modules beside a user's plug-in, and has them run as they are now. `files`: name -> file."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return where a module is."""
        if fullname not in self._files:
            return None
        file = self._files[fullname]
        inner = [str(file.parent)] if file.name == "__init__.py" else None
        loader = _AsItIs(fullname, str(file))
        return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=inner)


def _forget_changed(path: Path, parts: Mapping[Path, str]) -> dict[str, Path]:
    """Return the modules beside a user's plug-in, which Python imports anew if one was changed or is of another folder.

    All of them then: what one took from another it would keep. Modules of Python and of installed packages stay.
    """
    known: dict[str, tuple[Path, str]] = {}
    for part in (p for p in parts if p != path and p.is_relative_to(path.parent)):
        names = part.relative_to(path.parent).with_suffix("").parts
        known[".".join(names[:-1] if names[-1] == "__init__" else names)] = part, parts[part]
    known = {name: seen for name, seen in known.items() if _may_be_forgotten(name)}
    if any(name in sys.modules and _SEEN.get(name) != seen for name, seen in known.items()):
        for name in known:
            sys.modules.pop(name, None)
    _SEEN.update(known)
    return {name: file for name, (file, _) in known.items()}


def _may_be_forgotten(name: str) -> bool:
    """Return whether Python may import a module anew: not one of its own, nor of an installed package."""
    top = name.partition(".")[0]
    place = Path(str(getattr(sys.modules.get(top), "__file__", None) or ""))
    return top not in {*sys.stdlib_module_names, _ROOT.name} and not {"site-packages", "dist-packages"} & {*place.parts}


def _load_file(path: Path, kind: str) -> ModuleType:
    """Return the module of a user's file as it is now: one that was changed is another module."""
    try:
        code, parts = code_of_parts(path)
    except (SyntaxError, ValueError) as error:
        got = f"{error}"
        raise RecipeError(f"{path.name} is not Python", place=str(path), got=got, next="mend the file") from error
    name = f"{PREFIX}{kind}_{path.stem}_{code}"
    finder = _Beside(_forget_changed(path.resolve(), parts))
    if name in sys.modules:
        return sys.modules[name]
    loader = _AsItIs(name, str(path))
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    module.__file__ = str(path)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    sys.meta_path.insert(0, finder)
    try:
        with redirect_stdout(sys.stderr):
            loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        line, _ = line_of(error) or (str(path), "")
        advice = "mend the file" if not isinstance(error, ImportError) else "install what it imports, or mend the file"
        raise RecipeError(f"{Path(line).name} fails on import", place=line, got=repr(error), next=advice) from error
    finally:
        sys.path.remove(str(path.parent))
        sys.meta_path.remove(finder)
    try:
        require_offers(module, kind, KINDS[kind])
    except RecipeError:
        del sys.modules[name]
        raise
    return module


def reference(cls: type) -> str:
    """Return how a class of kit, or of a user's own plug-in, is named in a file that is kept."""
    module, _, code = cls.__module__.partition(PREFIX)
    parts = code.split("_")
    place = f"local:{parts[-1]}:{parts[0]}" if code and not module else cls.__module__
    return f"{place}/{cls.__qualname__}"


def referred(name: str, own: Mapping[str, str]) -> Any:
    """Return the class `reference` named; `own`: code of a user's own plug-in -> the file it is in now.

    Raises:
        ValueError: it is no class of kit, nor of one of these files.
    """
    place, _, cls = name.partition("/")
    if place.startswith("local:"):
        code, _, kind = place.rpartition(":")
        found = getattr(_load_file(Path(own[code]), kind), cls)
    elif place.startswith("kit."):
        found = getattr(importlib.import_module(place), cls)
    else:
        raise ValueError(f"{name} is no class of kit")
    if not (isinstance(found, type) and (is_dataclass(found) or issubclass(found, Params))):
        raise ValueError(f"{name} is nothing that is saved")
    return found


def shown(name: str) -> str:
    """Return what people read of a plug-in's name: the file's name where it is one of the user's own."""
    base, by = grouped.split(name)
    if by is not None:
        return grouped.joined(shown(base), by)
    return Path(name).name if name.endswith(".py") else name


def keyed(kind: str, name: str) -> str:
    """Return what stands for a plug-in in a key: its name, or the code of a file of the user's own, never its path."""
    base, by = grouped.split(name) if kind == "metrics" else (name, None)
    if by is not None:
        return grouped.joined(keyed(kind, base), by)
    return f"local:{code_of(kind, name)}" if name.endswith(".py") else name


def code_of(kind: str, name: str) -> str:
    """Return the code fingerprint of a plug-in (canon.fingerprint)."""
    found = fingerprint(path_of(kind, name))
    by = grouped.split(name)[1] if kind == "metrics" else None
    return found if by is None else f"{found}/{code_file(grouped)}/{code_file(rowgroups)}"


@cache
def versions(libs: tuple[str, ...]) -> dict[str, str]:
    """Return major.minor of each distribution, without importing it."""
    found = {}
    for name in libs:
        try:
            # numpy is loaded anyway, and to ask metadata anything loads a parser of e-mails first.
            version = np.__version__ if name == "numpy" else metadata.version(name)
            found[name] = ".".join(version.split(".")[:2])
        except metadata.PackageNotFoundError:
            raise RecipeError(f"the package {name} is not installed", got=name, next=f"pip install {name}") from None
    return found


def learns(stacker: str) -> bool:
    """Return whether y shapes what a stacker does."""
    return getattr(load("stackers", stacker), "LEARNS", True) is True


def refuse_groups(stacker: str, metric: str, place: str) -> None:
    """Raise RecipeError where a stacker decides over all rows and the metric is a mean over groups."""
    if grouped.split(metric)[1] is not None and getattr(load("stackers", stacker), "OVER_ROWS", False):
        rule = f"{shown(stacker)} seeks what is best over all rows, and {shown(metric)} is a mean over groups"
        raise RecipeError(rule, place=place, got=shown(stacker), next="leave it out, or use the metric without `by`")


def metric(name: str) -> Metric:
    """Return the metric of that name, ready for use. Its score of rows none of which counts is a DataError."""
    return judged.of(name, shown(name), load("metrics", name), own=is_own(name))
