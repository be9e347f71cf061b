"""The rows of the groups that a metric is a mean over: scoring weights bring along which group each row is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from kit.types import Array, Floats, Ints

PREFIX = "by "
"""What the columns of group codes begin with, in the store and in folds.parquet: `by era`."""


class Weights(np.ndarray[tuple[int], np.dtype[np.float64]]):
    """Scoring weights (n,) that know the groups of their rows: what is taken of them takes the groups along.

    Whoever scores has the weights of just those rows in hand. Groups come along by an index, by arithmetic and by a
    copy. By everything else, as sorting or concatenation, they are lost: a metric within groups is an error then, and
    never that of all rows together, or of rows in another order.
    """

    by: Mapping[str, Ints]

    def __array_finalize__(self, obj: Any) -> None:
        """Know no groups: who makes an array of another says whether its rows are the same."""
        self.by: Mapping[str, Ints] = {}
        self._groups: dict[str, Groups] = {}

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """Return weights with the groups where numbers are made row by row, else a plain array."""
        if out is not None:
            options["out"] = tuple(_plain(array) for array in out)
        made = getattr(ufunc, method)(*map(_plain, inputs), **options)
        if out is not None:
            for array in out:
                if isinstance(array, Weights):
                    array._groups = {}
            return out[0]
        alike = method == "__call__" and isinstance(made, np.ndarray) and made.shape == self.shape
        return attach(made, self.by) if alike and made.dtype == np.float64 else made

    def __setitem__(self, index: Any, value: Any) -> None:
        """Change some of the weights."""
        super().__setitem__(index, value)
        self._groups = {}

    def copy(self, order: Any = "C") -> Any:
        """Return a copy with the groups."""
        return attach(super().copy(order), self.by)

    def sort(self, *args: Any, **options: Any) -> None:
        """Sort in place; the groups are lost."""
        super().sort(*args, **options)
        self.by, self._groups = {}, {}

    def __getitem__(self, index: Any) -> Any:
        """Return some of the weights, with the groups of these rows."""
        taken = super().__getitem__(index)
        if isinstance(taken, Weights):
            taken.by = {name: codes[index] for name, codes in self.by.items()} if taken.ndim == 1 else {}
        return taken

    def groups(self, text: str) -> Groups:
        """Return the rows that count by the groups of these columns; made once."""
        if text not in self._groups:
            self._groups[text] = _groups_of(self.by[text], np.asarray(self))
        return self._groups[text]


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, Weights) else array


def attach(v: Floats, codes: Mapping[str, Ints]) -> Floats:
    """Return v (n,) with the groups (n,) of its rows, by the text of their columns; those it has already stay."""
    if not codes:
        return v
    weights = np.asarray(v, np.float64).view(Weights)
    weights.by = {**codes, **codes_of(v)}
    return cast(Floats, weights)


def codes_of(v: Floats) -> Mapping[str, Ints]:
    """Return the groups that weights bring along, by the text of their columns."""
    return v.by if isinstance(v, Weights) else {}


def weights_of(rows: Any, v: Floats | None = None) -> Floats:
    """Return the scoring weights of the stored rows, or `v` instead of them, with the groups stored beside them."""
    codes = {name.removeprefix(PREFIX): rows.array(name) for name in rows.files if name.startswith(PREFIX)}
    return attach(rows.array("v") if v is None else v, codes)


@dataclass(frozen=True)
class Groups:
    """Rows that count, one group after the other.

    Shape: order (n,) the rows; of (n,) the group of each, from 0; starts (G,) where groups begin; code (G,) what they
    are called; v (n,) weights; weight (G,) their sums.
    """

    order: Ints
    of: Ints
    starts: Ints
    code: Ints
    v: Floats
    weight: Floats
    _kept: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def total(self, x: Array) -> Floats:
        """Return (G,) the sums of x (n,)."""
        return np.asarray(np.add.reduceat(x, self.starts), np.float64)

    def mean(self, x: Array) -> Floats:
        """Return (G,) the weighted means of x (n,)."""
        return self.total(self.v * x) / self.weight

    def sorted(self, *keys: Array) -> Ints:
        """Return (n,) places, groups staying where they are and each rising by the first key, then by the next."""
        return np.asarray(np.lexsort((*reversed(keys), self.of)))

    def rising(self, x: Array, tie: Ints | None = None) -> Ints:
        """Return the same for one key, ties staying in their order, or in that of the places `tie` (n,).

        Of float32 group, number and place fit into one whole number mostly: to sort those is 5 times as fast.
        """
        n = len(self.of)
        low, high = max(1, (n - 1).bit_length()), max(1, (len(self.starts) - 1).bit_length())
        place = np.arange(n)
        if tie is not None:
            place[tie] = np.arange(n)
        if x.dtype != np.float32 or low + 32 + high > 64:
            return self.sorted(x, place)
        bits = (x + np.float32(0)).view(np.int32)  # + 0 makes one of the two zeros
        turned = (bits ^ ((bits >> 31) | np.int32(-(2**31)))).view(np.uint32)
        keys = (self.of.astype(np.uint64) << np.uint64(low + 32)) | (turned.astype(np.uint64) << np.uint64(low))
        keys |= place.astype(np.uint64)
        keys.sort()
        at = (keys & np.uint64((1 << low) - 1)).astype(np.int64)
        return at if tie is None else tie[at]

    def kept(self, name: str, source: Array, make: Callable[[], Array]) -> Array:
        """Return what is made of an array, made once as long as it is the same array: y is while a blend is sought."""
        if name not in self._kept or self._kept[name][0] is not source:
            self._kept[name] = source, make()
        return self._kept[name][1]


def _groups_of(codes: Ints, v: Floats) -> Groups:
    rows = np.flatnonzero(v > 0)
    order = rows[np.argsort(codes[rows], kind="stable")]
    code, starts, size = np.unique(codes[order], return_index=True, return_counts=True)
    of = np.repeat(np.arange(len(code)), size)
    weight = np.add.reduceat(v[order], starts) if len(code) else np.empty(0)
    return Groups(order, of, starts.astype(np.int64), code, v[order], weight)


def one_group(v: Floats) -> Groups:
    """Return the rows that count as a single group."""
    return _groups_of(np.zeros(len(v), np.int64), np.asarray(v, np.float64))
