"""OOFs of the same rows side by side, matched by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kit import counts, table
from kit.archive import Kept, positions
from kit.errors import DataError
from kit.paired import Truth
from kit.rowgroups import attach, codes_of, weights_of
from kit.store import Store
from kit.types import Floats, Floats32, Ints, Pred

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Pool:
    """Predictions (n, m) per source of the n rows that every source was scored on, in the order of `ids`.

    `stds`: (n,) per source, None of one that has none. `truth` weighs rows as the first source's scores do;
    `otherwise`: the names of those whose own scores weigh them otherwise.
    """

    kept: tuple[Kept, ...]
    truth: Truth
    ids: pl.Series
    preds: tuple[Floats32, ...]
    stds: tuple[Floats32 | None, ...]
    otherwise: tuple[str, ...] = ()

    @property
    def said(self) -> list[Pred]:
        """The predictions with their std."""
        return [Pred(mean, std) for mean, std in zip(self.preds, self.stds, strict=True)]


def gather(kept: Sequence[Kept], metric: str, store: Store | None = None) -> Pool:
    """Return the sources on their common ground. Scoring weights and groups come from the store, where it has them.

    Raises:
        DataError: the sources have other ids, another target or other classes than the first.
    """
    first = kept[0]
    y = first.codes()
    orders = [np.arange(len(y)), *(order_of(first, other) for other in kept[1:])]
    pooled = [k.pooled()[order] for k, order in zip(kept, orders, strict=True)]
    rows = np.flatnonzero(np.all([np.isfinite(p).all(axis=1) for p in pooled], axis=0))
    if not len(rows):
        raise DataError("no row has a prediction of every source", got=", ".join(k.name for k in kept))
    v, group = _weights(first, store)
    owns = [_weights(k, store)[0][order] for k, order in zip(kept, orders, strict=True)]
    otherwise = tuple(k.name for k, own in zip(kept, owns, strict=True) if not np.allclose(own, v, rtol=1e-6))
    truth = Truth(first.task, metric, y, v, group).at(rows)
    found = [k.pooled_std() for k in kept]
    stds = tuple(None if std is None else std[order][rows] for std, order in zip(found, orders, strict=True))
    return Pool(tuple(kept), truth, first.ids[rows], tuple(p[rows] for p in pooled), stds, otherwise)


def truth_of(kept: Kept, store: Store | None = None) -> Truth:
    """Return what a result is scored against, in its own rows."""
    return Truth(kept.task, str(kept.card.get("metric")), kept.codes(), *_weights(kept, store))


def order_of(first: Kept, other: Kept) -> Ints:
    """Return (n,) the row of `other` for each row of `first`.

    Raises:
        DataError: they are of other rows, or of another target.
    """
    order = positions(first.ids, other.ids)
    advice = "compare results of one recipe, or of recipes with the same train rows"
    if len(other.ids) != len(first.ids) or (order < 0).any():
        got = f"{int((order < 0).sum())} of {len(order)} ids of {first.name} are not in {other.name}"
        raise DataError("the results are of other rows", got=got, next=advice)
    if first.task != other.task or not np.array_equal(first.codes(), other.codes()[order]):
        raise DataError("the results are of another target", got=f"{first.name} and {other.name}", next=advice)
    return order


def _weights(kept: Kept, store: Store | None) -> tuple[Floats, Ints | None]:
    """Return v (n,) and group (n,) of the rows as the folder tells them, or as the store does where it says nothing."""
    v, group = counts.rows(kept)
    key = str(kept.card.get("rows"))
    if store is None or group is not None or (v != 1).any() or not store.has(key):
        return v, group
    stored = store.open(key)
    order = positions(kept.ids, table.series_from_arrow(stored.blob("ids/train")))
    if (order < 0).any():
        return v, group
    return attach(weights_of(stored)[order], codes_of(v)), stored.array("group")[order] if "group" in stored else None
