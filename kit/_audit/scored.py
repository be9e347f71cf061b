"""Checks of sources beside the pool: one fold that stands out, test predictions that lie elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kit._audit import leaks, order
from kit._audit.common import Finding, Table
from kit.paired import Truth
from kit.types import Bools, Floats, Ints

FOLD, FOLD_ALONE, FOLD_SURE = 1.3, 2.5, 4.2
"""A fold stands out by this ratio of its loss to the pool's in the same fold, against the same ratio elsewhere, and by
so many standard errors. Of 33,630 folds of honest sources on ten real sets none passed both (benchmarks/audit.py)."""

FEWEST, FEWEST_LOST = 20, 50
"""Rows a fold needs to be looked at by its loss, and by its order."""

SHIFT, WIDER, NARROWER = 0.5, 1.5, 0.4
"""Test against OOF, in comparison with the pool: shift of the mean in sd, ratios of the spread."""

TAIL = 0.02
"""Share of predictions at either end that the spread takes as the next one: a linear model of logarithms says something
absurd of a few rows, on test or out of fold as chance has it."""


def look(truth: Truth, table: Table, single: Bools) -> list[Finding]:
    """Return the findings; sources that are copies or combinations are compared with nothing."""
    inside = [int(i) for i in np.flatnonzero(single)]
    found = order.look(truth, table, inside)
    inside = _without(table, inside, found)
    known = leaks.look(table, inside)
    group = None if truth.group is None else truth.group[table.rows]
    outliers = _folds(table, group, inside, _without(table, inside, known))
    outliers += _lost(table, _without(table, inside, outliers))
    honest = _without(table, inside, [*known, *outliers])
    moved = _distribution(table, _without(table, inside, known), honest)
    if len(table.names) == 1 and not table.suspects[0].made_here:
        reason = "there is no other source to compare it with"
        found.append(Finding(table.names[0], "pool", "unknown", reason, "audit it again beside other models"))
    return [*found, *known, *outliers, *moved]


def _without(table: Table, inside: Sequence[int], found: Sequence[Finding]) -> list[int]:
    """Return the sources of which nothing bad was found."""
    bad = {f.source for f in found if f.severity in ("error", "warning")}
    return [i for i in inside if table.names[i] not in bad]


# -- one fold


@dataclass(frozen=True)
class _Outlier:
    """Fold k of source i: its loss over what the pool and the source's other folds let expect, and how sure that is."""

    i: int
    k: int
    ratio: float
    z: float


def _folds(table: Table, group: Ints | None, inside: Sequence[int], honest: Sequence[int]) -> list[Finding]:
    """Return which fold of a source is far better or worse than the pool makes one expect.

    The most certain one is taken out of the pool before the others are looked at again: in a pool with one bad fold all
    other sources look strange there.
    """
    m = table.m
    losses = {i: _loss(table.z[i], table.y, m) for i in inside}
    found: dict[int, list[_Outlier]] = {}
    pool = list(honest)
    while True:
        total = table.z[pool].sum(axis=0)
        seen: list[_Outlier] = []
        for i in (i for i in inside if i not in found):
            n_others = len(pool) - (i in pool)
            mean = (total - table.z[i] * (i in pool)) / max(n_others, 1)
            base = _loss(mean, table.y, m) if n_others else np.ones(len(losses[i]))
            most = FOLD if n_others else FOLD_ALONE
            seen += _outliers(table, group, i, (losses[i], base), most)
        if not seen:
            break
        worst = max(seen, key=lambda o: abs(o.z)).i
        found[worst] = [o for o in seen if o.i == worst]
        pool = [j for j in pool if j != worst]
    return [_told(table, o, alone=len(inside) == 1) for outliers in found.values() for o in outliers]


def _loss(z: Floats, y: Floats, m: int) -> Floats:
    """Return the squared error of each row, all outputs together."""
    return np.asarray(((z - y) ** 2).reshape(-1, m).sum(axis=1))


def _outliers(
    table: Table, group: Ints | None, i: int, losses: tuple[Floats, Floats], most: float
) -> Iterator[_Outlier]:
    """Yield the folds of source i that stand out by more than `most`; `losses`: its rows', and those to compare with.

    The one furthest off is taken out before the others are looked at again: beside it they all look strange.
    """
    fold = table.suspects[i].fold
    here_of = np.full(len(table.rows), -1) if fold is None else fold[table.rows]
    left = here_of >= 0
    while True:
        found = []
        for k in np.unique(here_of[left]).tolist():
            here, rest = left & (here_of == k), left & (here_of != k)
            if min(here.sum(), rest.sum()) >= FEWEST:
                ratio, z = _stands_out(*losses, (here, rest), group)
                found += [_Outlier(i, k, ratio, z)] if abs(z) > FOLD_SURE and abs(np.log(ratio)) > np.log(most) else []
        if not found:
            return
        worst = max(found, key=lambda o: abs(np.log(o.ratio)))
        yield worst
        left &= here_of != worst.k


def _stands_out(loss: Floats, base: Floats, parts_of: tuple[Bools, Bools], group: Ints | None) -> tuple[float, float]:
    """Return the ratio of loss to base in a fold over that in others, and its distance from 1 in standard errors."""
    here, rest = parts_of
    rate = loss[rest].sum() / max(base[rest].sum(), 1e-300)
    excess = loss - rate * base
    expected = max(rate * base[here].mean(), 1e-300)
    parts = [(excess[part], None if group is None else group[part]) for part in parts_of]
    se = np.sqrt(sum(_variance(e, g) for e, g in parts))
    ratio = max(float(loss[here].mean() / expected), 1e-9)
    return ratio, float(excess[here].mean() / max(se, 1e-300))


def _variance(excess: Floats, group: Ints | None) -> float:
    """Return the variance of the mean of rows (n,), those of a group being no independent ones."""
    off = excess - excess.mean()
    sums = off if group is None else np.bincount(np.unique(group, return_inverse=True)[1], off)
    return float((sums**2).sum() / len(excess) ** 2)


def _told(table: Table, o: _Outlier, *, alone: bool) -> Finding:
    good = o.ratio < 1
    than = f"far {'less' if good else 'more'} than {'its other folds' if alone else 'the pool'} lets expect"
    reason = f"fold {o.k}: its squared error is {o.ratio:.2f} times that of the other folds, {than}"
    why = "was this fold trained on?" if good else "did this fold's model fail, or are its rows in another order?"
    return Finding(table.names[o.i], "fold_outlier", "warning", reason, why)


def _lost(table: Table, inside: Sequence[int]) -> list[Finding]:
    """Return sources of which one fold has next to nothing in common with the pool, while its other folds have."""
    total, found = table.z[list(inside)].sum(axis=0), []
    for i in inside if len(inside) > 1 else ():
        fold = table.suspects[i].fold
        here_of = np.full(len(table.rows), -1) if fold is None else fold[table.rows]
        names = [k for k in np.unique(here_of).tolist() if k >= 0 and (here_of == k).sum() >= FEWEST_LOST]
        own, pool = (a.reshape(-1, table.m) for a in (table.z[i], total - table.z[i]))
        alike = [order.alike(own[here_of == k], pool[here_of == k]) for k in names]
        for k, r in zip(names, alike, strict=True):
            usual = float(np.median(alike))
            if usual > order.AGREES and r < order.LOST * usual:
                reason = f"fold {k}: it correlates with the pool by {r:.2f}, in its other folds by {usual:.2f}"
                advice = "did this fold's model fail, or are its rows in another order?"
                found.append(Finding(table.names[i], "fold_outlier", "warning", reason, advice))
    return found


# -- test against OOF


def _distribution(table: Table, inside: Sequence[int], honest: Sequence[int]) -> list[Finding]:
    """Return sources whose test predictions lie elsewhere, or spread wider, than the pool's do against its OOFs."""
    pool = [j for j in honest if table.has_test[j]]
    if not pool:
        return []
    spread = float(table.z[pool].mean(axis=0).std())
    shift = table.test.mean(axis=1) - table.z.mean(axis=1)
    wide = _spread(table.test) / np.maximum(_spread(table.z), 1e-300)
    found = []
    for i in (i for i in inside if table.has_test[i] and pool != [i]):
        others = [j for j in pool if j != i]
        apart, usual = shift[i] - float(np.median(shift[others])), float(np.median(wide[others]))
        if abs(apart) > SHIFT * spread:
            reason = f"its test predictions lie {apart / spread:+.2f} sd off, as the pool's lie against their OOFs"
            advice = "check the scale and the rows of the test file"
            found.append(Finding(table.names[i], "test_shift", "warning", reason, advice))
        if wide[i] > WIDER * max(usual, 1.0) or wide[i] < NARROWER * usual:
            reason = f"test spreads {wide[i]:.2f} times as wide as the OOF, in the pool {usual:.2f} times"
            advice = (
                "averaging fold models makes test narrower, never wider; is test on another scale, or of one model?"
            )
            found.append(Finding(table.names[i], "test_spread", "warning", reason, advice))
    return found


def _spread(z: Floats) -> Floats:
    """Return (S,) the standard deviation of each row of z with its tails cut."""
    low, high = np.quantile(z, (TAIL, 1 - TAIL), axis=1, keepdims=True)
    return np.asarray(np.clip(z, low, high).std(axis=1))
