"""Nearest vectors by cosine, told apart by exact likeness: no order hangs on how a matrix product was summed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kit.types import Array, Bools, Floats, Floats32, Ints, Rows

BLOCK = 2**23
"""Likenesses held at a time: 32 MiB of float32."""

SLACK = 1e-4
"""More than float32 products of unit vectors can be wrong by."""

Banned = Callable[[Ints], Bools]
"""`banned(positions of queries) -> (q, n)`: which of the n vectors may not be found."""


def unit(x: Array) -> Floats32:
    """Return vectors (n, d) of length 1; NaN where an element is missing or all are 0: such a row is near nothing."""
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))[:, None]
        good = np.isfinite(size) & (size > 0)
        return np.asarray(np.divide(x, size, out=np.full(x.shape, np.nan), where=good), np.float32)


def units(rows: Rows, names: tuple[str, ...]) -> Floats32:
    """Return (n, sum of widths) unit vectors of several columns side by side, each column counting the same."""
    x: Floats32 = np.concatenate([unit(rows.x[name]) for name in names], axis=1)
    x /= np.float32(np.sqrt(len(names)))
    return x


def nearest(queries: Floats32, vectors: Floats32, k: int, banned: Banned) -> tuple[Ints, Floats]:
    """Return (q, k) positions of the most similar vectors and (q, k) their cosines, the best first.

    Where there are fewer, the position is -1 and the cosine NaN. Of equal ones the first in `vectors` goes first.
    """
    found = np.full((len(queries), k), -1)
    cosine = np.full((len(queries), k), np.nan)
    step = max(1, BLOCK // max(1, len(vectors)))
    for at in range(0, len(queries), step):
        mine = np.arange(at, min(at + step, len(queries)))
        with np.errstate(invalid="ignore"):
            rough = queries[mine] @ vectors.T
        rough[banned(mine) | np.isnan(rough)] = -np.inf
        kept = min(k, rough.shape[1])
        if kept == 0:
            continue
        least = np.partition(rough, -kept, axis=1)[:, -kept]
        row, column = np.nonzero((rough >= (least - SLACK)[:, None]) & np.isfinite(rough))
        exact = _cosines(queries[mine], vectors, row, column)
        order = np.lexsort((column, -exact, row))
        row, column, exact = row[order], column[order], exact[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        top = rank < k
        found[mine[row[top]], rank[top]] = column[top]
        cosine[mine[row[top]], rank[top]] = exact[top]
    return found, cosine


def _cosines(queries: Floats32, vectors: Floats32, row: Ints, column: Ints) -> Floats:
    """Return (p,) the exact likeness of some pairs, in float64."""
    out = np.empty(len(row))
    step = max(1, BLOCK // (4 * max(1, vectors.shape[1])))
    for at in range(0, len(row), step):
        a, b = (x.astype(np.float64) for x in (queries[row[at : at + step]], vectors[column[at : at + step]]))
        out[at : at + step] = np.einsum("ij,ij->i", a, b)
    return out
