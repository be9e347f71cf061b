"""What verbs of a user's own plug-ins return, looked at where kit takes it: those of kit have their contract tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from kit.contracts import Assignment, Fitted
from kit.errors import FitError
from kit.owned import shown
from kit.types import NO_PARENT, Block, Design, Pred, Rows, Task


def block(use: str, value: Any, n: int, verb: str = "the learnt feature") -> Block:
    """Return what a feature made of n rows.

    Raises:
        FitError: it is no Block of n rows, or holds infinite values.
    """
    if not use.endswith(".py"):
        return value  # type: ignore[no-any-return]
    _require(isinstance(value, Block), use, verb, "a Block", value)
    _require(len(value.x) == n, use, verb, f"a Block of {n} rows", value.x)
    _require(not np.isinf(value.x).any(), use, verb, "no infinite values; NaN where one is missing", value.x)
    return value  # type: ignore[no-any-return]


def learnt(use: str, value: Any) -> Any:
    """Return what a feature's `learn` gave.

    Raises:
        FitError: it cannot be called, or has no `own`.
    """
    fits = not use.endswith(".py") or (callable(value) and hasattr(value, "own"))
    _require(
        fits, use, "learn", "a frozen dataclass that can be called with rows and has `own` (None, or a Block)", value
    )
    return value


def fitted(use: str, value: Any) -> Any:
    """Return what a model's `fit` gave.

    Raises:
        FitError: it lacks a verb, its best step is no whole number or its curve no array.
    """
    if use.endswith(".py"):
        lacks = [n for n in ("best_step", "curve", "predict", "importance", "save") if not hasattr(value, n)]
        _require(not lacks, use, "fit", f"a fitted model; this one lacks {', '.join(lacks)}", value)
        whole = isinstance(value.best_step, int | np.integer)
        _require(whole, use, "fit", "a model whose best_step is a whole number, 0 without steps", value.best_step)
        _require(np.ndim(value.curve) == 1, use, "fit", "a model whose curve has shape (steps,)", value.curve)
    return value


def kept(use: str, made: Fitted, loaded: Fitted, design: Design) -> None:
    """Raise where a model that was saved and loaded again predicts something else.

    Raises:
        FitError: it does, so that kept models would not stand for those that were scored.
    """
    fitted(use, loaded)
    if len(design):
        was, found = made.predict(design).mean, loaded.predict(design).mean
        same = was.shape == found.shape and bool(np.allclose(was, found, rtol=1e-4, atol=1e-6))
        _require(same, use, "load", "a model that predicts what the saved one did", found)


def task(use: str, value: Any) -> Task:
    """Return the task a target transform gives the learner.

    Raises:
        FitError: it is no Task.
    """
    fits = not use.endswith(".py") or isinstance(value, Task)
    _require(fits, use, "task", "a Task: as a rule the one it was handed", value)
    return value  # type: ignore[no-any-return]


def importance(use: str, value: Any, d: int) -> Any:
    """Return the importances of d columns, or None.

    Raises:
        FitError: they are not one number for each column.
    """
    fits = not use.endswith(".py") or value is None or np.shape(value) == (d,)
    _require(fits, use, "importance", f"None, or a number for each of {d} columns", value)
    return value


def pred(use: str, value: Any, n: int, m: int | None, verb: str) -> Pred:
    """Return a prediction (n, m); m None: of any width.

    Raises:
        FitError: it is no Pred of that shape.
    """
    if use.endswith(".py"):
        what = f"a Pred whose mean has shape ({n}, {'m' if m is None else m})"
        _require(isinstance(value, Pred), use, verb, what, value)
        _require(len(value) == n and m in (None, value.mean.shape[1]), use, verb, what, value.mean)
    return value  # type: ignore[no-any-return]


def numbers(use: str, value: Any, n: int, verb: str) -> Any:
    """Return (n,) finite numbers.

    Raises:
        FitError: they are others.
    """
    if use.endswith(".py"):
        good = isinstance(value, np.ndarray) and value.shape == (n,) and value.dtype.kind in "fiub"
        _require(good, use, verb, f"an array of {n} numbers", value)
        _require(bool(np.isfinite(value).all()), use, verb, f"{n} finite numbers", value)
    return value


def synthetic(use: str, value: Any, header: Any) -> Rows:
    """Return the rows an augmenter made.

    Raises:
        FitError: they are no Rows, lack a column, y or parents, or are not numbered below 0, each by its own number.
    """
    if use.endswith(".py"):
        what = "new Rows"
        _require(isinstance(value, Rows), use, "make", what, value)
        n = len(value)
        lacks = sorted(set(header) - set(value.x))
        _require(not lacks, use, "make", f"{what} with every column; these lack {', '.join(lacks)}", value)
        odd = [c for c in header if len(value.x[c]) != n]
        _require(not odd, use, "make", f"{what} whose columns are as long as `row`: {n}", value.x[odd[0]] if odd else 0)
        _require(value.y is not None, use, "make", f"{what} with y", None)
        below = bool((value.row < 0).all()) and len(np.unique(value.row)) == n
        _require(below, use, "make", f"{what} numbered -1, -2, ...", value.row)
        alone = value.parents[:, 0] == NO_PARENT
        _require(not alone.any(), use, "make", f"{what} whose `parents` name the rows they were made of", value.parents)
    return value  # type: ignore[no-any-return]


def combiner(use: str, value: Any) -> Any:
    """Return what a stacker's `fit` gave.

    Raises:
        FitError: it cannot be called, or has no `weights`.
    """
    fits = not use.endswith(".py") or (callable(value) and hasattr(value, "weights"))
    allowed = "a frozen dataclass that can be called with z and ctx and has `weights` (None, or one for each source)"
    _require(fits, use, "fit", allowed, value)
    return value


def assignment(use: str, value: Any, n: int) -> Assignment:
    """Return who is held where, of n rows.

    Raises:
        FitError: it is no Assignment, or its arrays are of other shapes or types.
    """
    if use.endswith(".py"):
        _require(isinstance(value, Assignment), use, "assign", "an Assignment", value)
        held, train = value.held, value.train
        good = isinstance(held, np.ndarray) and held.shape == (n,) and held.dtype.kind in "iu" and held.min() >= -1
        _require(good, use, "assign", f"held: {n} whole numbers from 0 on, -1 = never", held)
        folds = int(held.max()) + 1
        _require(folds > 0, use, "assign", "held: a fold for some row at least", held)
        if train is not None:
            good = isinstance(train, np.ndarray) and train.shape == (folds, n) and train.dtype == np.bool_
            _require(
                good, use, "assign", f"train: bool of shape ({folds}, {n}), or None = all that are not held", train
            )
    return value  # type: ignore[no-any-return]


def number(use: str, value: Any) -> float:
    """Return a score.

    Raises:
        FitError: it is no number.
    """
    fits = not use.endswith(".py") or (
        np.ndim(value) == 0 and isinstance(value, float | int | np.floating | np.integer)
    )
    _require(fits, use, "score", "a number", value)
    return float(value)


def _require(rule: bool, use: str, verb: str, allowed: str, value: Any) -> None:
    if not rule:
        what = f"{verb} returns something else than it must"
        raise FitError(what, place=shown(use), got=_said(value), allowed=allowed, next="mend the file")


def _said(value: Any) -> str:
    """Return a value for people: of an array its shape, type and range."""
    if not isinstance(value, np.ndarray):
        return f"{type(value).__name__}: {value!r}"
    span = f", from {value.min()} to {value.max()}" if value.size and value.dtype.kind in "iu" else ""
    lost = int((~np.isfinite(value)).sum()) if value.dtype.kind == "f" else 0
    return f"an array of shape {value.shape}, {value.dtype}{span}{f', {lost} of it not finite' if lost else ''}"
