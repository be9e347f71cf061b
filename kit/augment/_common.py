"""What the augmenters share: the choice of parents, synthetic rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.errors import RecipeError, nearest
from kit.overlay import Overlay
from kit.types import NO_PARENT, Array, Floats, Ints, Rows, require

PerRow = Annotated[float, Field(gt=0, le=100)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def draw_parents(pool: Ints, per_row: float, rng: np.random.Generator) -> Ints:
    """Return the positions of the parents, each of `pool` `per_row` times: a fraction is drawn without replacement.

    >>> draw_parents(np.array([4, 5]), 2.0, np.random.default_rng(0)).tolist()
    [4, 5, 4, 5]
    """
    times, share = divmod(per_row, 1.0)
    some = np.sort(rng.choice(len(pool), size=round(share * len(pool)), replace=False))
    return np.concatenate([np.tile(pool, int(times)), pool[some]])


@dataclass(frozen=True)
class Made:
    """What an augmenter decided: parent and donor positions (p,), donor None = no second parent, columns, y (p,).

    `above` holds the columns `names` of the new rows; all others are the first parent's.
    """

    parent: Ints
    donor: Ints | None
    names: tuple[str, ...]
    above: Mapping[str, Array]
    y: Floats


def synthesise(rows: Rows, made: Made, weight: float) -> Rows:
    """Return the synthetic rows: numbered -1, -2, ..., not scored, in the first parent's group and time."""
    base = rows.take(made.parent)
    n = len(base)
    second = np.full(n, NO_PARENT) if made.donor is None else rows.row[made.donor]
    return Rows(
        row=-1 - np.arange(n),
        x=Overlay(base.x, made.above, made.names),
        header=rows.header,
        y=made.y,
        w=weight * base.w,
        v=np.zeros(n),
        group=base.group,
        time=base.time,
        parents=np.column_stack([base.row, second]),
    )


def check_columns(augmenter: str, names: tuple[str, ...], rows: Rows) -> None:
    """Return nothing: the learning rows have y and all columns `names`.

    Raises:
        RecipeError: there is no such column.
    """
    require(rows.y is not None, f"{augmenter} is given learning rows, which have y")
    for name in names:
        if name not in rows.header:
            found = sorted(rows.header)
            raise RecipeError(f"{augmenter}: unknown column", got=name, allowed=found, next=nearest(name, found))


def kinds_of(augmenter: str, names: tuple[str, ...], rows: Rows, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns `names`, or all of these kinds where none is named.

    Raises:
        RecipeError: there is no such column, or it has another kind.
    """
    check_columns(augmenter, names, rows)
    fit = tuple(name for name, column in rows.header.items() if column.kind in kinds)
    for name in names:
        if name not in fit:
            rule = f"{augmenter} takes {' and '.join(kinds)} columns"
            raise RecipeError(rule, got=f"{name}, a {rows.header[name].kind} column", allowed=fit or "there is none")
    if not fit:
        raise RecipeError(f"{augmenter} finds no {' or '.join(kinds)} column", next="leave it out for these data")
    return names or fit
