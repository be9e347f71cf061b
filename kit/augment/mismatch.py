"""Returns learning rows in which some columns are another row's, so that they no longer belong together."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Made, PerRow, Weight, check_columns, draw_parents, kinds_of, synthesise
from kit.augment._donors import apart, draw_donors, draw_near
from kit.augment._laws import Labels, Law, draw_scores
from kit.augment._where import Where, chosen
from kit.errors import DataError
from kit.params import ColumnName, VectorName
from kit.types import Rows

LIBS: tuple[str, ...] = ()
APART = True  # a second parent is of another split group


class Params(base.Params):
    """Swaps columns between rows; the donor is of another split group and has other values in what is swapped.

    Other values: in the first swapped column, and in every swapped text column. Where a text column is not swapped, no
    pair of texts is made that a learning row already shows (a true pair under a false score). Categories of long
    strings, such as prompts that many rows share, are texts here. A row for which no row may donate is left out.
    """

    swap: Annotated[tuple[ColumnName, ...], Field(min_length=1)]
    """Columns taken from the donor, all from the same one. A row that lacks the first of them never donates."""

    score: Law
    """The y of the new rows: a number, {normal: [mean, std], clip: [low, high]}, {uniform: [low, high]}, {integers:
    [low, high]} or {formula: "0.3 * own"} (of own, other). For classes a number is the class code: 1 = positive in a
    binary task, else the place in the sorted classes."""

    within: ColumnName | None = None
    """The donor shares this column's value."""

    across: ColumnName | None = None
    """The donor differs in this column's value."""

    by: VectorName | None = None
    """Hard mismatches: of `among` donors drawn for a row, the one most similar to it by this vector column donates.
    null = easy ones, any donor."""

    among: Annotated[int, Field(ge=2, le=4096)] = 32
    """How many donors are drawn where `by` is given. More are harder, and nearer to pairs that do belong together."""

    where: Where | None = None
    """Which rows become parents, such as {y: [8, null]} or {key: metric, keys_above: 8} (rows of keys whose learning
    scores are all at least 8). null = all."""

    per_row: PerRow = 1.0
    """New rows for each of these rows; with a fraction the parents are drawn without replacement."""

    weight: Weight = 1.0
    """What a new row counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the new rows only.

    Raises:
        RecipeError: a column is unknown, or `by` holds no vectors.
        DataError: no row at all has another that may donate.
    """
    names = tuple(str(name) for name in params.swap)
    within, across, by = (None if name is None else str(name) for name in (params.within, params.across, params.by))
    extra = tuple(name for name in (within, across) if name is not None)
    check_columns("mismatch", names + extra + (params.where.names() if params.where else ()), rows)
    parent = draw_parents(chosen(params.where, rows), params.per_row, rng)
    rules = apart(rows, names, within, across)
    if by is None:
        donor = draw_donors(rules, parent, rng)
    else:
        kinds_of("mismatch", (by,), rows, ("vector",))
        donor = draw_near(rules, parent, rows.x[by], params.among, rng)
    if len(parent) and (donor < 0).all():
        raise DataError(
            "mismatch: no row may donate to any other",
            got=f"{len(rows)} learning rows, swap {', '.join(names)}",
            next="swap a column with more values, split by another group, or drop within and across",
        )
    parent, donor = parent[donor >= 0], donor[donor >= 0]
    own = np.asarray(rows.y)
    y = draw_scores(params.score, Labels(own[parent], own[donor], np.zeros(len(parent))), rng)
    return synthesise(rows, Made(parent, donor, names, rows.take(donor).x, y), params.weight)
