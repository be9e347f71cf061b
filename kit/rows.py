"""Rows of a recipe, read from the store: memory-mapped columns, opened when they are used and closed after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from kit import table
from kit.gather import Gather
from kit.oof import average
from kit.store import Store, Stored
from kit.types import Array, Column, Rows


class _Levels(Sequence[str]):
    """Levels of a column, read when the first one is asked for; their number is known before."""

    def __init__(self, stored: Stored, name: str, size: int) -> None:
        self._stored, self._name, self._size = stored, name, size
        self._read: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if self._read is None:
            self._read = table.levels_from_arrow(self._stored.blob(f"levels/{self._name}"))
        return self._read[index]


class _Columns(Mapping[str, Array]):
    """Columns of train and test, (n + t,) or (n + t, d) each: the named ones and the computed ones, no others."""

    def __init__(self, table: Stored, names: Sequence[str], computed: Mapping[str, Stored]) -> None:
        self._table, self._names, self._computed = table, names, computed

    def __getitem__(self, name: str) -> Array:
        if name in self._computed:
            return _computed(self._computed[name])
        if name not in self._names:
            raise KeyError(name)
        return self._table.array(f"x/{name}", mmap=True)

    def __iter__(self) -> Iterator[str]:
        return iter([*self._names, *self._computed])

    def __len__(self) -> int:
        return len(self._names) + len(self._computed)


def _computed(stored: Stored) -> Array:
    """Return a computed column, (n + t,) or (n + t, d): as it was stored, or the predictions of a model or blend.

    Those are what it says of train rows out of fold, averaged over repeats, and of test rows, averaged over the fold
    models; its std, if it gives one, is the last element.
    """
    if "x" in stored:
        return stored.array("x", mmap=True)
    std, test_std = (stored.array(s) if s in stored else None for s in ("std", "test_std"))
    parts = average(stored.array("pred"), std), average(stored.array("test"), test_std)
    return np.concatenate([p.mean if p.std is None else np.column_stack([p.mean, p.std]) for p in parts])


def _column(stored: Stored) -> Column:
    """Return what a computed column is, or the predictions of a model or blend: vectors."""
    if "x" in stored:
        size = int(stored.meta["levels"])
        return Column(stored.meta["kind"], _Levels(stored, "x", size) if size else (), int(stored.meta["width"]))
    return Column("vector", width=int(stored.array("pred", mmap=True).shape[2]) + ("std" in stored))


def load(
    store: Store,
    table_key: str,
    rows_key: str,
    computed: Mapping[str, str],
    names: Sequence[str],
    query: str | None = None,
) -> tuple[Rows, Rows]:
    """Return (train, test) rows with the data columns `names`; test without y. `computed`: alias -> key of its object.

    `query`: the content of the metric's groups that are to be ranked, None where nothing is.

    Learn-only rows stand below the training rows, with v = 0, but not where predictions of models are columns: there
    are none for them. Their row numbers come after those of test.
    Other columns cannot be reached: what is not in the key of a fit must not shape it.
    """
    stored, facts = store.open(table_key), store.open(rows_key)
    columns = {alias: store.open(key) for alias, key in computed.items()}
    n, t = int(stored.meta["n_train"]), int(stored.meta["n_test"])
    x = _Columns(stored, names, columns)
    levelled = any("x" not in c for c in columns.values())  # no model was asked about learn-only rows
    extra = facts.array("extra_row") if "extra_row" in facts and not levelled else np.empty(0, np.int64)
    header = _header(stored, names, columns)
    row, test_row = np.concatenate([np.arange(n), extra]), np.arange(n, n + t)

    def of_both(name: str) -> Any:
        return np.concatenate([facts.array(name), facts.array(f"extra_{name}")]) if len(extra) else facts.array(name)

    optional: dict[str, Any] = {k: of_both(k) if k in facts else None for k in ("group", "time")}
    if query is not None:
        optional["query"] = of_both(next(name for name, content in facts.meta["by"].items() if content == query))
    w = of_both("w")
    if len(extra):
        v = np.concatenate([facts.array("v"), np.zeros(len(extra))])
    else:
        v = w if facts.files["v"] == facts.files["w"] else facts.array("v")
    train = Rows(row, Gather(x, row), header, of_both("y"), w, v, **optional)
    return train, Rows(test_row, Gather(x, test_row), header)


class _Joined(Mapping[str, Array]):
    """Columns of two sets of rows, one below the other, joined when they are read."""

    def __init__(self, first: Mapping[str, Array], second: Mapping[str, Array]) -> None:
        self._first, self._second = first, second

    def __getitem__(self, name: str) -> Array:
        return np.concatenate([self._first[name], self._second[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)


def both(train: Rows, test: Rows) -> Rows:
    """Return train and test rows together without y, group and time: what a table-scope feature may learn from."""
    if not len(test):
        return Rows(train.row, train.x, train.header)
    return Rows(np.concatenate([train.row, test.row]), _Joined(train.x, test.x), train.header)


def by_number(x: Array, rows: Rows) -> Array:
    """Return (largest row number + 1, d) values in the order of row numbers: those of learn-only rows come last."""
    if np.array_equal(rows.row, np.arange(len(x))):
        return np.ascontiguousarray(x)
    missing = np.nan if x.dtype.kind == "f" else -1
    out = np.full((int(rows.row.max()) + 1, *x.shape[1:]), missing, x.dtype)
    out[rows.row] = x
    return out


def _header(stored: Stored, names: Sequence[str], columns: Mapping[str, Stored]) -> dict[str, Column]:
    kinds = {name: stored.meta["header"][name] for name in names}
    header = {
        name: Column(c["kind"], _Levels(stored, name, c["levels"]) if c["levels"] else (), c["width"])
        for name, c in kinds.items()
    }
    return header | {alias: _column(c) for alias, c in columns.items()}
