"""Returns learning rows in which some columns are another row's, so that they no longer belong together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Law, Made, PerRow, Weight, check_columns, draw_parents, draw_scores, synthesise
from kit.errors import DataError
from kit.params import ColumnName
from kit.types import Array, Bools, Ints, Rows

LIBS: tuple[str, ...] = ()

ROUNDS = 64
"""Draws at random before the donors of a row that is still without one are listed."""


class Params(base.Params):
    """Swaps columns between rows; the donor is of another split group and has other values in what is swapped.

    Other values: in the first swapped column, and in every swapped text column. Where a text column is not swapped, no
    pair of texts is made that a learning row already shows (a true pair under a false score). A row for which no row
    may donate is left out.
    """

    swap: Annotated[tuple[ColumnName, ...], Field(min_length=1)]
    """Columns taken from the donor, all from the same one. A row that lacks the first of them never donates."""

    score: Law
    """The y of the new rows: a number, {normal: [mean, std], clip: [low, high]} or {integers: [low, high]}.
    For classes a number is the class code: 1 = positive in a binary task, else the place in the sorted classes."""

    within: ColumnName | None = None
    """The donor shares this column's value."""

    across: ColumnName | None = None
    """The donor differs in this column's value."""

    per_row: PerRow = 1.0
    """New rows for each learning row; with a fraction the parents are drawn without replacement."""

    weight: Weight = 1.0
    """What a new row counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the new rows only.

    Raises:
        RecipeError: a column is unknown.
        DataError: no row at all has another that may donate.
    """
    names = tuple(str(name) for name in params.swap)
    extra = tuple(str(name) for name in (params.within, params.across) if name is not None)
    check_columns("mismatch", names + extra, rows)
    parent = draw_parents(len(rows), params.per_row, rng)
    donor = _draw_donors(_rules(params, rows), parent, rng)
    parent, donor = parent[donor >= 0], donor[donor >= 0]
    if len(parent) == 0:
        raise DataError(
            "mismatch: no row may donate to any other",
            got=f"{len(rows)} learning rows, swap {', '.join(names)}",
            next="swap a column with more values, split by another group, or drop within and across",
        )
    y = draw_scores(params.score, len(parent), rng)
    return synthesise(rows, Made(parent, donor, names, rows.take(donor).x, y), params.weight)


@dataclass(frozen=True)
class _Rules:
    """Who may donate to whom. Each array is (n,) ids of equal values; `keys` begin with the most repetitive one.

    `pairs` are the (rest, swapped) ids, as rest * n + swapped, that learning rows show; sorted, empty = no such rule.
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


def _rules(params: Params, rows: Rows) -> _Rules:
    """Return the rules that `params` and the split groups make for these rows."""
    n = len(rows)
    texts = [name for name, column in rows.header.items() if column.kind == "text"]
    taken = [_ids(rows.x[name]) for name in params.swap if name in texts]
    left = [rows.x[name] for name in texts if name not in params.swap]
    first = rows.x[params.swap[0]]
    keys = [*taken] if params.swap[0] in texts else [_ids(first), *taken]
    rest, swapped = _joined([_ids(x) for x in left], n), _joined(taken or keys, n)
    # A row without any of the remaining texts says nothing about which texts belong together.
    telling = np.any([np.zeros(n, np.bool_), *(_present(x) for x in left)], axis=0)
    pairs = np.unique((rest * n + swapped)[telling])
    if rows.group is not None:
        keys.append(_ids(rows.group))
    if params.across is not None:
        keys.append(_ids(rows.x[params.across]))
    keys.sort(key=lambda ids: -int((np.bincount(ids) ** 2).sum()))
    within = np.zeros(n, np.int64) if params.within is None else _ids(rows.x[params.within])
    return _Rules(within, tuple(keys), rest, swapped, pairs, np.flatnonzero(_present(first)))


def _draw_donors(rules: _Rules, parent: Ints, rng: np.random.Generator) -> Ints:
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


def _joined(columns: list[Ints], n: int) -> Ints:
    """Return (n,) ids, equal where all `columns` are."""
    ids = np.zeros(n, np.int64)
    for column in columns:
        ids = _ids(ids * n + column)
    return ids


def _ids(x: Array) -> Ints:
    """Return (n,) int64 from 0, equal where the values or vectors are."""
    if x.ndim == 2:
        digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in x)
        x = np.frombuffer(digests, "<u8")
    return np.asarray(np.unique(x, return_inverse=True)[1], np.int64)


def _present(x: Array) -> Bools:
    """Return (n,) whether there is a value: no NaN, no code below 0."""
    if x.ndim == 2:
        return np.asarray(~np.isnan(x).any(axis=1))
    return np.asarray(x >= 0 if x.dtype.kind == "i" else ~np.isnan(x))
