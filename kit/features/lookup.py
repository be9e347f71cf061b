"""Returns a vector for each level of a column, looked up in a file."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import arrays
from kit import params as base
from kit.contracts import Scope
from kit.errors import DataError, few
from kit.features._columns import CODED, check_columns, distinct
from kit.params import ColumnName, DataFile
from kit.types import Array, Block, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "row"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = CODED

log = logging.getLogger("kit")

MOST_NAMED = 200
"""Values named in an error."""


class Params(base.Params):
    """Vectors from a file, one for each value of `key`; a missing value gives a missing vector."""

    key: ColumnName
    """The category or text column whose values are looked up."""

    names: DataFile
    """What each row of `vectors` belongs to: a .json list of strings, or a text file with one name a line."""

    vectors: DataFile
    """A .npy array (names, width) of floats. Names the data does not have may be among them."""


@dataclass(frozen=True)
class Lookup:
    """The names of the file and its vectors (n_names + 1, d) float32; the last row is NaN, for a missing value."""

    key: str
    known: tuple[str, ...]
    table: Floats32
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the vectors, (n, d) float32. What has no vector is missing, and named in the log."""
        texts, place = distinct(rows, self.key)
        where = {name: i for i, name in enumerate(self.known)}
        spots = np.array([*(where.get(text, len(self.known)) for text in texts), len(self.known)], np.int64)
        if lacking := [text for text in texts if text not in where]:
            log.warning("lookup: %d values of %s have no vector: %s", len(lacking), self.key, few(lacking, MOST_NAMED))
        names = tuple(f"{self.key}[{j}]" for j in range(self.table.shape[1]))
        return Block(names, self.table[spots[place]])


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Lookup:
    """Return the feature; only the header and the two files are read.

    Raises:
        RecipeError: `key` holds no strings.
        DataError: the files do not belong together, or a level has no vector.
    """
    check_columns("lookup", [params.key], rows.header, ACCEPTS)
    names, vectors = _read_names(Path(params.names)), _read_vectors(Path(params.vectors))
    if len(names) != len(vectors):
        got = f"{len(names)} names and {len(vectors)} vectors"
        raise DataError("lookup: names and vectors differ in number", place=str(params.names), got=got)
    where = {name: i for i, name in enumerate(names)}
    if len(where) < len(names):
        twice = sorted({name for i, name in enumerate(names) if where[name] != i})
        raise DataError("lookup: a name stands twice", place=str(params.names), got=", ".join(twice))
    _check_known(str(params.key), list(rows.header[params.key].levels), where, str(params.names))
    table = np.full((len(names) + 1, vectors.shape[1]), np.nan, np.float32)
    table[:-1] = vectors
    return Lookup(str(params.key), tuple(names), table)


def _check_known(key: str, values: list[str], where: Mapping[str, int], place: str) -> None:
    """Return nothing: every value has a vector.

    Raises:
        DataError: some have none; it names them.
    """
    missing = [value for value in values if value not in where]
    if missing:
        raise DataError(
            f"lookup: {len(missing)} of {len(values)} values of {key} have no vector: {few(missing, MOST_NAMED)}",
            place=place,
            next="add their names and vectors, or set those values to missing",
        )


def _read_names(path: Path) -> list[str]:
    """Return the names, as many as the vectors should be."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        rule, advice = "lookup: the file of names is not UTF-8", "save it as UTF-8"
        raise DataError(rule, place=str(path), got=error.reason, next=advice) from error
    if path.suffix != ".json":
        return text.removesuffix("\n").split("\n")
    try:
        names = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError("lookup: the file of names is not JSON", place=str(path), got=str(error)) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError("lookup: the file of names must hold a JSON list of strings", place=str(path))
    return names


def _read_vectors(path: Path) -> Array:
    """Return (names, d) numbers, mapped into memory."""
    vectors = arrays.read(path, mapped=True)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        got = f"{vectors.dtype} {vectors.shape}"
        raise DataError("lookup: vectors must be a (names, width) array of numbers", place=str(path), got=got)
    return vectors
