"""Looks at the bytes of csv files: where records begin, which columns hold numbers with leading zeros."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit import devices
from kit.types import Ints

Bytes = NDArray[np.uint8]

_CHUNK = 1 << 26
_CACHED = 1 << 18
"""Bytes that stay in the processor's cache while they are looked at several times."""
_BACK = 1 << 12
_SEARCHED = 1 << 21
"""Bytes that are searched at once: so many that to begin a search takes little of it."""
_HIGH = bytes(range(128, 256))


def buffer(data: Path | bytes) -> Bytes:
    """Return the bytes, those of a file mapped into memory."""
    if isinstance(data, bytes):
        return np.frombuffer(data, np.uint8)
    return np.memmap(data, np.uint8, "r") if data.stat().st_size else np.empty(0, np.uint8)


def pieces(data: Path | bytes | Bytes, more: int = 0) -> Iterator[Bytes]:
    """Yield the bytes in pieces that stay in the cache, each with `more` bytes of the next one.

    A file is read, not mapped: what is mapped counts as memory of the process once it was looked at.
    """
    if not isinstance(data, Path):
        whole = np.frombuffer(data, np.uint8)
        yield from (whole[at : at + _CACHED + more] for at in range(0, len(whole), _CACHED))
        return
    with data.open("rb", buffering=0) as file:
        for at in range(0, data.stat().st_size, _CACHED):
            file.seek(at)
            yield np.frombuffer(file.read(_CACHED + more), np.uint8)


def has(data: Path | bytes | Bytes, sign: str) -> bool:
    """Return whether a sign stands anywhere."""
    return any((part == ord(sign)).any() for part in pieces(data))


def count(data: Path | bytes | Bytes, sign: str) -> int:
    """Return how often a sign stands."""
    return sum(int(np.count_nonzero(part == ord(sign))) for part in pieces(data))


def columns_with_zeros(data: Path | bytes, separator: str, width: int) -> set[int]:
    """Return the numbers of the columns in which a field may begin with a zero before a digit."""
    found: set[int] = set()
    mapped, marks = buffer(data), (separator, "\n", '"')
    size = _SEARCHED if len(mapped) > 2 * _SEARCHED else _CACHED
    for at in range(0, len(mapped), size) if size == _CACHED else _suspects(data, len(mapped), marks):
        raw = _piece(data, at, size)
        piece, here = np.frombuffer(raw, np.uint8), [m for m in marks if m.encode() in raw]
        hits = _padded(piece, here) if here else np.empty(0, np.int64)
        if len(hits) and not found and has(data, '"'):
            return set(range(width))  # a separator may be text: every column is a suspect
        if len(hits):
            start = _line_start(mapped, at)
            part, hits = np.concatenate([mapped[start:at], piece[:size]]), hits + (at - start)
            signs, ends = np.flatnonzero(part == ord(separator)), np.flatnonzero(part == ord("\n"))
            last = np.concatenate([[-1], ends])[np.searchsorted(ends, hits, side="right")]
            counts = np.searchsorted(signs, hits, side="right") - np.searchsorted(signs, last, side="right")
            found.update(counts.tolist())
    return found


def _suspects(data: Path | bytes, n: int, marks: Sequence[str]) -> Iterator[int]:
    """Return where those pieces of n bytes begin in which a mark may stand before a zero and a digit.

    Polars finds that much sooner than numpy does.
    """
    starts, pattern = range(0, n, _SEARCHED), f"[{''.join(map(re.escape, marks))}]0[0-9]"
    with ThreadPoolExecutor(devices.cores()) as pool:
        yield from compress(starts, pool.map(lambda at: _may_hold(_piece(data, at, _SEARCHED), pattern), starts))


def _may_hold(piece: bytes, pattern: str) -> bool:
    """Return whether bytes hold the pattern, or may as they are no text."""
    import polars as pl

    # A character that is cut in two stands at an end. A second value, for polars copies one that is alone.
    text = pl.Series([piece.strip(_HIGH), b""], dtype=pl.Binary).cast(pl.String, strict=False)
    found = text.str.contains(pattern)
    return found.null_count() > 0 or bool(found.any())


def _piece(data: Path | bytes, at: int, size: int) -> bytes:
    """Return so many bytes from there, and two more."""
    if isinstance(data, bytes):
        return data[at : at + size + 2]
    with data.open("rb", buffering=0) as file:
        file.seek(at)
        return file.read(size + 2)


def _padded(part: Bytes, marks: Sequence[str]) -> Ints:
    """Return where a mark stands before a zero and a digit."""
    found = part[:-2] == ord(marks[0])
    for mark in marks[1:]:
        found |= part[:-2] == ord(mark)
    found &= part[1:-1] == ord("0")
    found &= part[2:] >= ord("0")  # one look more would take longer than to leave out :;<= in the few places
    places = np.flatnonzero(found)
    return places[part[places + 2] <= ord("9")]


def _line_start(data: Bytes, at: int) -> int:
    """Return where the line of a place begins."""
    for start in range(at - _BACK, -_BACK, -_BACK):
        ends = np.flatnonzero(data[max(start, 0) : max(start + _BACK, 0)] == ord("\n"))
        if len(ends):
            return max(start, 0) + int(ends[-1]) + 1
    return 0


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
