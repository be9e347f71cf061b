"""Who may donate to whom, and donors drawn by these rules."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.kinds import reads_as_text
from kit.types import Array, Bools, Ints, Rows

ROUNDS = 64
"""Draws at random before the donors of a row that is still without one are listed."""

CHUNK = 2**22
"""Elements of vectors compared at a time."""


@dataclass(frozen=True)
class Rules:
    """Who may donate to whom. Each array is (n,) ids of equal values; `keys` must differ, most repetitive one first.

    `pairs` are the (rest, swapped) ids, as rest * n + swapped, that learning rows show; sorted, empty = no such rule.
    `pool`: positions that may donate.
    """

    within: Ints
    keys: tuple[Ints, ...]
    rest: Ints
    swapped: Ints
    pairs: Ints
    pool: Ints

    def allow(self, parent: Ints, donor: Ints) -> Bools:
        """Return whether donor may donate to parent, by position; both (p,), or one of them () int64."""
        good = self.within[parent] == self.within[donor]
        for ids in self.keys:
            good = good & (ids[parent] != ids[donor])
        if len(self.pairs):
            code = self.rest[parent] * len(self.rest) + self.swapped[donor]
            good = good & (self.pairs[np.searchsorted(self.pairs[:-1], code)] != code)
        return np.asarray(good)


def apart(rows: Rows, swap: Sequence[str], within: str | None, across: str | None) -> Rules:
    """Return the rules of swapping columns: another split group, other values in what is swapped, no known pair.

    Prompts that many rows share are categories by kind; they are texts here all the same.
    """
    n = len(rows)
    texts = [name for name, column in rows.header.items() if reads_as_text(column)]
    taken = [ids_of(rows.x[name]) for name in swap if name in texts]
    left = [rows.x[name] for name in texts if name not in swap]
    first = rows.x[swap[0]]
    keys = [*taken] if swap[0] in texts else [ids_of(first), *taken]
    rest, swapped = _joined([ids_of(x) for x in left], n), _joined(taken or keys, n)
    # A row without any of the remaining texts says nothing about which texts belong together.
    telling = np.any([np.zeros(n, np.bool_), *(_present(x) for x in left)], axis=0)
    pairs = np.unique((rest * n + swapped)[telling])
    if rows.group is not None:
        keys.append(ids_of(rows.group))
    return _rules(rows, keys, (rest, swapped, pairs), np.flatnonzero(_present(first)), (within, across))


def partners(rows: Rows, pool: Ints, within: str | None, across: str | None) -> Rules:
    """Return the rules of mixing rows: any other row of the pool."""
    none = np.zeros(len(rows), np.int64)
    return _rules(rows, [np.arange(len(rows))], (none, none, np.empty(0, np.int64)), pool, (within, across))


def draw_donors(rules: Rules, parent: Ints, rng: np.random.Generator) -> Ints:
    """Return (p,) a donor for each parent, drawn evenly from all that are allowed; -1 = there is none.

    The block of `within` less the sub-block of the most repetitive key is drawn from directly; the other rules are kept
    by drawing again. So 99 % of the rows may share a group and few draws are lost.
    """
    n = len(rules.within)
    code = rules.within * n + rules.keys[0]
    order = rules.pool[np.argsort(code[rules.pool], kind="stable")]
    block = np.searchsorted(code[order], np.stack([rules.within, rules.within + 1]) * n)
    hole = np.stack([np.searchsorted(code[order], code, side) for side in ("left", "right")])
    room = (block[1] - block[0]) - (hole[1] - hole[0])
    donor = np.full(len(parent), -1)
    todo = np.flatnonzero(room[parent] > 0)
    for _ in range(ROUNDS):
        here = parent[todo]
        pick = block[0, here] + rng.integers(0, room[here])
        pick = order[pick + np.where(pick >= hole[0, here], hole[1, here] - hole[0, here], 0)]
        good = rules.allow(here, pick)
        donor[todo[good]] = pick[good]
        todo = todo[~good]
        if len(todo) == 0:
            break
    for at in todo:
        allowed = rules.pool[rules.allow(parent[at], rules.pool)]
        if len(allowed):
            donor[at] = rng.choice(allowed)
    return donor


def draw_near(rules: Rules, parent: Ints, vectors: Array, among: int, rng: np.random.Generator) -> Ints:
    """Return (p,) for each parent the most similar of `among` donors drawn for it, by cosine; -1 = there is none."""
    drawn = draw_donors(rules, np.repeat(parent, among), rng).reshape(len(parent), among)
    best = np.empty(len(parent), np.int64)
    step = max(1, CHUNK // max(1, among * vectors.shape[1]))
    for at in range(0, len(parent), step):
        donors = drawn[at : at + step]
        own, others = _unit(vectors[parent[at : at + step]]), _unit(vectors[np.maximum(donors, 0)])
        near = np.where(donors < 0, -np.inf, np.einsum("pd,pcd->pc", own, others))
        best[at : at + step] = np.argmax(near, axis=1)
    return np.asarray(drawn[np.arange(len(parent)), best])


def ids_of(x: Array) -> Ints:
    """Return (n,) int64 from 0, equal where the values or vectors are."""
    if x.ndim == 2:
        digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in x)
        x = np.frombuffer(digests, "<u8")
    return np.asarray(np.unique(x, return_inverse=True)[1], np.int64)


def _rules(
    rows: Rows, keys: list[Ints], shown: tuple[Ints, Ints, Ints], pool: Ints, names: tuple[str | None, str | None]
) -> Rules:
    within, across = names
    if across is not None:
        keys = [*keys, ids_of(rows.x[across])]
    ordered = tuple(sorted(keys, key=lambda ids: -int((np.bincount(ids) ** 2).sum())))
    block = np.zeros(len(rows), np.int64) if within is None else ids_of(rows.x[within])
    return Rules(block, ordered, *shown, pool)


def _unit(vectors: Array) -> Array:
    """Return vectors (..., d) of length 1, zeros where there is a missing element."""
    x = np.where(np.isnan(vectors).any(axis=-1, keepdims=True), 0.0, vectors).astype(np.float32)
    size = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return np.asarray(np.divide(x, size, out=np.zeros_like(x), where=size > 0))


def _joined(columns: list[Ints], n: int) -> Ints:
    """Return (n,) ids, equal where all `columns` are."""
    ids = np.zeros(n, np.int64)
    for column in columns:
        ids = ids_of(ids * n + column)
    return ids


def _present(x: Array) -> Bools:
    """Return (n,) whether there is a value: no NaN, no code below 0."""
    if x.ndim == 2:
        return np.asarray(~np.isnan(x).any(axis=1))
    return np.asarray(x >= 0 if x.dtype.kind == "i" else ~np.isnan(x))
