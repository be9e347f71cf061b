"""Labels from probabilities: the threshold, or the classes' offsets, of the best score that counts can tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kit.judging import Counts
from kit.types import Floats, Ints

Gain = Callable[[Counts], Floats]
"""What is made as large as can be: a metric's tally, signed."""

GRID = 1000
"""Most offsets of a class that are tried in one go: of more, every so many-th."""

MANY_ROWS = 30_000
"""Of more rows than this every so many-th is looked at first."""

SWEEPS = 30
SAME = 1e-12
DONE = 1e-5
"""A sweep over the classes that gains less than this share of the score is the last."""


def best_threshold(p: Floats, aim: Floats, v: Floats, gain: Gain) -> float:
    """Return the threshold of the highest gain, in the middle between two neighbours among p (n,); ties: nearest .5.

    `aim` (n,): how likely each row is to be positive; 0 and 1 where only what came counts.
    """
    order = np.argsort(p, kind="stable")
    order = order[v[order] > 0]
    ends = np.flatnonzero(np.diff(p[order], append=np.inf) > 0)
    weight, good = np.cumsum(v[order])[ends], np.cumsum((v * aim)[order])[ends]
    below, good_below = np.concatenate([[0.0], weight]), np.concatenate([[0.0], good])
    hit = np.stack([below - good_below, good_below[-1] - good_below], axis=1)
    said = np.stack([below, below[-1] - below], axis=1)
    found = gain(Counts(hit, said, np.array([below[-1] - good_below[-1], good_below[-1]])))
    u = p[order][ends]
    middles = np.concatenate([[0.0], (u[1:] + u[:-1]) / 2, [1.0 + u[-1]]])
    tied = np.flatnonzero(found >= found.max() - SAME * abs(found.max()))
    return float(middles[tied[np.argmin(np.abs(middles[tied] - 0.5))]])


def best_offsets(scores: Floats, aim: Floats, v: Floats, gain: Gain) -> Floats:
    """Return (C,) what is added to log probabilities `scores` (n, C) before the largest names the class.

    Class by class, the others held, every offset is tried until none raises the gain; from no offsets and from those
    that make the classes equally likely, whichever ends higher. Of many rows some show the way, and all then end it.
    """
    share = (v[:, None] * aim).sum(axis=0) / v.sum()
    starts = (np.zeros(len(share)), -np.log(np.maximum(share, 1e-6)))
    some = slice(None, None, -(-len(v) // MANY_ROWS))
    climbed = [_climb(scores[some], aim[some], v[some], gain, start - start.mean()) for start in starts]
    _, offsets = climbed[0] if climbed[0][0] >= climbed[1][0] - SAME else climbed[1]
    if len(v) > MANY_ROWS:
        _, offsets = _climb(scores, aim, v, gain, offsets)
    return np.asarray(offsets - offsets.mean())


def _climb(scores: Floats, aim: Floats, v: Floats, gain: Gain, offsets: Floats) -> tuple[float, Floats]:
    true = (v[:, None] * aim).sum(axis=0)
    value = float(gain(_counts(np.argmax(scores + offsets, axis=1), aim, v, true)))
    for _ in range(SWEEPS):
        before = value
        for k in range(len(offsets)):
            tried, found = _try(scores, aim, v, offsets, k, true)
            gains = gain(found)
            best = int(np.argmax(gains))
            if gains[best] > value + SAME * abs(value):
                value, offsets = float(gains[best]), np.where(np.arange(len(offsets)) == k, tried[best], offsets)
        if value <= before + DONE * abs(before):
            break
    return value, offsets


def _counts(labels: Ints, aim: Floats, v: Floats, true: Floats) -> Counts:
    size = len(true)
    hit = np.bincount(labels, v * aim[np.arange(len(labels)), labels], size)
    return Counts(hit.astype(np.float64), np.bincount(labels, v, size).astype(np.float64), true)


def _try(scores: Floats, aim: Floats, v: Floats, offsets: Floats, k: int, true: Floats) -> tuple[Floats, Counts]:
    """Return offsets of class k (B,) and the counts (B, C) under each; a row is of class k once the offset beats it."""
    rivals = scores + offsets
    rivals[:, k] = -np.inf
    rival = np.argmax(rivals, axis=1)
    needed = rivals[np.arange(len(rival)), rival] - scores[:, k]
    order = np.argsort(needed)
    needed, rival, v = needed[order], rival[order], v[order]
    edges = needed[np.diff(needed, prepend=-np.inf) > 0]
    if len(edges) > GRID:
        edges = edges[np.linspace(0, len(edges) - 1, GRID).astype(np.int64)]
    tried = np.concatenate([[edges[0] - 1], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 1]])
    ends = np.searchsorted(needed, tried, side="right")
    taken = np.repeat(np.arange(len(tried) + 1), np.diff(ends, prepend=0, append=len(needed)))
    size = len(offsets)
    cell = taken * size + rival
    shape = (len(tried) + 1, size)
    own = aim[order, rival]
    said = -np.bincount(cell, v, shape[0] * size).reshape(shape)
    hit = -np.bincount(cell, v * own, shape[0] * size).reshape(shape)
    said[:, k], hit[:, k] = -said.sum(axis=1), np.bincount(taken, v * aim[order, k], shape[0])
    none = np.bincount(rival, v, size), np.bincount(rival, v * own, size)
    reached = [
        np.asarray(base + np.cumsum(moved[:-1], axis=0), np.float64)
        for base, moved in zip(none, (said, hit), strict=True)
    ]
    return tried, Counts(reached[1], reached[0], true)
