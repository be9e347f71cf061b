"""Returns how much two texts of a row have in common: characters, words, numbers, lengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import CODED, check_columns
from kit.features._ngrams import Hashes, char_grams, common_length, numbers, pieces, ratio, shared, word_grams, words
from kit.params import ColumnName
from kit.types import Block, Floats, Floats32, Ints, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = CODED

Kind = Literal["chars", "words", "numbers", "length", "edit"]

CHUNK = 2**21
"""Pieces of text compared at a time."""


class Params(base.Params):
    """Likeness of pairs of text columns as strings; a missing text gives missing values."""

    pairs: Annotated[tuple[tuple[ColumnName, ColumnName], ...], Field(min_length=1)]
    """Pairs of text or category columns."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("chars", "words", "numbers", "length", "edit")
    """What to compute. chars, words: of the distinct runs, the share both have (jaccard), and the share of the first
    and of the second text's runs that the other has; numbers: the same of the numbers, 1 where there are none;
    length: log ratio of the lengths in characters and in words; edit: 2 * common subsequence / both lengths."""

    sides: bool = True
    """Of chars, words and numbers, beside what both have, also the shares of the first and of the second text. False
    = the one column each that does not ask which text is which: less to learn from few rows."""

    char_run: Annotated[int, Field(ge=1, le=10)] = 3
    """Characters in a run."""

    word_run: Annotated[int, Field(ge=1, le=10)] = 1
    """Words in a run."""

    lower: bool = True
    """Whether small and capital letters are the same."""

    edit_chars: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Characters that edit looks at, from the start of a text."""


PARTS: Mapping[Kind, tuple[str, ...]] = {
    "chars": ("chars_shared", "chars_of_first", "chars_of_second"),
    "words": ("words_shared", "words_of_first", "words_of_second"),
    "numbers": ("numbers_shared", "numbers_of_first", "numbers_of_second"),
    "length": ("length_ratio", "words_ratio"),
    "edit": ("edit",),
}
"""The columns of each kind."""


@dataclass(frozen=True)
class Overlap:
    """What to compare."""

    params: Params
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the likeness, (n, d) float32; equal pairs of texts are compared once."""
        parts = [name for kind in self.params.kinds for name in self._parts(kind)]
        x: Floats32 = np.full((len(rows), len(parts) * len(self.params.pairs)), np.nan, np.float32)
        for number, (left, right) in enumerate(self.params.pairs):
            codes = np.column_stack([rows.x[left], rows.x[right]]).astype(np.int64)
            there = np.flatnonzero((codes >= 0).all(axis=1))
            distinct, place = np.unique(codes[there], axis=0, return_inverse=True)
            levels = [rows.header[name].levels for name in (left, right)]
            texts = [self._texts(list(levels[j]), distinct[:, j]) for j in (0, 1)]
            at = number * len(parts)
            x[there, at : at + len(parts)] = self._compared(texts[0], texts[1], distinct)[place.reshape(-1)]
        names = tuple(f"{part}({left}|{right})" for left, right in self.params.pairs for part in parts)
        return Block(names, x)

    def _parts(self, kind: Kind) -> tuple[str, ...]:
        return PARTS[kind] if self.params.sides or kind in ("length", "edit") else PARTS[kind][:1]

    def _texts(self, levels: list[str], codes: Ints) -> dict[int, str]:
        return {c: levels[c].lower() if self.params.lower else levels[c] for c in np.unique(codes).tolist()}

    def _compared(self, left: dict[int, str], right: dict[int, str], codes: Ints) -> Floats32:
        """Return (u, parts) for the pairs of texts at `codes` (u, 2)."""
        x: Floats32 = np.empty((len(codes), sum(len(self._parts(kind)) for kind in self.params.kinds)), np.float32)
        size = [len(left[a]) + len(right[b]) for a, b in codes.tolist()]
        block = np.cumsum(size) // CHUNK
        for number in np.unique(block):
            mine = np.flatnonzero(block == number)
            columns = [c for kind in self.params.kinds for c in self._kind(kind, left, right, codes[mine])]
            x[mine] = np.column_stack(columns)
        return x

    def _kind(self, kind: Kind, left: dict[int, str], right: dict[int, str], codes: Ints) -> list[Floats]:
        pairs = [(left[a], right[b]) for a, b in codes.tolist()]
        if kind == "length":
            return [_log_ratio(pairs, len), _log_ratio(pairs, lambda text: len(words(text)))]
        if kind == "edit":
            most = self.params.edit_chars
            cut = [(a[:most], b[:most]) for a, b in pairs]
            both = np.array([len(a) + len(b) for a, b in cut], np.float64)
            return [ratio(np.array([2.0 * common_length(a, b) for a, b in cut]), both, 1.0)]
        make: Mapping[str, Callable[[str], Hashes]] = {
            "chars": partial(char_grams, n=self.params.char_run),
            "words": partial(word_grams, n=self.params.word_run),
            "numbers": numbers,
        }
        one, two, both_have = shared(pieces(left, make[kind], codes[:, 0]), pieces(right, make[kind], codes[:, 1]))
        nothing = (one + two == 0).astype(np.float64)
        shares = [
            np.maximum(ratio(both_have, one + two - both_have, 1.0), nothing),
            np.maximum(ratio(both_have, one, 0.0), nothing),
            np.maximum(ratio(both_have, two, 0.0), nothing),
        ]
        return shares[: len(self._parts(kind))]


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Overlap:
    """Return the feature; only the header is read.

    Raises:
        RecipeError: a named column holds neither texts nor categories.
    """
    check_columns("overlap", (name for pair in params.pairs for name in pair), rows.header, ACCEPTS)
    return Overlap(params)


def _log_ratio(pairs: list[tuple[str, str]], length: Callable[[str], int]) -> Floats:
    """Return log((length + 1) / (other length + 1)), 0 where both are as long."""
    size = np.array([[length(a), length(b)] for a, b in pairs], np.float64).reshape(-1, 2)
    return np.asarray(np.log((size[:, 0] + 1) / (size[:, 1] + 1)))
