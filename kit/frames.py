"""Data frames a person hands over (pandas, polars, pyarrow, columns, rows), as polars ones with a digest; and files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import table
from kit.errors import DataError
from kit.forms import as_text
from kit.paths import whole

if TYPE_CHECKING:
    import polars as pl

PARTS = ("train", "test", "sample")
"""What may be handed over as a frame."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A table in memory and the digest of its content, which stands in keys for the digest of a file.

    `categories`: columns of a categorical type whose levels are numbers, which the type says are names all the same.
    """

    rows: pl.DataFrame
    digest: str
    categories: frozenset[str] = frozenset()


def frame_of(given: Any, part: str) -> Frame:
    """Return a frame of any kind, as {column: values} or a list of {column: value}, too.

    The index of a pandas frame becomes a column where it has a name.

    Raises:
        DataError: it is no data frame, names a column twice or has no rows.
    """
    import polars as pl

    place = f"the DataFrame {part}"
    if isinstance(given, pl.LazyFrame):
        given = given.collect()
    if not isinstance(given, pl.DataFrame):
        given = _converted(given, place)
    if pl.Object in given.dtypes:
        given = pl.DataFrame([as_text(s) if s.dtype == pl.Object else s for s in given])
    if given.is_empty():
        raise DataError("the data frame holds no rows", place=place, got=f"{given.width} columns", next="check it")
    categories = frozenset(s.name for s in given if _numbers_as_names(s))
    rows: pl.DataFrame = table.plain(given, ())
    return Frame(rows, digest_of(rows), categories)


def _numbers_as_names(series: pl.Series) -> bool:
    """Return whether a column is of a categorical type, and every level of it that occurs spells a number."""
    import polars as pl

    if not isinstance(series.dtype, pl.Categorical | pl.Enum):
        return False
    levels = series.unique().drop_nulls().cast(pl.String)
    return bool(len(levels)) and bool(levels.cast(pl.Float64, strict=False).is_not_null().all())


def digest_of(frame: pl.DataFrame) -> str:
    """Return the sha256 (64 hex digits) of names, types and values: equal frames have equal digests.

    >>> import polars as pl
    >>> masked = pl.DataFrame({"a": [1, None, 3]}).drop_nulls()
    >>> digest_of(masked) == digest_of(pl.DataFrame({"a": [1, 3]}))
    True
    """
    digest = hashlib.sha256()
    for series in frame:
        parts = _content(series.alias("x"))  # polars takes a name like ^a$ for a pattern
        digest.update(json.dumps([series.name, str(series.dtype), [len(p) for p in parts]]).encode())
        for part in parts:
            digest.update(part)
    return digest.hexdigest()


def _content(series: pl.Series) -> list[bytes]:
    """Return the values as bytes in which what lies behind a null leaves no trace."""
    import polars as pl

    if series.dtype == pl.String:
        sizes = series.str.len_bytes().cast(pl.Int64).fill_null(-1)
        return [sizes.to_numpy().tobytes(), str(series.drop_nulls().str.join("").item()).encode()]
    if series.dtype == pl.Binary:
        sizes = series.bin.size().cast(pl.Int64).fill_null(-1)
        return [sizes.to_numpy().tobytes(), b"".join(series.drop_nulls().to_list())]
    if series.dtype.is_nested() or not (
        series.dtype.is_numeric() or series.dtype.is_temporal() or series.dtype == pl.Boolean
    ):
        return [series.to_frame().write_ndjson().encode()]
    plain = series.cast(pl.UInt8) if series.dtype == pl.Boolean else series.to_physical()
    return [np.packbits(series.is_null().to_numpy()).tobytes(), plain.fill_null(0).to_numpy().tobytes()]


def _converted(given: Any, place: str) -> pl.DataFrame:
    """Return a pandas or pyarrow table, columns or rows as polars."""
    import polars as pl

    if isinstance(given, Mapping) or (isinstance(given, list) and all(isinstance(row, Mapping) for row in given)):
        try:
            return pl.DataFrame(given, strict=False, infer_schema_length=None)
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            rule, allowed = "these columns make no table", "as many values in each, of one type"
            raise DataError(rule, place=place, got=str(error).partition("\n")[0], allowed=allowed) from error
    if hasattr(given, "columns") and hasattr(given, "reset_index"):
        return _from_pandas(given, place)
    if hasattr(given, "__arrow_c_stream__"):
        made = pl.from_arrow(given)
        if isinstance(made, pl.DataFrame):
            return made
    advice = "hand over a pandas or polars DataFrame, or name a file in the recipe"
    raise DataError("this is no data frame", place=place, got=type(given).__name__, next=advice)


def _from_pandas(given: Any, place: str) -> pl.DataFrame:
    """Return a pandas frame column by column."""
    import polars as pl

    named = [i for i, n in enumerate(given.index.names) if n is not None and n not in given.columns]
    if named:
        given = given.reset_index(level=named)
    columns = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in given.columns]
    twice = sorted(c for c, times in Counter(columns).items() if times > 1)
    if twice:
        advice = "give each column a name of its own"
        raise DataError("column names stand twice", place=place, got=", ".join(twice), next=advice)
    return pl.DataFrame([_series(given.iloc[:, i].reset_index(drop=True), name) for i, name in enumerate(columns)])


def _series(values: Any, name: str) -> pl.Series:
    """Return a pandas column: what Arrow cannot hold (objects of several types, periods) as text; NaN is null."""
    import polars as pl

    if hasattr(values, "sparse"):
        values = values.sparse.to_dense()
    if hasattr(values, "cat") and getattr(values.cat.categories.dtype, "kind", "") in "iuf":
        # Polars makes numbers of a category of numbers, and it would be lost that they are names.
        levels = as_text(pl.from_pandas(values.cat.categories.to_series(index=range(len(values.cat.categories)))))
        codes = pl.Series(values.cat.codes.to_numpy()).cast(pl.Int64)
        index = codes.to_frame().select(pl.when(pl.first() >= 0).then(pl.first())).to_series()
        return levels.gather(index.cast(pl.UInt32)).cast(pl.Categorical).alias(name)
    made: pl.Series | None
    try:
        made = pl.from_pandas(values, nan_to_null=True)
    except (ValueError, TypeError, NotImplementedError, OverflowError):
        made = None
    if made is None or "Extension" in str(made.dtype):
        texts = [None if missing else _text(v) for v, missing in zip(values, values.isna(), strict=True)]
        made = pl.Series(texts, dtype=pl.String)
    return made.alias(name)


def _text(value: Any) -> str:
    """Return a value as text; half a character, which UTF-8 cannot hold, becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode()


def save(made: pl.DataFrame, path: Path) -> None:
    """Write csv or parquet whole, or not at all.

    Raises:
        DataError: the type is another, or the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise DataError("unknown type of output", place=str(path), got=kind, allowed=".csv or .parquet")
    try:
        with whole(path) as temp:
            if kind == ".csv":
                made.write_csv(temp)
            else:
                made.write_parquet(temp)
    except OSError as error:
        raise DataError("the predictions cannot be written", place=str(path), got=str(error)) from error
