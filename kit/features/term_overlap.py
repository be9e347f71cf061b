"""Returns how much two texts of a row have in common, rare words or runs of characters counting more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns, distinct, places
from kit.features._ngrams import Hashes, char_grams, pieces, ratio, word_grams
from kit.params import ColumnName
from kit.types import Block, Floats, Floats32, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = CODED

PARTS = ("cosine", "of_first", "of_second")
CHUNK = 2**21
"""Characters compared at a time."""


class Params(base.Params):
    """Likeness of pairs of text columns by their terms, each weighing log((1 + texts) / (1 + texts that have it)) + 1.

    Columns of a pair: the cosine of the weighted terms, and the share of the first and of the second text's weight
    that the other has. Two texts without a term are alike (1); a missing text gives missing values.
    """

    pairs: Annotated[tuple[tuple[ColumnName, ColumnName], ...], Field(min_length=1)]
    """Pairs of text or category columns."""

    terms: Literal["words", "chars"] = "words"
    """What a term is: a run of words, or of characters within and across words (for any script and ending)."""

    runs: tuple[Annotated[int, Field(ge=1, le=10)], Annotated[int, Field(ge=1, le=10)]] | None = None
    """Least and greatest length of a run; null = [1, 1] words, [2, 4] characters."""

    sides: bool = True
    """Beside the cosine also the shares of the first and of the second text."""

    lower: bool = True
    """Whether small and capital letters are the same."""

    scope: Literal["table", "fold"] = "table"
    """table: rarity in train and test texts (never y). fold: in those of the fold's learning rows, the strict form."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.runs is not None and self.runs[0] > self.runs[1]:
            raise ValueError("runs must be [least, greatest]")
        return self

    def cut(self, text: str) -> Hashes:
        """Return the distinct terms of a text, hashed and sorted."""
        least, greatest = self.runs or ((1, 1) if self.terms == "words" else (2, 4))
        make: Callable[[str, int], Hashes] = word_grams if self.terms == "words" else char_grams
        read = text.lower() if self.lower else text
        return np.unique(np.concatenate([make(read, n) for n in range(least, greatest + 1)]))

    @property
    def parts(self) -> tuple[str, ...]:
        """What is computed of each pair."""
        return PARTS if self.sides else PARTS[:1]


@dataclass(frozen=True, eq=False)
class TermOverlap:
    """The terms known, hashes (f,) sorted, and their weights (f,); `unknown`: the weight of any other."""

    params: Params
    known: Hashes
    weight: Floats
    unknown: float
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the likeness, (n, 3 pairs) float32; equal pairs of texts are compared once."""
        x: Floats32 = np.full((len(rows), len(self.params.parts) * len(self.params.pairs)), np.nan, np.float32)
        for number, (left, right) in enumerate(self.params.pairs):
            codes = np.column_stack([rows.x[left], rows.x[right]]).astype(np.int64)
            there = np.flatnonzero((codes >= 0).all(axis=1))
            different, place = np.unique(codes[there], axis=0, return_inverse=True)
            levels = [rows.header[name].levels for name in (left, right)]
            texts = [{c: levels[j][c] for c in np.unique(different[:, j]).tolist()} for j in (0, 1)]
            at = number * len(self.params.parts)
            x[there, at : at + len(self.params.parts)] = self._compared(texts[0], texts[1], different)[
                place.reshape(-1)
            ]
        kind = self.params.terms
        names = (f"{kind}_{part}({left}|{right})" for left, right in self.params.pairs for part in self.params.parts)
        return Block(tuple(names), x)

    def _compared(self, left: dict[int, str], right: dict[int, str], codes: Ints) -> Floats32:
        """Return (u, parts) for the pairs of texts at `codes` (u, 2), as many at a time as CHUNK allows."""
        x: Floats32 = np.empty((len(codes), len(self.params.parts)), np.float32)
        block = np.cumsum([len(left[a]) + len(right[b]) for a, b in codes.tolist()]) // CHUNK
        for number in np.unique(block):
            mine = np.flatnonzero(block == number)
            sides = [pieces(side, self.params.cut, codes[mine, j]) for j, side in enumerate((left, right))]
            x[mine] = self._alike(sides[0], sides[1])
        return x

    def _alike(self, left: list[Hashes], right: list[Hashes]) -> Floats:
        """Return (p, parts) for the terms of p pairs of texts."""
        keys = [_keyed(side) for side in (left, right)]
        both = np.intersect1d(keys[0], keys[1], assume_unique=True)
        parts = []
        for power in (1, 2):
            one, two, shared = (self._sums(key, len(left), power) for key in (*keys, both))
            nothing = (one + two == 0).astype(np.float64)
            parts.append((one, two, shared, nothing))
        (one, two, shared, nothing), (square_one, square_two, square, _) = parts
        cosine = ratio(square, np.sqrt(square_one * square_two), 0.0)
        each = [cosine, ratio(shared, one, 0.0), ratio(shared, two, 0.0)]
        return np.column_stack([np.clip(np.maximum(part, nothing), 0, 1) for part in each[: len(self.params.parts)]])

    def _sums(self, keys: Hashes, n_pairs: int, power: int) -> Floats:
        """Return (p,) the sum of the weights to a power of the terms of each pair, `keys` being pair and term."""
        term = keys & np.uint64(0xFFFFFFFF)
        at = np.minimum(places(self.known, term), max(len(self.known) - 1, 0))
        weight = np.full(len(term), self.unknown)
        if len(self.known):
            weight = np.where(self.known[at] == term, self.weight[at], self.unknown)
        return np.bincount((keys >> np.uint64(32)).astype(np.int64), weight**power, n_pairs).astype(np.float64)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> TermOverlap:
    """Return the terms of the distinct texts of all columns named, and how rare each is.

    Raises:
        RecipeError: a named column holds neither texts nor categories.
    """
    names = list(dict.fromkeys(str(name) for pair in params.pairs for name in pair))
    check_columns("term_overlap", names, rows.header, ACCEPTS)
    texts = sorted({text for name in names for text in distinct(rows, name)[0]})
    cut = [params.cut(text) for text in texts]
    known, count = np.unique(np.concatenate([np.empty(0, np.uint64), *cut]), return_counts=True)
    # As scikit-learn's TfidfTransformer smooths it; a term of no text would weigh the most.
    weight = np.log((1 + len(texts)) / (1 + count)) + 1
    return TermOverlap(params, known, weight, float(np.log(1 + len(texts))) + 1)


def _keyed(terms: list[Hashes]) -> Hashes:
    """Return the terms of all pairs in one array, the number of the pair in the upper 32 bits."""
    pair = np.repeat(np.arange(len(terms), dtype=np.uint64), [len(one) for one in terms])
    return np.asarray((pair << np.uint64(32)) | np.concatenate([np.empty(0, np.uint64), *terms]))
