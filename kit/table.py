"""Reads data files into polars frames: csv, tsv, json, jsonl and parquet, scikit-learn's bundled sets, sample files.

In every frame null means missing: empty strings, NaN and the null words are null.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.canon import stream
from kit.csvfile import read_csv, read_csv_text, separator_of
from kit.errors import DataError, nearest
from kit.forms import as_text
from kit.jsonfile import read_json
from kit.paths import require_file

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = ("csv", "tsv", "json", "jsonl", "ndjson", "parquet")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""First bytes of a file -> its encoding."""
_OTHERS = {
    b"PAR1": ("parquet", "give its name the ending .parquet"),
    b"\x1f\x8b": ("packed with gzip", "give its name the ending .gz"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "unpack it, or save it as csv"),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "unpack it first"),
}
"""First bytes of what is no text -> what it is, and what to do."""
_PEEK = 1 << 16
_SMALL = 1 << 23
"""A text file of at most so many bytes is read at once: it is looked at several times, and to open it takes longer."""
SOURCES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def read(
    path: Path, nulls: Sequence[str] = (), encoding: str | None = None, texts: Collection[str] = ()
) -> pl.DataFrame:
    """Return the rows of a data file; `nulls` are further words that mean missing, `encoding` how text is written.

    `texts`: columns that are text in csv even where all their values are numbers.

    Types are inferred over the whole file. Integers with leading zeros or beyond int64, dates and the words true and
    false stay text in csv, as they are spelled.

    Raises:
        DataError: the file is missing, damaged, ragged, of unknown type or without rows, or names a column twice.
    """
    frame = _load(path, lambda data, separator: read_csv(path, data, separator, nulls, texts), encoding)
    return plain(frame, nulls, clean=_kind(path) in ("csv", "tsv"))


def read_text(path: Path, encoding: str | None = None) -> pl.DataFrame:
    """Return the rows of a data file as text, spelled as in the file; only what is empty is null.

    Raises:
        DataError: as `read`.
    """

    return as_texts(_load(path, lambda data, separator: read_csv_text(path, data, separator), encoding))


def as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with every column as text, whole numbers without a point."""
    return frame.select(as_text(s) for s in frame)


def remarks(path: Path) -> list[str]:
    """Return what a person should know of how a text file is read: another separator or encoding than the usual."""
    if path.suffix.lower() == ".parquet" or not path.is_file():
        return []
    with gzip.open(path) if _is_packed(path) else path.open("rb") as raw:
        head = raw.read(_PEEK)
    told = [f"read as {_MARKS[m].upper()}, by the mark it begins with" for m in _MARKS if head.startswith(m)]
    text = head.decode(_encoding(head, None) or "utf-8", "replace").encode()
    usual = _separator(path)
    if usual and (found := separator_of(text, usual)) != usual:
        told.append(f"fields are separated by {found!r}")
    return told


def source(name: str) -> pl.DataFrame:
    """Return a data set that scikit-learn bundles, as 'sklearn:iris'; the last column is `target`.

    Raises:
        DataError: there is no such set.
    """
    import polars as pl

    known = [f"sklearn:{s}" for s in SOURCES]
    if name not in known:
        raise DataError("there is no such data source", got=name, allowed=known, next=nearest(name, known))
    from sklearn import datasets

    load: Callable[[], Any] = getattr(datasets, f"load_{name.partition(':')[2]}")
    bunch = load()
    classes = bunch.get("target_names")
    # The names of the ten digits are numbers; those of a regression are not there.
    named = classes is not None and np.asarray(classes).dtype.kind == "U"
    target = np.asarray(classes)[bunch.target].tolist() if named else bunch.target
    frame = pl.DataFrame(np.asarray(bunch.data), schema=[str(f) for f in bunch.feature_names])
    return frame.with_columns(target=pl.Series(target))


def holdout(frame: pl.DataFrame, share: float, seed: int, *targets: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (train, test): `share` of the rows, drawn at random, are test and lose their targets. Order is kept.

    Raises:
        DataError: there is no target column, or a part would be empty.
    """
    for lost in (t for t in targets if t not in frame.columns):
        next = nearest(lost, frame.columns)
        raise DataError("there is no target column", got=lost, allowed=frame.columns, next=next)
    n_test = round(len(frame) * share)
    if not 0 < n_test < len(frame):
        rule = "holdout must leave rows in train and in test"
        raise DataError(rule, got=f"{share} of {len(frame)} rows", allowed="a share between 0 and 1")
    is_test = np.zeros(len(frame), np.bool_)
    is_test[stream(seed, "holdout").permutation(len(frame))[:n_test]] = True
    return frame.filter(~is_test), frame.filter(is_test).drop(targets)


def series_to_arrow(series: pl.Series) -> bytes:
    """Return the series as an uncompressed Arrow IPC stream of one column."""
    import polars as pl

    out = io.BytesIO()
    # The oldest level holds text in a layout that every Arrow reader knows; equal values are to give equal bytes.
    frame = series.rechunk().to_frame()
    frame.write_ipc_stream(out, compression="uncompressed", compat_level=pl.CompatLevel.oldest())
    return out.getvalue()


def series_from_arrow(data: bytes) -> pl.Series:
    """Return what `series_to_arrow` wrote, now or when it wrote files."""
    import polars as pl

    read = pl.read_ipc if data.startswith(b"ARROW1") else pl.read_ipc_stream
    return read(io.BytesIO(data)).to_series()


def levels_to_arrow(levels: Sequence[str]) -> bytes:
    """Return the strings as an Arrow IPC file."""
    import polars as pl

    return series_to_arrow(pl.Series("level", levels, dtype=pl.String))


def levels_from_arrow(data: bytes) -> tuple[str, ...]:
    """Return what `levels_to_arrow` wrote.

    >>> levels_from_arrow(levels_to_arrow(["a", "b"]))
    ('a', 'b')
    """
    return tuple(series_from_arrow(data).to_list())


def _load(
    path: Path, read_rows: Callable[[Path | bytes, str], pl.DataFrame], encoding: str | None = None
) -> pl.DataFrame:
    """Return the rows of any kind of file; `read_rows` reads csv from (data, separator)."""
    import polars as pl

    kind = _kind(path)
    try:
        if kind == "parquet":
            frame = pl.read_parquet(path, glob=False)
        elif kind in ("csv", "tsv"):
            data = _text_of(path, encoding)
            frame = read_rows(data, separator_of(data, _separator(path)))
        else:
            text = _text_of(path, encoding)
            frame = read_json(path, text if isinstance(text, bytes) else text.read_bytes(), kind)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError("the gzip file is damaged or cut short", place=str(path), next="fetch it again") from error
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        advice = "fetch it again, or open it with the tool that made it"
        got = str(error).partition("\n")[0]
        raise DataError("the file cannot be read", place=str(path), got=got, next=advice) from error
    if frame.is_empty():
        advice = "a data file has at least one row below its header"
        raise DataError("the file holds no rows", place=str(path), got=f"{frame.width} columns", next=advice)
    return frame


def _text_of(path: Path, encoding: str | None) -> Path | bytes:
    """Return a text file as UTF-8 with newlines: the path itself where it is that already and long, else the bytes.

    Raises:
        DataError: the file is not written in the encoding it is said to have.
    """
    with gzip.open(path) if _is_packed(path) else path.open("rb") as raw:
        head = raw.read(_PEEK)
    for mark, (what, advice) in _OTHERS.items():
        if head.startswith(mark):
            raise DataError(f"the file is {what}, whatever its name says", place=str(path), next=advice)
    found = _encoding(head, encoding)
    mac = b"\r" in head and b"\n" not in head
    if found is None and not mac and not _is_packed(path):
        return path if path.stat().st_size > _SMALL else path.read_bytes()
    data = _bytes(path)
    if found is not None:
        try:
            data = data.decode(found).encode()
        except UnicodeDecodeError as error:
            line = data[: error.start].count(10) + 1
            raise DataError(f"the file is not {found} text", place=f"{path}:{line}", got=error.reason) from error
    return data.replace(b"\r", b"\n") if mac else data


def _encoding(head: bytes, said: str | None) -> str | None:
    """Return the encoding a file is to be decoded from, None for UTF-8."""
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    return marked or (said if said and said.lower().replace("_", "-") not in ("utf-8", "utf8") else None)


def _separator(path: Path) -> str:
    """Return the usual separator of a csv or tsv file, "" for others."""
    return {"csv": ",", "tsv": "\t"}.get(Path(_stem(path)).suffix[1:].lower(), "")


def _kind(path: Path) -> str:
    """Return which of SUFFIXES the existing file has, .gz left away."""
    require_file(path)
    kind = Path(_stem(path)).suffix[1:].lower()
    if kind not in SUFFIXES or (kind == "parquet" and _is_packed(path)):
        advice = "unpack it first" if kind in ("zip", "7z", "tar", "bz2", "xz") else "save it as one of these"
        allowed = f"{', '.join(SUFFIXES)}; .gz but for parquet"
        raise DataError("unknown file type", place=str(path), allowed=allowed, next=advice)
    return kind


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _stem(path: Path) -> str:
    return path.name[:-3] if _is_packed(path) else path.name


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if _is_packed(path) else data


def plain(frame: pl.DataFrame, nulls: Sequence[str], *, clean: bool = False) -> pl.DataFrame:
    """Return the frame with plain dtypes and every missing value null; `clean`: in texts it is so already."""
    import polars as pl
    import polars.selectors as cs

    for name, dtype in frame.schema.items():
        if dtype == pl.Binary:
            frame = frame.with_columns(_decoded(frame[name]))
        if isinstance(dtype, pl.Int128 | pl.UInt128 | pl.UInt64):
            small = frame[name].cast(pl.Int64, strict=False)
            fits = small.null_count() == frame[name].null_count()
            frame = frame.with_columns(small if fits else frame[name].cast(pl.String))
    if any(isinstance(d, pl.Categorical | pl.Enum | pl.Decimal) for d in frame.dtypes):
        frame = frame.with_columns((cs.categorical() | cs.enum()).cast(pl.String), cs.decimal().cast(pl.Float64))
    if any(s.dtype.is_float() and math.isnan(s.sum()) for s in frame):  # of infinities of both signs it is NaN too
        frame = frame.with_columns(cs.float().fill_nan(None))
    if not clean and _any(frame, cs.string().is_in(["", *nulls])):
        frame = frame.with_columns(pl.when(~cs.string().is_in(["", *nulls])).then(cs.string()))
    numbers = pl.Series(nulls, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls().to_list() if nulls else []
    if not numbers:
        return frame
    return frame.with_columns(pl.when(~cs.numeric().cast(pl.Float64).is_in(numbers)).then(cs.numeric()))


def renamed(frame: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """Return the frame with its columns under other names; one whose new name the frame has already stays as it is."""
    return frame.rename({old: new for old, new in names.items() if old in frame.columns and new not in frame.columns})


def unnamed(names: Collection[str], given: Mapping[str, str]) -> set[str]:
    """Return the names columns may have in a file before `renamed` gives them these."""
    return {*names, *(old for old, new in given.items() if new in names)}


def _any(frame: pl.DataFrame, test: pl.Expr) -> bool:
    """Return whether a test holds for any value of the columns it is of: a look costs less than a copy."""
    return any(found for row in frame.select(test.any()).rows() for found in row)


def _decoded(series: pl.Series) -> pl.Series:
    """Return bytes as text where all of them are UTF-8, else as they are."""
    import polars as pl

    try:
        return series.cast(pl.String)
    except pl.exceptions.PolarsError:
        return series
