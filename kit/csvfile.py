"""Reads csv files natively and finds the line at fault where that fails."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.errors import DataError
from kit.infer import as_numbers
from kit.types import Ints

if TYPE_CHECKING:
    import polars as pl

NULL_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""What means missing in csv and tsv files; elsewhere only the empty string does."""

_GUESS_ROWS = 1000
_CHUNK = 1 << 26


def read_csv(path: Path, data: Path | bytes, separator: str, nulls: Sequence[str]) -> pl.DataFrame:
    """Return the rows of `data`, which is `path` or the bytes unpacked from it; types are those of the whole file.

    Raises:
        DataError: the text is not UTF-8, ragged or empty, a quote is open, or a column name stands twice.
    """
    import polars as pl

    words = [*NULL_WORDS, *nulls]
    try:
        guess = pl.read_csv(data, separator=separator, null_values=words, n_rows=_GUESS_ROWS)
        # Numbers from the start take less memory than text that is cast later, but fail on a late word.
        floats = [c for c, dtype in guess.schema.items() if dtype == pl.Float64]
    except pl.exceptions.PolarsError:
        floats = []
    frame = _frame(path, data, separator, words, floats)
    return frame.with_columns(as_numbers([s for s in frame if s.dtype == pl.String]))


def read_csv_text(path: Path, data: Path | bytes, separator: str) -> pl.DataFrame:
    """Return the rows as text, spelled as in the file; what is empty is null.

    Raises:
        DataError: as `read_csv`.
    """
    return _frame(path, data, separator, [""], [])


def _frame(path: Path, data: Path | bytes, separator: str, words: list[str], floats: list[str]) -> pl.DataFrame:
    """Return the rows, `floats` as numbers where they are, the other columns as text."""
    import polars as pl

    names = _header(path, data, separator)
    types = dict.fromkeys(floats, pl.Float64())
    try:
        frame = pl.read_csv(data, separator=separator, null_values=words, infer_schema=False, schema_overrides=types)
    except pl.exceptions.PolarsError as error:
        if floats:
            return _frame(path, data, separator, words, [])
        raise _csv_error(path, data, separator, len(names)) from error
    frame.columns = names
    if frame.width > 1 and frame[:, -1].null_count():
        frame = _without_blank_lines(path, data, separator, frame)
    if names[-1].startswith("Unnamed: ") and frame[:, -1].null_count() == len(frame) > 0:
        frame = frame.drop(names[-1])
    return frame


def _bytes(data: Path | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.read_bytes()


def _header(path: Path, data: Path | bytes, separator: str) -> list[str]:
    """Return the column names; one without a name is called as pandas does."""
    raw = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    try:
        with io.TextIOWrapper(raw, "utf-8-sig", newline="") as lines:
            row = next((row for row in csv.reader(lines, delimiter=separator) if row), [])
    except UnicodeDecodeError as error:
        raise _csv_error(path, data, separator, 0) from error
    except csv.Error as error:
        raise DataError("the header is not csv", place=f"{path}:1", got=error) from error
    if not row:
        raise DataError("the file is empty", place=str(path))
    twice = sorted({c for c in row if c and row.count(c) > 1})
    if twice:
        raise DataError("column names stand twice in the header", place=f"{path}:1", got=", ".join(twice))
    return [c or f"Unnamed: {i}" for i, c in enumerate(row)]


def _csv_error(path: Path, source: Path | bytes, separator: str, width: int) -> DataError:
    """Return the error with the line at fault, as far as it can be found."""
    data = _bytes(source)
    try:
        data.decode()
    except UnicodeDecodeError as bad:
        place = f"{path}:{data[: bad.start].count(10) + 1}"
        return DataError("the file is not UTF-8 text", place=place, next="save it as UTF-8 (iconv -t utf-8)")
    for first, fields, _ in _records(data, separator):
        for i in np.flatnonzero(fields > width)[:1]:
            return _ragged(path, data, int(first[i]), int(fields[i]), width)
    next = 'put text that holds a quote between quotes, and write it as ""'
    if stray := re.search(rb'[^%b\r\n"]"[^%b\r\n"]' % (separator.encode(), separator.encode()), data):
        line = data[: stray.start() + 1].count(10) + 1
        return DataError("a quote stands inside text", place=f"{path}:{line}", next=next)
    return DataError("a quote is not closed", place=str(path), next=next)


def _ragged(path: Path, data: bytes, start: int, fields: int, width: int) -> DataError:
    place = f"{path}:{data[:start].count(10) + 1}"
    next = "put quotes around text that holds the separator" if fields > width else "the line is cut short"
    return DataError(f"the line has {fields} fields, the header {width}", place=place, next=next)


def _without_blank_lines(path: Path, source: Path | bytes, separator: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame without the rows that polars makes of blank lines; refuse lines that it filled up."""
    data = _bytes(source)
    if b'"' not in data and data.count(separator.encode()) == (len(frame) + 1) * (frame.width - 1):
        return frame
    blank: list[Any] = []
    for first, fields, size in _records(data, separator):
        for i in np.flatnonzero((fields < frame.width) & (size > 0))[:1]:
            raise _ragged(path, data, int(first[i]), int(fields[i]), frame.width)
        blank.append(size == 0)
    lines = np.concatenate(blank)
    return frame.filter(~lines[-len(frame) :]) if len(lines) > len(frame) else frame


def _records(data: bytes, separator: str) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield, chunk by chunk, of each record its start in `data`, its number of fields and its size in bytes.

    A newline or separator between quotes is text.
    """
    bytes_ = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8)
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
