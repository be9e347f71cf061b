"""The climbs behind hill_climb: by squared error from its Gram matrix, or by any metric from the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kit.stackers._judge import Judge
from kit.types import Bools, Floats, Ints

EXACT_UP_TO = 16
"""With more sources than this other metrics are computed for a shortlist only."""

SHORTLIST = 6
"""Sources on the shortlist: half by the metric's slope, which far steps mislead, half by squared error."""

TIE = 1e-12
"""Scores that differ by less than this share of their size are equal."""

PATIENCE = 25
"""Steps without a better score after which a climb by an exact metric ends; one by squared error costs nothing."""

PICKS = 200
"""Steps of the climb that ranks sources."""

MOST_SWAPS = 20
"""Exchanges after one step; each improves the average, so that more are rare."""


@dataclass(frozen=True)
class Moves:
    """What a climb may do; as the parameters of hill_climb."""

    steps: int
    start: int = 0
    swaps: bool = False
    negative: bool = False

    def may_leave(self, counts: Ints) -> Bools:
        """Return (S,) which sources one may be taken off from: those in use, or all down to minus half of the sum."""
        return counts > (-counts.sum() / 2 if self.negative else 0)


# -- squared error


def climb_squared(moves: Moves, gram: Floats) -> Ints:
    """Return (S,) how often each source was taken, by the squared error alone: O(S) a step, O(S^2) a swap.

    With q = c'Rc and h = Rc for the counts c of k sources, adding source s gives (q + 2 h_s + R_ss) / (k + 1)^2, and
    exchanging j for s (q + 2 (h_s - h_j) + R_ss + R_jj - 2 R_js) / k^2.
    """
    diagonal = np.diag(gram)
    counts = _begin(moves, lambda c: float(c @ gram @ c) / c.sum() ** 2, diagonal)
    best, lowest = counts.copy(), np.inf if not counts.any() else float(counts @ gram @ counts) / counts.sum() ** 2
    h, q = gram @ counts, float(counts @ gram @ counts)
    for _ in range(moves.steps):
        s = _pick(q + 2 * h + diagonal, counts > 0)
        q += 2 * h[s] + diagonal[s]
        h += gram[s]
        counts[s] += 1
        if moves.swaps or moves.negative:
            q = _swap_squared(moves, gram, counts, h, q)
        loss = q / counts.sum() ** 2
        if _is_better(loss, lowest):
            lowest, best = loss, counts.copy()
    return best


def _swap_squared(moves: Moves, gram: Floats, counts: Ints, h: Floats, q: float) -> float:
    """Carry out exchanges in `counts` and `h` while they pay; return the new q."""
    diagonal = np.diag(gram)
    for _ in range(MOST_SWAPS):
        change = 2 * (h[None, :] - h[:, None]) + diagonal[None, :] + diagonal[:, None] - 2 * gram
        change[~moves.may_leave(counts)] = np.inf
        j, s = np.unravel_index(int(np.argmin(change)), change.shape)
        if not change[j, s] < -TIE * q:
            break
        counts[j] -= 1
        counts[s] += 1
        h += gram[s] - gram[j]
        q += float(change[j, s])
    return q


def picks_squared(gram: Floats) -> Ints:
    """Return all sources: first in the order in which a climb takes them up, then the others by their error."""
    counts, h, order = np.zeros(len(gram), np.int64), np.zeros(len(gram)), []
    q, diagonal = 0.0, np.diag(gram)
    for _ in range(PICKS):
        s = _pick(q + 2 * h + diagonal, counts > 0)
        order += [] if counts[s] else [s]
        q += 2 * h[s] + diagonal[s]
        h += gram[s]
        counts[s] += 1
    others = [s for s in np.argsort(diagonal, kind="stable") if not counts[s]]
    return np.array([*order, *others], np.int64)


# -- any metric


def climb_exact(moves: Moves, judge: Judge, gram: Floats, drawn: Ints) -> Ints:
    """Return (len(drawn),) how often each source was taken, by the metric itself.

    Every source is tried at the first step, and at each where they are few; else those a surrogate likes best.
    """
    singles = np.array([judge.loss(judge.z[s]) for s in drawn])
    counts = _begin(moves, lambda c: judge.loss(_sum(judge, drawn, c) / c.sum()), singles)
    total = _sum(judge, drawn, counts)
    best, lowest, last = counts.copy(), np.inf, 0
    if counts.any():
        lowest = judge.loss(total / counts.sum())
    for step in range(moves.steps):
        k = int(counts.sum())
        tried = np.arange(len(drawn)) if k == 0 else _shortlist(judge, gram, counts, drawn, total)
        losses = singles if k == 0 else np.array([judge.loss((total + judge.z[drawn[s]]) / (k + 1)) for s in tried])
        at = _pick(losses, counts[tried] > 0)
        counts[tried[at]] += 1
        total += judge.z[drawn[tried[at]]]
        loss = losses[at]
        if moves.swaps or moves.negative:
            loss = _swap_exact(moves, judge, drawn, counts, total, float(loss))
        if _is_better(loss, lowest):
            lowest, best, last = loss, counts.copy(), step
        if step - last >= PATIENCE:
            break
    return best


def _swap_exact(moves: Moves, judge: Judge, drawn: Ints, counts: Ints, total: Floats, loss: float) -> float:
    """Carry out exchanges in `counts` and `total` while they pay; return the new loss.

    Looked at are those between the sources whose leaving and whose coming the slope promises most.
    """
    for _ in range(MOST_SWAPS):
        k = int(counts.sum())
        slope = judge.slope(total / k)
        if slope is None:
            return loss
        gains = (judge.z @ slope.astype(np.float32))[drawn]
        out = [j for j in np.argsort(-gains, kind="stable") if moves.may_leave(counts)[j]][:2]
        pairs = [(int(j), int(s)) for j in out for s in np.argsort(gains, kind="stable")[:2] if s != j]
        tried = [judge.loss((total + judge.z[drawn[s]] - judge.z[drawn[j]]) / k) for j, s in pairs]
        if not tried or not _is_better(min(tried), loss):
            return loss
        j, s = pairs[int(np.argmin(tried))]
        counts[j] -= 1
        counts[s] += 1
        total += judge.z[drawn[s]].astype(np.float64) - judge.z[drawn[j]]
        loss = min(tried)
    return loss


def _shortlist(judge: Judge, gram: Floats, counts: Ints, drawn: Ints, total: Floats) -> Ints:
    """Return the sources worth an exact look."""
    if len(drawn) <= EXACT_UP_TO:
        return np.arange(len(drawn))
    squares = np.argsort(2 * gram @ counts + np.diag(gram), kind="stable")
    slope = judge.slope(total / counts.sum())
    if slope is None:
        return squares[: 2 * SHORTLIST]
    gains = (judge.z @ slope.astype(np.float32))[drawn]
    slopes = np.argsort(gains, kind="stable")
    return np.unique(np.concatenate([squares[: SHORTLIST // 2], slopes[: SHORTLIST // 2 + 1]]))


# -- both


def _begin(moves: Moves, loss_of: Callable[[Ints], float], singles: Floats) -> Ints:
    """Return (S,) the counts to begin with: none, or the best average of the 1, 2, ... `start` best sources."""
    counts = np.zeros(len(singles), np.int64)
    ranked = np.argsort(singles, kind="stable")
    best, lowest = counts.copy(), np.inf
    for s in ranked[: moves.start]:
        counts[s] += 1
        loss = loss_of(counts)
        if _is_better(loss, lowest):
            best, lowest = counts.copy(), loss
    return best


def _sum(judge: Judge, drawn: Ints, counts: Ints) -> Floats:
    total = np.zeros(judge.z.shape[1])
    for s in np.flatnonzero(counts):
        total += counts[s] * judge.z[drawn[s]].astype(np.float64)
    return total


def _pick(losses: Floats, used: Bools) -> int:
    """Return the position of the least loss; of equal ones a source that is used already, else the first."""
    tied = losses <= losses.min() + TIE * abs(losses.min())
    return int(np.argmax(tied & used) if (tied & used).any() else np.argmax(tied))


def _is_better(loss: float, lowest: float) -> bool:
    return bool(loss < lowest - TIE * abs(loss))
