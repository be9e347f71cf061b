"""Rows that are the same in every feature: within train, and between train and test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kit.types import Array, Floats, Ints

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Doubles:
    """How many training rows repeat another, how many of these differ in y, how many test rows are in train.

    `by_chance`: columns of so few values that as many would repeat if they had nothing to do with each other.
    """

    in_train: int
    contradicting: int
    in_test: int
    by_chance: bool = False

    def told(self, n: int, t: int) -> Iterator[tuple[Literal["warning", "note"], str, str]]:
        """Yield severity, words and next step of what there is among n training and t test rows."""
        if self.in_train:
            what = f"training rows that repeat an earlier one in every feature: {self.in_train}"
            what += f", {self.contradicting} of them with another target" if self.contradicting else ""
            advice = "drop them, or keep equal rows in one fold (split: group): the score is too good otherwise"
            if self.by_chance:
                advice = "nothing: features of so few values are alike by chance in as many rows"
            yield "warning" if self.in_train > n / 100 and not self.by_chance else "note", what, advice
        if self.in_test:
            what = f"test rows that equal a training row in every feature: {self.in_test}"
            advice = "nothing: they are alike by chance" if self.by_chance else "their targets may be known"
            yield "warning" if self.in_test > t / 100 and not self.by_chance else "note", what, advice


def find(columns: Sequence[Array], n: int, y: Floats) -> Doubles:
    """Return what is double among rows with these columns, (n + t,) or (n + t, d) each; y (n,) of the first n.

    Rows are told apart by a hash first; only those that share one are compared.
    """
    if not columns:
        return Doubles(0, 0, 0)
    _, place, count = np.unique(_hashes(columns), return_inverse=True, return_counts=True)
    rows = np.flatnonzero(count[place] > 1)
    group = _groups(columns, rows)
    train = rows < n
    sizes = np.bincount(group[train], minlength=int(group.max(initial=-1)) + 1)
    repeats = int((sizes - 1).clip(min=0).sum())
    order = np.lexsort((y[rows[train]], group[train]))
    g, answers = group[train][order], y[rows[train]][order]
    apart = np.unique(g[1:][(g[1:] == g[:-1]) & (answers[1:] != answers[:-1])])
    contradicting = int((sizes[apart] - 1).sum())
    return Doubles(repeats, contradicting, int((sizes[group[~train]] > 0).sum()), _by_chance(columns, n, repeats))


def _by_chance(columns: Sequence[Array], n: int, repeats: int) -> bool:
    """Return whether the pairs of rows that independent columns would make alike explain a third of the repeats."""
    pairs = n * (n - 1) / 2
    for column in columns:
        for part in column.T if column.ndim == 2 else [column]:
            pairs *= float(((np.unique(part[:n], return_counts=True)[1] / n) ** 2).sum())
            if 3 * pairs < repeats:
                return False
    return repeats > 0


def _hashes(columns: Sequence[Array]) -> NDArray[np.uint64]:
    """Return (n,) a number for each row; equal rows have equal numbers."""
    out = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        for part in column.T if column.ndim == 2 else [column]:
            # Adding 0.0 makes one zero of two; every NaN is the same missing value.
            values = np.asarray(part, np.float64) + 0.0
            values[np.isnan(values)] = np.nan
            out = (out ^ values.view(np.uint64)) * _MIX
            out ^= out >> np.uint64(29)
    return out


def _groups(columns: Sequence[Array], rows: Ints) -> Ints:
    """Return (len(rows),) a number for each row, the same exactly where all columns are the same."""
    group = np.zeros(len(rows), np.int64)
    for column in columns:
        for part in column.T if column.ndim == 2 else [column]:
            values = np.unique(np.asarray(part[rows], np.float64), return_inverse=True)[1]
            group = np.unique(group * (len(rows) + 1) + values, return_inverse=True)[1]
    return group
