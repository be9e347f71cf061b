"""Texts as sets of hashed pieces, and how much two of them share; all pairs of a block at once."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kit.types import Floats, Ints

Hashes = NDArray[np.uint64]

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Letters of scripts that put no blanks between words: each counts as a word."""

WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def words(text: str) -> list[str]:
    """Return the words of a text.

    >>> words("Red car, 犬だ"), NUMBER.findall("from 1,200 to 3.5")
    (['Red', 'car', '犬', 'だ'], ['1,200', '3.5'])
    """
    return WORD.findall(text)


def char_grams(text: str, n: int) -> Hashes:
    """Return the distinct runs of n characters, hashed; a shorter text is one run."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    if not len(points):
        return np.empty(0, np.uint64)
    return _runs(points, min(n, len(points)))


def word_grams(text: str, n: int) -> Hashes:
    """Return the distinct runs of n words, hashed; a shorter text is one run."""
    found = np.array([zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words(text)], np.uint64)
    return _runs(found, min(n, len(found))) if len(found) else np.empty(0, np.uint64)


def numbers(text: str) -> Hashes:
    """Return the distinct numbers, hashed; 1,200 and 1200 are one."""
    plain = {number.replace(",", "") for number in NUMBER.findall(text)}
    return np.unique(np.array([zlib.crc32(number.encode()) for number in plain], np.uint64))


def shared(left: Sequence[Hashes], right: Sequence[Hashes]) -> tuple[Ints, Ints, Ints]:
    """Return (n,) how many pieces left and right have, and how many both have, pair by pair."""
    sizes = [np.array([len(one) for one in side], np.int64) for side in (left, right)]
    keys = []
    for side, size in zip((left, right), sizes, strict=True):
        pair = np.repeat(np.arange(len(side), dtype=np.uint64), size)
        keys.append((pair << np.uint64(32)) | np.concatenate([np.empty(0, np.uint64), *side]))
    both = np.intersect1d(keys[0], keys[1], assume_unique=True) >> np.uint64(32)
    return sizes[0], sizes[1], np.bincount(both.astype(np.int64), minlength=len(left))


def common_length(left: str, right: str) -> int:
    """Return the length of the longest common subsequence of two texts.

    One word of machine arithmetic holds a column of the table: the cost is len(left) * len(right) / 64 steps.

    Source: Hyyro, Bit-parallel LCS-length computation revisited, AWOCA 2004.

    >>> common_length("kitten", "sitting")
    4
    """
    places: dict[str, int] = {}
    for i, letter in enumerate(left):
        places[letter] = places.get(letter, 0) | (1 << i)
    full = (1 << len(left)) - 1
    column = full
    for letter in right:
        met = column & places.get(letter, 0)
        column = ((column + met) | (column - met)) & full
    return len(left) - column.bit_count()


def pieces(texts: Mapping[int, str], make: Callable[[str], Hashes], codes: Ints) -> list[Hashes]:
    """Return the pieces of the texts at `codes` (n,), each text cut once."""
    cut: dict[int, Hashes] = {}
    for code in codes.tolist():
        if code not in cut:
            cut[code] = make(texts[code])
    return [cut[code] for code in codes.tolist()]


def ratio(part: Floats | Ints, whole: Floats | Ints, empty: float) -> Floats:
    """Return part / whole, `empty` where whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(len(part), empty), where=np.asarray(whole) > 0))


def _runs(values: Hashes, n: int) -> Hashes:
    """Return the distinct runs of n values as numbers of 32 bits, sorted."""
    total = np.zeros(len(values) - n + 1, np.uint64)
    with np.errstate(over="ignore"):
        for i in range(n):
            total = (total ^ values[i : len(values) - n + 1 + i]) * np.uint64(0x9E3779B97F4A7C15)
            total ^= total >> np.uint64(29)
    return np.unique(total >> np.uint64(32))
