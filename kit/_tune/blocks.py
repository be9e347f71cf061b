"""A score on blocks of held rows: what two trials are compared by, pair by pair.

A metric of a fold's held rows becomes one number per block of rows, the jackknife's pseudo-values: their mean is the
metric, their spread its standard error, and both hold for any smooth metric, AUC and kappa included. Two trials that
are scored on the same blocks give paired differences.
Source: Busing, Meijer & van der Leeden 1999, Delete-m jackknife for unequal m.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kit.types import Bools, Floats, Ints

BLOCKS = 20
"""Blocks per fold: enough for a standard error, few enough that each leaves a metric little to lose."""

DIGITS = 9
"""Significant digits of a pseudo-value in a study."""


def assign(n: int, group: Ints | None, rng: np.random.Generator) -> Ints:
    """Return (n,) int64 the block of each row: of about equal sizes, no group in two of them."""
    _, code = np.unique(np.arange(n) if group is None else group, return_inverse=True)
    sizes = np.bincount(code)
    order = rng.permutation(len(sizes))
    if group is None:
        place = np.empty(n, np.int64)
        place[order] = np.arange(n) % min(BLOCKS, n)
        return place
    fill, of_group = np.zeros(min(BLOCKS, len(sizes))), np.zeros(len(sizes), np.int64)
    for g in sorted(order, key=lambda g: -sizes[g]):
        of_group[g] = int(np.argmin(fill))
        fill[of_group[g]] += sizes[g]
    return np.asarray(of_group[code], np.int64)


def pseudo_values(score: Callable[[Bools], float], block: Ints, v: Floats) -> Floats:
    """Return (B,) float64 pseudo-values of `score(rows)` over the blocks of rows.

    Shape: block (n,) numbers from 0; v (n,) scoring weights, which say how large a block is.
    """
    n_blocks = int(block.max()) + 1
    whole = score(np.ones(len(block), np.bool_))
    if n_blocks == 1:
        return np.array([whole])
    out = np.empty(n_blocks)
    total = float(v.sum())
    for b in range(n_blocks):
        left = block != b
        share = total / max(total - float(v[left].sum()), 1e-12 * total)
        out[b] = share * whole - (share - 1) * score(left)
    return out


def rounded(values: Floats) -> list[float | None]:
    """Return the values as a study keeps them; JSON has no NaN."""
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in values]


def difference(a: Floats, b: Floats) -> tuple[float, float]:
    """Return the mean of the paired differences a - b (B,) and its standard error; infinite for a single block."""
    d = a - b
    if len(d) < 2:
        return float(d.mean()), float("inf")
    return float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d)))
