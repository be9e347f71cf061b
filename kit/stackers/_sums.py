"""The one pass over the rows of sources: sums of products, in parts, that say all about squared loss."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kit import devices
from kit.stackers._gram import CHUNK, Grams, Sources, Space, lift, one_thread, truth
from kit.types import Floats, Ints, Task

MANY_NUMBERS = 1 << 22
"""Numbers from which on sums are made by several threads."""

PARTS = 16
"""Parts that rows are cut into at least, where a choice is made by leaving parts out in turn."""


@dataclass(frozen=True)
class Scored:
    """The rows that sources are summed over: y, v, fold (n,), -1 = in no part; group (n,) or None."""

    task: Task
    y: Floats
    v: Floats
    fold: Ints
    group: Ints | None = None

    def parts(self) -> tuple[list[Ints], Ints]:
        """Return the rows of each part and its fold: at least PARTS in all, each within a fold, groups kept whole.

        Rows of weight 0 are in none. What is in a part depends on nothing outside its fold.
        """
        n_folds = int(self.fold.max()) + 1
        blocks = -(-PARTS // n_folds)
        rows, folds = [], []
        for k in range(n_folds):
            inside = np.flatnonzero((self.fold == k) & (self.v > 0))
            unit = np.arange(len(inside))
            if self.group is not None:
                unit = np.unique(self.group[inside], return_inverse=True)[1]
            found = [inside[unit % blocks == b] for b in range(blocks)]
            rows += [part for part in found if len(part)]
            folds += [k for part in found if len(part)]
        return rows, np.array(folds, np.int64)


def gather(scored: Scored, z: Sources, space: Space = "identity") -> Grams:
    """Return the sums over the rows of z, S x (n, m), in parts; one pass over the rows, in float64.

    A part's sum depends on its own rows alone, bit for bit.
    """
    rows, folds = scored.parts()
    sums = np.stack(sums_of(scored, z, rows, space))
    ends = None
    if scored.task.kind == "regression":
        ends = np.array([[y.min(), y.max()] for y in (lift(scored.y[part], space) for part in rows)])
    return Grams(sums, np.array([scored.v[part].sum() for part in rows]), folds, ends=ends)


def sums_of(scored: Scored, z: Sources, parts: Sequence[Ints], space: Space) -> list[Floats]:
    """Return (S + 1, S + 1), the sum over the rows of each part; large ones are made beside each other.

    Each is made by one thread, so that no sum hangs on how many there are.
    """
    numbers = len(z) * z[0].shape[1] * sum(map(len, parts))
    with one_thread(), ThreadPoolExecutor(devices.cores() if numbers > MANY_NUMBERS else 1) as pool:
        return list(pool.map(lambda rows: summed(scored, z, rows, space), parts))


def summed(scored: Scored, z: Sources, rows: Ints, space: Space) -> Floats:
    """Return (S + 1, S + 1), the sum over some rows."""
    n_sources, m = len(z), z[0].shape[1]
    size = max(1, CHUNK // ((n_sources + 1) * m))
    gram = np.zeros((n_sources + 1, n_sources + 1))
    even = bool((scored.v[rows] == 1).all())
    room = np.empty((n_sources + 1, min(size, len(rows)), m))
    for a in range(0, len(rows), size):
        at = _together(rows[a : a + size])
        target = lift(truth(scored.task, scored.y[at]), space)
        table = room[:, : len(target)]
        if isinstance(z, np.ndarray) and isinstance(at, slice) and space == "identity":
            np.subtract(z[:, at], target, out=table[:-1])
        else:
            for s in range(n_sources):
                np.subtract(lift(z[s][at], space), target, out=table[s])
        table[-1] = target
        if not even:
            table *= np.sqrt(scored.v[at])[:, None]
        flat = table.reshape(n_sources + 1, -1)
        gram += flat @ flat.T
    return gram


def _together(rows: Ints) -> Ints | slice:
    """Return ascending rows as a slice, which copies nothing, where none is left out between them."""
    whole = len(rows) > 0 and int(rows[-1] - rows[0]) == len(rows) - 1
    return slice(int(rows[0]), int(rows[-1]) + 1) if whole else rows
