"""Reads csv files natively and finds the line at fault where that fails."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.csvbytes import Bytes, buffer, columns_with_zeros, count, has, records
from kit.errors import DataError
from kit.forms import as_numbers
from kit.types import Array

if TYPE_CHECKING:
    import polars as pl

NULL_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "null", "NULL")
"""What means missing in csv and tsv files; elsewhere only the empty string does."""

SEPARATORS = (",", ";", "\t", "|")

_GUESS_BYTES = 1 << 15
_GUESS_PIECES = 16
_GUESS_LINES = 20
"""Where the first piece has fewer lines it is as long as any, or as so many times the header."""
_GUESS_SHARE = 1024
"""The first piece is about this part of the file: a small one is read in the time that looking at all pieces takes."""
_RETRIES = 4
_WHOLE = re.compile("[+-]?[0-9]{1,100}(?:\n[+-]?[0-9]{1,100})*+")
_PADDED = re.compile("^0[0-9]", re.M)
_NO_NUMBER = re.compile(r"[^\S\n]|_")


def read_csv(
    path: Path, data: Path | bytes, separator: str, nulls: Sequence[str], texts: Collection[str] = ()
) -> pl.DataFrame:
    """Return the rows of `data`, which is `path` or the bytes unpacked from it; types are those of the whole file.

    No text is empty or a null word. `texts`: columns that stay as they are spelled, whatever their values are here.

    Raises:
        DataError: the text is not UTF-8, ragged or empty, a quote is open, or a column name stands twice.
    """
    import polars as pl

    words = list(dict.fromkeys([*NULL_WORDS, *nulls]))
    names = _header(path, data, separator)
    types, known = _guess(data, separator, words, len(names))
    types = [pl.String if name in texts else dtype for name, dtype in zip(names, types, strict=True)]
    # Polars compares every field with every word: half as much work again, so only where there are words.
    taken = words if known else []
    for _ in range(_RETRIES):
        try:
            frame = _frame(path, data, separator, taken, types)
            break
        except pl.exceptions.PolarsError as error:
            types, taken = _without(types, taken, words, str(error))
    else:
        frame = read_csv_text(path, data, separator, words)
    if padded := _padded(path, data, separator, words, frame):
        frame = frame.with_columns(padded)
    frame = _without_words(frame, words)
    numbers = as_numbers([s for s in frame if s.dtype == pl.String and s.name not in texts])
    return frame.with_columns(numbers) if numbers else frame


def _without_words(frame: pl.DataFrame, words: Sequence[str]) -> pl.DataFrame:
    """Return the frame with null in place of the words; only texts that are short enough are compared with them."""
    import polars as pl
    import polars.selectors as cs

    longest = max(len(word.encode()) for word in words)
    shortest = frame.select(cs.string().str.len_bytes().min())
    short = [s.name for s in shortest if s.item() is not None and s.item() <= longest]
    if not short or not any(frame.select(cs.by_name(short).is_in(words).any()).row(0)):
        return frame
    return frame.with_columns(pl.when(~cs.by_name(short).is_in(words)).then(cs.by_name(short)))


def read_csv_text(path: Path, data: Path | bytes, separator: str, words: Sequence[str] = ("",)) -> pl.DataFrame:
    """Return the rows as text, spelled as in the file; what is empty, or one of `words`, is null.

    Raises:
        DataError: as `read_csv`.
    """
    import polars as pl

    try:
        return _frame(path, data, separator, words, None)
    except pl.exceptions.PolarsError as error:
        raise _csv_error(path, data, separator, len(_header(path, data, separator))) from error


def separator_of(data: Path | bytes, usual: str) -> str:
    """Return the sign between the fields: another than the usual one where only that stands in the first two lines."""
    raw = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    with raw:
        lines = [raw.readline(_GUESS_BYTES) for _ in range(2)]
    if usual.encode() in lines[0]:
        return usual
    counts = {s: lines[0].count(s.encode()) for s in SEPARATORS}
    best = max(SEPARATORS, key=lambda s: counts[s])
    return best if counts[best] and best.encode() in lines[1] else usual


def _guess(data: Path | bytes, separator: str, words: Sequence[str], width: int) -> tuple[list[Any], bool]:
    """Return a type for each column by pieces from all over the file, and whether a word of `words` is seen in them.

    A wrong guess costs time, never a value: numbers that are none fail, and the column is read as text.
    """
    import polars as pl

    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as raw:
        line = len(raw.readline())
        first = min(_GUESS_BYTES, max(_GUESS_BYTES // 8, size // _GUESS_SHARE))
        raw.seek(0)
        head = raw.read(first)
        if head.count(b"\n") < _GUESS_LINES:
            head += raw.read(max(_GUESS_BYTES, _GUESS_LINES * line) - first)
        pieces, length = [head.rpartition(b"\n")[0]], max(first // 4, 3 * line)
        for at in range(first, size, max(1, (size - first) // _GUESS_PIECES)):
            if size > 8 * len(head):
                raw.seek(at)
                pieces.append(raw.read(length).partition(b"\n")[2].rpartition(b"\n")[0])
    text = b"\n".join(p for p in pieces if p).decode("utf-8", "replace")
    try:
        rows = [r for r in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if len(r) == width][1:]
    except csv.Error:
        return [pl.String] * width, True
    columns = [set(column) for column in zip(*rows, strict=True)] or [set()] * width
    seen = set(words)
    return [_type(column - seen) for column in columns], any(column & (seen - {""}) for column in columns)


def _type(values: Collection[str]) -> Any:
    """Return the type that polars reads all of these words as."""
    import polars as pl

    lines = "\n".join(values)  # a look at all of them at once takes a tenth of one at each
    if not values or lines.count("\n") >= len(values):
        return pl.String
    if _WHOLE.fullmatch(lines):
        names = _PADDED.search(lines) or not all(-(2**63) <= v < 2**63 for v in map(int, values))
        return pl.String if names else pl.Int64
    return pl.Float64 if _are_fractions(values, lines) else pl.String


def _are_fractions(values: Collection[str], lines: str) -> bool:
    """Return whether words are numbers for Python and for polars, which takes no blanks and no underscores."""
    if not lines.isascii() or _NO_NUMBER.search(lines):
        return False
    try:
        list(map(float, values))
    except ValueError:
        return False
    return True


def _without(
    types: Sequence[Any], taken: Sequence[str], words: Sequence[str], message: str
) -> tuple[list[Any], list[str]]:
    """Return types and null words after an error: its message says which value did not fit where."""
    import polars as pl

    found = re.search(r"could not parse `(.*?)` as dtype `(\w+)` at column .* \(column number (\d+)\)", message, re.S)
    if found is None:
        return [pl.String] * len(types), list(words)
    value, at = found[1], int(found[3]) - 1
    if value in words and list(taken) != list(words):
        return list(types), list(words)
    fraction = re.match(r"\s*[+-]?(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[+-]?\d+)?$", value, re.I)
    new = pl.Float64 if found[2] == "i64" and fraction else pl.String
    return [new if i == at else dtype for i, dtype in enumerate(types)], list(taken)


def _frame(
    path: Path, data: Path | bytes, separator: str, words: Sequence[str], types: Sequence[Any] | None
) -> pl.DataFrame:
    """Return the rows under these types, as text where there are none."""
    import polars as pl

    names = _header(path, data, separator)
    frame = pl.read_csv(
        data,
        separator=separator,
        null_values=list(words) or None,
        infer_schema=False,
        schema_overrides=types or {},
        glob=False,  # data[1].csv is a file and no pattern
    )
    if frame.width != len(names):
        raise _csv_error(path, data, separator, len(names))
    frame.columns = names
    if frame.width > 1 and frame[:, -1].null_count():
        frame = _without_blank_lines(path, data, separator, frame)
    if names[-1].startswith("Unnamed: ") and frame[:, -1].null_count() == len(frame) > 0:
        frame = frame.drop(names[-1])
    return frame


def _padded(
    path: Path, data: Path | bytes, separator: str, words: Sequence[str], frame: pl.DataFrame
) -> list[pl.Series]:
    """Return, as text, the whole-number columns of which a value begins with a zero: "007" is a name."""
    import polars as pl

    whole = {i for i, dtype in enumerate(frame.dtypes) if dtype == pl.Int64}
    found = whole & columns_with_zeros(data, separator, frame.width) if whole else set()
    if not found:
        return []
    text = _frame(path, data, separator, words, None)
    suspects = [text[:, i] for i in sorted(found)]
    return [s for s in suspects if (s.str.starts_with("0") & (s.str.len_bytes() > 1)).any()]


def _header(path: Path, data: Path | bytes, separator: str) -> list[str]:
    """Return the column names; one without a name is called as pandas does."""
    raw = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
    try:
        with io.TextIOWrapper(raw, "utf-8-sig", newline="") as lines:
            row = next((row for row in csv.reader(lines, delimiter=separator) if row), [])
    except UnicodeDecodeError as error:
        raise _csv_error(path, data, separator, 0) from error
    except csv.Error as error:
        raise DataError("the header is not csv", place=f"{path}:1", got=error, next="save it as plain csv") from error
    if not row:
        raise DataError("the file is empty", place=str(path))
    twice = sorted(c for c, times in Counter(row).items() if c and times > 1)
    if twice:
        advice = "give each column a name of its own"
        raise DataError("column names stand twice in the header", place=f"{path}:1", got=", ".join(twice), next=advice)
    return [c or f"Unnamed: {i}" for i, c in enumerate(row)]


def _csv_error(path: Path, source: Path | bytes, separator: str, width: int) -> DataError:
    """Return the error with the line at fault, as far as it can be found."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as bad:
        place = f"{path}:{data[: bad.start].count(10) + 1}"
        advice = "save it as UTF-8, or say how it is written: data: {encoding: latin-1}"
        return DataError("the file is not UTF-8 text", place=place, got=repr(_around(data, bad.start)), next=advice)
    for first, fields, _ in records(np.frombuffer(data, np.uint8), separator):
        for i in np.flatnonzero(fields > width)[:1]:
            return _ragged(path, np.frombuffer(data, np.uint8), int(first[i]), int(fields[i]), width)
    next = 'put text that holds a quote between quotes, and write it as ""'
    if stray := re.search(rb'[^%b\r\n"]"[^%b\r\n"]' % (separator.encode(), separator.encode()), data):
        line = data[: stray.start() + 1].count(10) + 1
        return DataError("a quote stands inside text", place=f"{path}:{line}", next=next)
    return DataError("a quote is not closed", place=str(path), next=next)


def _around(data: bytes, at: int) -> bytes:
    """Return the bytes around a place, of its line only."""
    start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
    return data[max(start, at - 20) : min(end if end >= 0 else len(data), at + 20)].strip(b"\r")


def _ragged(path: Path, data: Bytes, start: int, fields: int, width: int) -> DataError:
    place = f"{path}:{count(data[:start], chr(10)) + 1}"
    next = "put quotes around text that holds the separator" if fields > width else "the line is cut short"
    return DataError(f"the line has {fields} fields, the header {width}", place=place, next=next)


def _without_blank_lines(path: Path, source: Path | bytes, separator: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame without the rows that polars makes of blank lines; refuse lines that it filled up."""
    if not has(source, '"') and count(source, separator) == (len(frame) + 1) * (frame.width - 1):
        return frame
    data = buffer(source)
    blank: list[Array] = []
    for first, fields, size in records(data, separator):
        for i in np.flatnonzero((fields < frame.width) & (size > 0))[:1]:
            raise _ragged(path, data, int(first[i]), int(fields[i]), frame.width)
        blank.append(size == 0)
    lines = np.concatenate(blank)
    return frame.filter(~lines[-len(frame) :]) if len(lines) > len(frame) else frame
