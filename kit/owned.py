"""Plug-in files of a user's own: what each kind must offer, and which line of one raised an error."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any, get_args

import numpy as np

from kit.canon import stream
from kit.contracts import Scope
from kit.errors import FitError, KitError, Problem, RecipeError, few
from kit.params import Params
from kit.types import Array, ColumnKind, Objective, PredKind, TaskKind

PREFIX = "kit_local_"
"""What the name of a module begins with that is a file of the user's own."""

VERBS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "models": {
        "prepare": ("params", "task", "train", "stop", "run"),
        "fit": ("params", "task", "data", "run"),
        "load": ("folder",),
    },
    "features": {"learn": ("params", "task", "rows", "rng")},
    "augment": {"make": ("params", "rows", "rng")},
    "weights": {"weigh": ("params", "rows")},
    "codecs": {"learn": ("params", "task", "rows"), "task": ("params", "task")},
    "metrics": {"score": ("task", "y", "pred", "v")},
    "stackers": {"fit": ("params", "ctx", "z", "y", "v")},
    "splits": {"assign": ("params", "task", "rows", "rng")},
}
"""Kind -> the functions its modules offer, with what each is handed, in order."""

OTHER_VERBS: Mapping[str, tuple[str, ...]] = {
    "label": ("params", "task", "rows", "pred", "rng"),
    "decide": ("task", "mean"),
}
"""`label` stands for an augmenter's `make`; `decide` is what a metric of labels has besides."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "models": ("LIBS", "TASKS", "OBJECTIVES", "STEPS", "STEP_GROWS", "DATA_PARAMS", "DEVICES", "COST"),
    "features": ("LIBS", "SCOPE", "KINDS", "ACCEPTS"),
    "augment": ("LIBS",),
    "weights": ("LIBS",),
    "codecs": ("LIBS", "TASKS", "EXACT"),
    "metrics": ("BETTER", "TASKS", "WANTS", "OBJECTIVE", "CODEC"),
    "stackers": ("LIBS", "TASKS", "LINEAR", "PER_FOLD", "SOURCES", "RETURNS"),
    "splits": ("LIBS", "NEEDS", "RANDOM"),
}
"""Kind -> the values its modules declare."""

EXAMPLES: Mapping[str, str] = {
    "models": "sklearn",
    "features": "missing",
    "augment": "jitter",
    "weights": "lds",
    "codecs": "log1p",
    "metrics": "rmsle",
    "stackers": "clip",
    "splits": "kfold",
}
"""Kind -> a plug-in of kit that is short to read."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "LIBS": (),
    "DATA_PARAMS": (),
    "TASKS": get_args(TaskKind),
    "OBJECTIVES": get_args(Objective),
    "DEVICES": ("cpu", "cuda"),
    "KINDS": get_args(ColumnKind),
    "ACCEPTS": get_args(ColumnKind),
    "NEEDS": ("group", "time"),
}
"""Values that are tuples of words, and the words there are; () = any."""

CHOICES: Mapping[str, tuple[object, ...]] = {
    "SCOPE": get_args(Scope),
    "BETTER": ("lower", "higher"),
    "WANTS": get_args(PredKind),
    "RETURNS": (*get_args(PredKind), None),
    "STEP_GROWS": (True, False),
    "EXACT": (True, False),
    "LINEAR": (True, False),
    "PER_FOLD": (True, False),
    "RANDOM": (True, False),
}


def require_offers(module: ModuleType, kind: str, what: str) -> None:
    """Raise unless a user's file offers what its kind must; `what`: how people call one of that kind.

    Raises:
        RecipeError: something lacks, or is of another form; every fault is a problem of its own.
    """
    path = Path(str(module.__file__))
    example = f"write it as kit/{kind}/{EXAMPLES[kind]}.py is; kit/contracts.py says what each name means"
    problems = [Problem(rule, str(path), got, allowed, example) for rule, got, allowed in _faults(module, kind, what)]
    if problems:
        raise RecipeError.many(problems)


def _faults(module: ModuleType, kind: str, what: str) -> Iterator[tuple[str, str, str]]:
    """Yield rule, what was got and what is allowed of each fault."""
    file = Path(str(module.__file__)).name
    verbs = dict(VERBS[kind])
    if kind == "augment" and hasattr(module, "label"):
        verbs = {"label": OTHER_VERBS["label"]}
    if getattr(module, "WANTS", None) == "label":
        verbs["decide"] = OTHER_VERBS["decide"]
    needed = [*(() if kind == "metrics" else ("Params",)), *VALUES[kind], *verbs]
    lacking = [name for name in needed if not hasattr(module, name)]
    if lacking:
        there = [n for n, value in vars(module).items() if _is_its_own(n, value, module)]
        yield f"{file} is no {what}: it lacks {', '.join(lacking)}", few(there) or "nothing", ", ".join(needed)
    if "Params" in needed and "Params" not in lacking and not _is_params(module.Params):
        yield f"{file}: Params must be a class", repr(module.Params), "class Params(kit.params.Params)"
    for name in (n for n in VALUES[kind] if n not in lacking):
        if allowed := _refused(module, name):
            yield f"{file}: {name} cannot be this", repr(getattr(module, name)), allowed
    for name in (n for n in verbs if n not in lacking):
        if not _takes(getattr(module, name), len(verbs[name])):
            yield f"{file}: {name} is called in another way", _signature(module, name), f"({', '.join(verbs[name])})"


def _refused(module: ModuleType, name: str) -> str:
    """Return what a declared value may be where it is none of that, else ""."""
    value = getattr(module, name)
    fields = list(getattr(getattr(module, "Params", None), "model_fields", ()))
    if name in CHOICES:
        known = any(value is c if isinstance(c, bool | None) else value == c for c in CHOICES[name])
        return "" if known else " or ".join(map(repr, CHOICES[name]))
    if name in WORDS:
        words = tuple(fields) if name == "DATA_PARAMS" else WORDS[name]
        several = isinstance(value, tuple | list) and all(isinstance(v, str) for v in value)
        fits = several and (name == "LIBS" or set(value) <= set(words))
        return "" if fits else "a tuple of " + (", ".join(map(repr, words)) or "names of distributions")
    rules: dict[str, tuple[Callable[[Any], bool], str]] = {
        "STEPS": (lambda v: v == "" or v in fields, f"'', or a parameter: {', '.join(fields)}"),
        "COST": (lambda v: isinstance(v, int | float) and v > 0, "a number above 0, LightGBM's being 1"),
        "SOURCES": (_is_span, "(least, most) sources, as (1, 1000)"),
        "CODEC": (_is_codec, "a target transform of kit, as 'identity' or 'log1p'"),
        "OBJECTIVE": (lambda v: _is_objective(v, module), f"task -> one of {', '.join(get_args(Objective))}"),
    }
    holds, allowed = rules[name]
    return "" if holds(value) else allowed


def _is_span(value: Any) -> bool:
    pair = isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(v, int) for v in value)
    return pair and 1 <= value[0] <= value[1]


def _is_codec(value: Any) -> bool:
    return isinstance(value, str) and (Path(__file__).parent / "codecs" / f"{value}.py").is_file()


def _is_objective(value: Any, module: ModuleType) -> bool:
    tasks = getattr(module, "TASKS", ())
    return isinstance(value, Mapping) and all(value.get(task) in get_args(Objective) for task in tasks)


def _is_params(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Params)


def _is_its_own(name: str, value: object, module: ModuleType) -> bool:
    """Return whether a name is said in the file itself, rather than imported into it."""
    return not name.startswith("_") and getattr(value, "__module__", None) == module.__name__


def _takes(verb: Any, count: int) -> bool:
    """Return whether a verb may be called with so many values, one after the other."""
    try:
        inspect.signature(verb).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # it does not tell, as what is written in C
        return callable(verb)
    return True


def _signature(module: ModuleType, name: str) -> str:
    verb = getattr(module, name)
    return str(inspect.signature(verb)) if callable(verb) else repr(verb)


def line_of(error: BaseException) -> tuple[str, str] | None:
    """Return where in a file of the user's own an error arose, as "file:line", and in which verb; None if elsewhere."""
    frames = [(f, n) for f, n in walk_tb(error.__traceback__) if str(f.f_globals.get("__name__")).startswith(PREFIX)]
    if not frames:
        return None
    frame, line = frames[-1]
    return f"{shown(frame.f_code.co_filename)}:{line}", frames[0][0].f_code.co_qualname


def blamed(error: BaseException) -> FitError | None:
    """Return what to tell of an error that arose in a file of the user's own; None where it arose elsewhere."""
    found = line_of(error)
    if found is None:
        return None
    got, advice = f"{type(error).__name__}: {error}", "mend the file; --debug shows the trace"
    return FitError(f"{found[1]} fails", place=found[0], got=got, next=advice)


@contextmanager
def own_code(*drawn: str | int) -> Iterator[None]:
    """Run code of the user's own inside: what it prints goes to stderr, and its errors name the file.

    What it draws of the random numbers of a process (`random`, `np.random`, torch) begins at a seed of that name,
    so that it is the same in every run, whichever worker it comes to; afterwards they go on from where they were.

    Raises:
        FitError: it raised an error that is none of kit's.
    """
    try:
        # What is printed must not mix with the JSON on stdout.
        with _seeded(_seed_of(drawn)), redirect_stdout(sys.stderr):
            yield
    except KitError:
        raise
    except Exception as error:
        if told := blamed(error):
            raise told from error
        raise


@cache
def _seed_of(drawn: tuple[str | int, ...]) -> int:
    return int(stream(0, "global", *drawn).integers(2**32))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    torch = sys.modules.get("torch")
    before, old, own = random.getstate(), np.random.get_state(), None if torch is None else torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - code of others draws of it
    if torch is not None:
        torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(old)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(own)


def locked(array: Array) -> Array:
    """Return the array for reading alone: what writes to it would change what others are handed."""
    view = array.view()
    view.flags.writeable = False
    return view


def file_of(made: object) -> str:
    """Return the file of the user's own that holds the class of a thing, "" where none does."""
    name = type(made).__module__
    return str(sys.modules[name].__file__) if name.startswith(PREFIX) else ""


def shown(path: str) -> str:
    """Return a path for people: from the current folder on where it lies below that."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
