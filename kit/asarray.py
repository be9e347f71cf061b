"""Columns as the arrays kit computes with, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from kit.forms import Coded
from kit.types import Array, Column

if TYPE_CHECKING:
    import polars as pl

LOOK = 1000
"""So many first values are looked at before all of them are."""


class Arrays(Mapping[str, Array]):
    """The arrays of columns, made when they are read."""

    def __init__(self, made: Mapping[str, Callable[[], Array]]) -> None:
        self._made = made

    def __getitem__(self, name: str) -> Array:
        return self._made[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def array_of(values: pl.Series | Coded, family: str) -> Array:
    """Return numbers or dates as floats (NaN = missing), the rest as int32 codes (-1 = missing)."""
    import polars as pl

    if isinstance(values, Coded):
        return values.codes
    if family == "true/false":
        return values.cast(pl.Int32).fill_null(-1).to_numpy()
    if not values.null_count() and (values.dtype.is_integer() or values.dtype == pl.Float64):
        return values.to_numpy()
    return values.cast(pl.Float64).fill_null(np.nan).to_numpy()


def numeric(values: pl.Series, family: str, infinite: bool) -> Array:
    """Return numbers in the smallest type that holds them; infinite ones, where there are some, are missing."""
    x = array_of(values, family)
    return narrow(np.where(np.isinf(x), np.nan, x) if infinite else x)


def narrow(values: Array) -> Array:
    """Return float32 where no value changes by it, else float64: half the memory for counts and codes."""
    if values.dtype.kind == "f":
        exact = _is_single(values[:LOOK]) and (len(values) <= LOOK or _is_single(values))
        return values.astype(np.float32) if exact else values
    small = values.astype(np.float32)
    exact = not len(values) or max(abs(int(values.min())), abs(int(values.max()))) <= 2**24
    return small if exact or np.array_equal(small.astype(np.float64), values) else values.astype(np.float64)


def _is_single(values: Array) -> bool:
    """Return whether float32 holds all of these floats."""
    with np.errstate(over="ignore"):
        return bool(np.array_equal(values.astype(np.float32), values, equal_nan=True))


def vector(series: pl.Series) -> tuple[Column, Array] | None:
    """Return lists of d numbers as (n, d) float32, NaN where the list is missing, or None if they are not that."""
    import polars as pl

    lists = series.cast(pl.List(series.dtype.inner)) if isinstance(series.dtype, pl.Array) else series
    flat = lists.drop_nulls().explode()
    lengths = lists.list.len().drop_nulls().unique()
    if not flat.dtype.is_numeric() or len(lengths) != 1 or not lengths[0]:
        return None
    out = np.full((len(lists), lengths[0]), np.nan, np.float32)
    out[lists.is_not_null().to_numpy()] = flat.cast(pl.Float32).fill_null(np.nan).to_numpy().reshape(-1, lengths[0])
    return Column("vector", width=lengths[0]), out
