"""Returns rows on the way from a learning row to one that no longer fits: own columns mixed with another row's."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Made, PerRow, Weight, check_columns, draw_parents, kinds_of, synthesise
from kit.augment._donors import apart, draw_donors
from kit.augment._laws import Labels, Law, draw_scores
from kit.augment._mixing import MIXED, Label, Mixed, Share, draw_shares, mix_labels
from kit.augment._where import Where, chosen
from kit.params import ColumnName, MixedName
from kit.types import Rows

LIBS: tuple[str, ...] = ()
APART = True  # a second parent is of another split group


class Params(base.Params):
    """Mixes columns with those of a row of another split group; y falls from the own one to that of a full mismatch.

    Everything else is the parent's, texts included. A row for which no row may donate is left out.
    """

    columns: Annotated[tuple[MixedName, ...], Field(min_length=1)]
    """Numeric or vector columns mixed with the same donor's, which differs in the first of them."""

    share: Share = (0.2, 0.8)
    """The own share: [low, high], evenly, or {beta: a}."""

    label: Label = "linear"
    """How y follows the share: linear, square (it falls faster), or draw: own y or `to`, drawn with the share."""

    to: Law = 0.0
    """The y of a full mismatch: a number or a law, as `score` of mismatch."""

    within: ColumnName | None = None
    """The donor shares this column's value."""

    across: ColumnName | None = None
    """The donor differs in this column's value."""

    where: Where | None = None
    """Which rows become parents, such as {y: [8, null]}. null = all."""

    per_row: PerRow = 1.0
    """New rows for each parent; with a fraction the parents are drawn without replacement."""

    weight: Weight = 1.0
    """What a new row counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the new rows only.

    Raises:
        RecipeError: a column is unknown or of another kind.
    """
    names = kinds_of("interpolate", tuple(str(name) for name in params.columns), rows, MIXED)
    within, across = (None if name is None else str(name) for name in (params.within, params.across))
    looked = params.where.names() if params.where else ()
    check_columns("interpolate", (*(name for name in (within, across) if name is not None), *looked), rows)
    parent = draw_parents(chosen(params.where, rows), params.per_row, rng)
    donor = draw_donors(apart(rows, names, within, across), parent, rng)
    parent, donor = parent[donor >= 0], donor[donor >= 0]
    share, y = draw_shares(params.share, len(parent), rng), np.asarray(rows.y)
    end = draw_scores(params.to, Labels(y[parent], y[donor], np.zeros(len(parent))), rng)
    made = mix_labels(params.label, y[parent], end, share, rng)
    return synthesise(rows, Made(parent, donor, names, Mixed(rows, names, parent, donor, share), made), params.weight)
