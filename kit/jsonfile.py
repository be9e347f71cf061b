"""Reads json and jsonl files, and finds the line at fault where that fails."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def read_json(path: Path, data: bytes, kind: str) -> pl.DataFrame:
    """Return the records of a json list, or one per line, from the UTF-8 bytes of a file of that kind.

    Raises:
        DataError: the text is no such thing, with its line.
    """
    import polars as pl

    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise DataError("the file is empty", place=str(path))
    is_list = data.lstrip()[:1] == b"["
    try:
        frame = (pl.read_json if is_list else pl.read_ndjson)(io.BytesIO(data), infer_schema_length=None)
    except pl.exceptions.PolarsError:
        # Python's reader takes the NaN that Python's writer makes, and knows the line of an error.
        frame = _slow_json(path, data, is_list)
    if not is_list and kind == "json" and len(frame) == 1:
        raise DataError("json data are a list of records", place=str(path), next='write [{"id": 1, ...}, ...]')
    return frame


def _slow_json(path: Path, data: bytes, is_list: bool) -> pl.DataFrame:
    import polars as pl

    records: list[Any] = []
    line = 0
    try:
        text = data.decode()
        for line, part in [(0, text)] if is_list else enumerate(text.split("\n")):  # noqa: B007 - read in `except`
            if part.strip():
                records += json.loads(part) if is_list else [json.loads(part)]
    except UnicodeDecodeError as error:
        raise DataError("the file is not UTF-8 text", place=str(path), next="save it as UTF-8") from error
    except RecursionError as error:
        raise DataError(
            "values are nested too deeply", place=f"{path}:{line + 1}", next="flatten the records"
        ) from error
    except json.JSONDecodeError as error:
        place = f"{path}:{line + error.lineno}"
        raise DataError("the file is not json", place=place, got=f"{error.msg}, column {error.colno}") from error
    if not all(isinstance(r, dict) for r in records):
        raise DataError("json data are a list of records", place=str(path), next='write [{"id": 1, ...}, ...]')
    return pl.DataFrame(records, infer_schema_length=None, strict=False)
