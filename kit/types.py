"""The border types of kit: validated frozen dataclasses of arrays, no I/O.

Symbols: n rows, t test rows, d matrix columns, m outputs (classes of a multiclass task, else 1), K folds over all
repeats, R repeats, S sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.gather import Gather

Array = NDArray[Any]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Label = str | int | float | bool

TaskKind = Literal["regression", "binary", "multiclass"]
Objective = Literal["squared", "absolute", "logloss", "softmax", "gaussian"]
ColumnKind = Literal["numeric", "category", "text", "key", "date", "vector"]
PredKind = Literal["value", "proba", "label"]

NO_PARENT = np.iinfo(np.int64).min
"""Marks an empty place in `Rows.parents`."""


def label_text(label: object) -> str:
    """Return a label as a recipe writes it: true and false in small letters, whole numbers without a point.

    >>> label_text(True), label_text(3), label_text(3.0), label_text("no")
    ('true', '3', '3', 'no')
    """
    if isinstance(label, bool | np.bool_):
        return str(bool(label)).lower()
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def require(rule: bool, message: str) -> None:
    """Raise ValueError with `message` unless `rule` holds."""
    if not rule:
        raise ValueError(message)


@dataclass(frozen=True)
class Task:
    """What is predicted.

    Regression y is the target itself. Binary y is 1.0 for `positive`, else 0.0. Multiclass y is the index into
    `classes`, which are sorted and whose order is the column order everywhere.
    """

    kind: TaskKind
    objective: Objective = "squared"
    classes: tuple[Label, ...] = ()
    positive: Label | None = None

    def __post_init__(self) -> None:
        if self.kind == "regression":
            require(not self.classes, f"a regression has no classes, however: {self.classes=}")
        else:
            require(len(self.classes) >= 2, f"at least 2 classes are needed, however: {self.classes=}")
        if self.kind == "binary":
            require(len(self.classes) == 2, f"binary means 2 classes, however: {self.classes=}")
            require(self.positive in self.classes, f"positive must be a class, however: {self.positive=}")

    @property
    def n_out(self) -> int:
        """Outputs of a prediction: 1 for regression and binary, the number of classes for multiclass."""
        return len(self.classes) if self.kind == "multiclass" else 1


@dataclass(frozen=True)
class Column:
    """What is known of a column before any row is seen.

    `levels` are the sorted distinct strings of a category, text or key column (x holds codes into them, -1 = missing);
    `width` is d of a vector column.
    """

    kind: ColumnKind
    levels: Sequence[str] = ()
    width: int = 1


@dataclass(frozen=True)
class Rows:
    """A set of rows: train, test or synthetic.

    Shape:
        row: (n,) int64; train 0..n_train-1, test after them, synthetic below 0.
        x: name -> (n,) float (numeric, date), (n,) int32 codes (category, text, key) or (n, d) float32 (vector).
        y: (n,) float64 as `Task` says, or None where it must not be seen.
        w: (n,) float64, how much a row counts in learning.  v: (n,) float64, how much it counts in scoring.
        group: (n,) int64 or None.  time: (n,) float64 or None.
        query: (n,) int64 or None, the query that a row is ranked in; None where no learner ranks.
        parents: (n, 2) int64, the rows a synthetic row was made of (`NO_PARENT` where there is none).
    """

    row: Ints
    x: Mapping[str, Array]
    header: Mapping[str, Column]
    y: Floats | None = None
    w: Floats = field(default_factory=lambda: np.empty(0))
    v: Floats = field(default_factory=lambda: np.empty(0))
    group: Ints | None = None
    time: Floats | None = None
    query: Ints | None = None
    parents: Ints = field(default_factory=lambda: np.empty((0, 2), np.int64))

    def __post_init__(self) -> None:
        n = len(self.row)
        for name in ("w", "v"):
            if len(getattr(self, name)) == 0 and n:
                object.__setattr__(self, name, np.ones(n))
        if len(self.parents) == 0 and n:
            object.__setattr__(self, "parents", np.broadcast_to(np.int64(NO_PARENT), (n, 2)))
        for name in ("y", "w", "v", "group", "time", "query"):
            value = getattr(self, name)
            require(value is None or value.shape == (n,), f"{name} must have shape ({n},)")
        require(self.parents.shape == (n, 2), f"parents must have shape ({n}, 2), however: {self.parents.shape=}")

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: Ints) -> Rows:
        """Return the rows at positions `index` (p,), in that order; columns are gathered only when read."""
        optional = {k: None if (a := getattr(self, k)) is None else a[index] for k in ("y", "group", "time", "query")}
        return Rows(
            self.row[index],
            Gather(self.x, index),
            self.header,
            w=self.w[index],
            v=self.v[index],
            parents=self.parents[index],
            **optional,
        )

    def blind(self) -> Rows:
        """Return the same rows without y: all that a prediction may see."""
        return replace(self, y=None)


def labelled(rows: Rows | Design) -> Floats:
    """Return the y (n,) of rows that must have it."""
    if rows.y is None:
        raise ValueError("these rows must have y")
    return rows.y


@dataclass(frozen=True)
class Folds:
    """Who is held and who learns.

    Shape:
        held: (R, n) int16, the fold in which a row is held in a repeat, -1 = never.
        learns: (K, n) bool, who may learn for fold k = repeat * n_folds + fold, or None = all that are not held.
    """

    held: NDArray[np.int16]
    n_folds: int
    learns: Bools | None = None

    def __post_init__(self) -> None:
        require(self.held.ndim == 2, f"held must have shape (repeats, n), however: {self.held.shape=}")
        require(self.n_folds >= 1, f"n_folds must be positive, however: {self.n_folds=}")
        if self.learns is not None:
            shape = (len(self), self.held.shape[1])
            require(self.learns.shape == shape, f"learns must have shape {shape}, however: {self.learns.shape=}")
        for k in range(len(self)):
            require(bool(self.is_held(k).any()), f"fold {k} holds no row")
            require(bool(self.is_train(k).any()), f"fold {k} has no row to learn from")
            require(not (self.is_train(k) & self.is_held(k)).any(), f"fold {k} learns from a row it holds")

    def __len__(self) -> int:
        return int(self.held.shape[0]) * self.n_folds

    def is_held(self, k: int) -> Bools:
        """Return (n,) bool: the rows predicted by fold k's model."""
        return np.asarray(self.held[k // self.n_folds] == k % self.n_folds)

    def is_train(self, k: int) -> Bools:
        """Return (n,) bool: the rows fold k's model may learn and stop on."""
        return ~self.is_held(k) if self.learns is None else self.learns[k]


@dataclass(frozen=True)
class Block:
    """Columns made by one feature: `x` (n, d) float32 (NaN = missing), `categories` {name: n_levels} hold codes."""

    names: tuple[str, ...]
    x: Floats32
    categories: Mapping[str, int] = field(default_factory=dict)
    text_model: str = ""  # the folder of the model whose tokens x holds

    def __post_init__(self) -> None:
        require(self.x.ndim == 2, f"x must have shape (n, d), however: {self.x.shape=}")
        require(self.x.dtype == np.float32, f"x must be float32, however: {self.x.dtype=}")
        require(self.x.shape[1] == len(self.names), f"{self.x.shape[1]} columns, but {len(self.names)} names")
        require(set(self.categories) <= set(self.names), "a category is not among the names")


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, a repeated one with the suffix `~2`, `~3`, ...

    >>> unique(["a", "b", "a"])
    ('a', 'b', 'a~2')
    """
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return tuple(made)


@dataclass(frozen=True)
class Design:
    """What a learner sees: blocks side by side, encoded y, learning weights w and scoring weights v (each (n,)).

    `query`: (n,) int64, which rows one that ranks is to rank together; None for all others.
    """

    blocks: tuple[Block, ...]
    y: Floats | None
    w: Floats
    v: Floats
    query: Ints | None = None

    def __len__(self) -> int:
        return len(self.w)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, d of them, unique: a repeated name gets the suffix `~2`, `~3`, ..."""
        return unique(name for block in self.blocks for name in block.names)

    @property
    def categories(self) -> dict[int, int]:
        """Position of each category column -> its number of levels; the codes run from 0, NaN = missing."""
        flat = [block.categories.get(name, 0) for block in self.blocks for name in block.names]
        return {i: n for i, n in enumerate(flat) if n}

    @property
    def n_columns(self) -> int:
        """d, the number of matrix columns."""
        return sum(len(block.names) for block in self.blocks)

    def matrix(self, order: Literal["C", "F"] = "C") -> Floats32:
        """Return (n, d) float32 in the wanted memory order: a copy, unless one block has that order already."""
        if len(self.blocks) == 1:
            return np.asarray(self.blocks[0].x, order=order)
        out: Floats32 = np.empty((len(self), self.n_columns), np.float32, order=order)
        at = 0
        for block in self.blocks:
            out[:, at : at + len(block.names)] = block.x
            at += len(block.names)
        return out


@dataclass(frozen=True)
class Pred:
    """A prediction: mean (n, m) float32, the value or P(positive) or class probabilities; std (n,) float32 or None."""

    mean: Floats32
    std: Floats32 | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", np.asarray(self.mean, np.float32))
        require(self.mean.ndim == 2, f"mean must have shape (n, m), however: {self.mean.shape=}")
        if self.std is not None:
            object.__setattr__(self, "std", np.asarray(self.std, np.float32))
            require(self.std.shape == self.mean.shape[:1], "std must have shape (n,)")

    def __len__(self) -> int:
        return len(self.mean)
