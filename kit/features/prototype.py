"""Returns how alike a row's vector is to the others of its key, and how much more than to those of other keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns, codes_of
from kit.features._near import unit
from kit.params import ColumnName, KeyName
from kit.types import Array, Block, Bools, Floats, Floats32, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = ("vector",)

PARTS = ("own", "best_other", "margin", "rank")
BLOCK = 2**22
"""Likenesses held at a time."""


class Params(base.Params):
    """The prototype of a key is the mean of its distinct unit vectors. One's own vector never counts in it, so that a
    row that was learnt from looks like one that was not. Four columns: cosine to the own key's prototype, to the best
    other key's, their difference, and the share of other keys that are nearer. Missing where the key has no other
    vector.
    """

    vector: ColumnName
    """The vector column."""

    key: KeyName
    """The category or text column whose values have prototypes."""

    scope: Literal["table", "fold"] = "table"
    """table: vectors of train and test rows (never y); fold: of the fold's learning rows alone. Where keys are split
    between folds, held keys have no prototype in fold scope."""


@dataclass(frozen=True)
class Prototype:
    """Sums of unit vectors per key, sums (keys, d) float64 and count (keys,), the keys being codes 0, 1, ...

    `member` (m,) uint64, sorted: what the vectors of each key hash to together with it.
    """

    vector: str
    key: str
    sums: Floats
    count: Ints
    member: Array
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the four columns, (n, 4) float32."""
        x: Floats32 = np.full((len(rows), len(PARTS)), np.nan, np.float32)
        vectors = unit(rows.x[self.vector])
        codes = codes_of(rows, self.key, len(self.count)).astype(np.int64)  # keys that came later have no prototype
        able = np.flatnonzero(~np.isnan(vectors).any(axis=1))
        step = max(1, BLOCK // max(1, len(self.count)))
        for at in range(0, len(able), step):
            mine = able[at : at + step]
            x[mine] = self._compared(vectors[mine], codes[mine])
        return Block(tuple(f"{part}({self.vector}|{self.key})" for part in PARTS), x)

    def _compared(self, vectors: Floats32, codes: Ints) -> Floats32:
        v = vectors.astype(np.float64)
        size = np.sqrt(np.einsum("ij,ij->i", self.sums, self.sums))
        known = (self.count > 0) & (size > 0)
        cosine = np.einsum("nd,kd->nk", v, self.sums, optimize=True) / np.where(known, size, 1.0)
        cosine[:, ~known] = -np.inf
        has = codes >= 0
        own = np.full(len(v), np.nan)
        own[has] = self._to_own(v[has], vectors[has], codes[has])
        cosine[has, codes[has]] = -np.inf
        others = np.isfinite(cosine).sum(axis=1)
        best = cosine.max(axis=1, initial=-np.inf)
        best = np.where(others > 0, best, np.nan)
        nearer = (cosine > own[:, None]).sum(axis=1) / np.maximum(others, 1)
        return np.column_stack([own, best, own - best, np.where(np.isnan(own), np.nan, nearer)]).astype(np.float32)

    def _to_own(self, v: Floats, vectors: Floats32, codes: Ints) -> Floats:
        """Return (n,) the cosine to the prototype of the own key, without the own vector; NaN where it is alone."""
        mine = _hashes(vectors, codes)
        place = np.minimum(np.searchsorted(self.member, mine), max(len(self.member) - 1, 0))
        inside: Bools = self.member[place] == mine if len(self.member) else np.zeros(len(mine), np.bool_)
        rest = self.sums[codes] - np.where(inside, 1.0, 0.0)[:, None] * v
        left = self.count[codes] - inside
        size = np.sqrt(np.einsum("ij,ij->i", rest, rest))
        dot = np.einsum("ij,ij->i", rest, v)
        return np.where((left > 0) & (size > 1e-9), dot / np.where(size > 0, size, 1.0), np.nan)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Prototype:
    """Return the feature; y is not looked at.

    Raises:
        RecipeError: `vector` holds no vectors, or `key` neither categories nor texts.
    """
    check_columns("prototype", [params.vector], rows.header, ("vector",))
    check_columns("prototype", [params.key], rows.header, CODED)
    vectors, codes = unit(rows.x[params.vector]), rows.x[params.key].astype(np.int64)
    able = np.flatnonzero((codes >= 0) & ~np.isnan(vectors).any(axis=1))
    member, first = np.unique(_hashes(vectors[able], codes[able]), return_index=True)
    kept = np.sort(able[first])
    n_keys = len(rows.header[params.key].levels)
    sums = np.zeros((n_keys, vectors.shape[1]))
    np.add.at(sums, codes[kept], vectors[kept].astype(np.float64))
    return Prototype(str(params.vector), str(params.key), sums, np.bincount(codes[kept], minlength=n_keys), member)


def _hashes(vectors: Floats32, codes: Ints) -> Array:
    """Return (n,) uint64, equal where key and vector are."""
    rows = (int(c).to_bytes(8, "little") + v.tobytes() for c, v in zip(codes.tolist(), vectors, strict=True))
    return np.frombuffer(b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows), "<u8")
