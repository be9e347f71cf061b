"""Looks at the bytes of csv files: where records begin, which columns hold numbers with leading zeros."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.types import Ints

Bytes = NDArray[np.uint8]

_CHUNK = 1 << 26
_CACHED = 1 << 18
"""Bytes that stay in the processor's cache while they are looked at several times."""


def buffer(data: Path | bytes) -> Bytes:
    """Return the bytes, those of a file mapped into memory."""
    if isinstance(data, bytes):
        return np.frombuffer(data, np.uint8)
    return np.memmap(data, np.uint8, "r") if data.stat().st_size else np.empty(0, np.uint8)


def parts(data: Bytes) -> Iterator[Bytes]:
    """Yield the bytes in pieces that are copied without harm."""
    return (data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK))


def has(data: Bytes, sign: str) -> bool:
    """Return whether a sign stands anywhere."""
    return any((part == ord(sign)).any() for part in parts(data))


def count(data: Bytes, sign: str) -> int:
    """Return how often a sign stands."""
    return sum(int(np.count_nonzero(part == ord(sign))) for part in parts(data))


def columns_with_zeros(data: Bytes, separator: str, width: int) -> set[int]:
    """Return the numbers of the columns in which a field may begin with a zero before a digit."""
    found: set[int] = set()
    quoted, sign = has(data, '"'), ord(separator)
    before = 0  # separators between the last line end and the part
    for at in range(0, len(data), _CACHED):
        part = data[at : at + _CACHED + 2]
        zeros = (part[1:-1] == ord("0")) & (part[2:] - np.uint8(ord("0")) < 10)
        zeros &= (part[:-2] == sign) | (part[:-2] == ord("\n")) | (part[:-2] == ord('"'))
        hits, inner = np.flatnonzero(zeros), part[:_CACHED]
        if len(hits) and quoted:
            return set(range(width))  # a separator may be text: every column is a suspect
        ends = np.flatnonzero(inner == ord("\n"))
        if len(hits):
            signs = np.concatenate([np.full(before, -1), np.flatnonzero(inner == sign)])
            last = np.concatenate([[-2], ends])[np.searchsorted(ends, hits, side="right")]
            counts = np.searchsorted(signs, hits, side="right") - np.searchsorted(signs, last, side="right")
            found.update(np.unique(counts).tolist())
        rest = inner[int(ends[-1]) + 1 if len(ends) else 0 :]
        before = int(np.count_nonzero(rest == sign)) + (0 if len(ends) else before)
    return found


def records(data: Bytes, separator: str) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield, chunk by chunk, of each record its start in `data`, its number of fields and its size in bytes.

    A newline or separator between quotes is text.
    """
    bytes_ = data if len(data) and data[-1] == ord("\n") else np.concatenate([data, np.frombuffer(b"\n", np.uint8)])
    inside, start, open_fields = False, 0, 0
    for at in range(0, len(bytes_), _CHUNK):
        part = bytes_[at : at + _CHUNK]
        quoted = np.bitwise_xor.accumulate(part == ord('"')) ^ inside
        ends = np.flatnonzero((part == ord("\n")) & ~quoted)
        seps = np.flatnonzero((part == ord(separator)) & ~quoted)
        inside = bool(quoted[-1])
        before = np.searchsorted(seps, ends)
        if len(ends):
            first = np.concatenate([[start], ends[:-1] + at + 1]).astype(np.int64)
            fields = np.diff(before, prepend=0) + 1
            fields[0] += open_fields
            returns = bytes_[np.maximum(ends + at - 1, 0)] == ord("\r")
            yield first, fields, ends + at - first - returns
            start, open_fields = int(ends[-1]) + at + 1, len(seps) - int(before[-1])
        else:
            open_fields += len(seps)
