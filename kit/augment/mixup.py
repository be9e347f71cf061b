"""Returns rows mixed of two learning rows, columns and label alike."""

from __future__ import annotations

import numpy as np

from kit import params as base
from kit.augment._common import Made, PerRow, Weight, check_columns, draw_parents, kinds_of, synthesise
from kit.augment._donors import draw_donors, partners
from kit.augment._laws import Labels, Law, draw_scores
from kit.augment._mixing import MIXED, Label, Mixed, Share, draw_shares, mix_labels
from kit.augment._where import Where, chosen
from kit.params import ColumnName, MixedName
from kit.types import Rows

LIBS: tuple[str, ...] = ()


class Params(base.Params):
    """Numeric and vector columns are mixed, the rest is the parent's. The partner is any other row the rules allow; a
    row without one is left out.

    A low and a high row of one key: {where: {y: [null, 6]}, partner: {y: [8, null]}, within: metric, share: [.5, .9]}.
    """

    columns: tuple[MixedName, ...] = ()
    """Numeric or vector columns to mix. Empty: all of them, whole numbers as well: codes are to be categories."""

    share: Share = (0.5, 0.95)
    """The parent's share: [low, high], evenly, or {beta: a}."""

    label: Label = "linear"
    """How y follows the share: linear, square (it falls to the partner's y faster), or draw: the y of one of the two,
    drawn with the share. Classes need draw."""

    score: Law | None = None
    """Another y than that, such as {formula: "min(own, other)"} (of own, other, share). null = as `label` says."""

    within: ColumnName | None = None
    """The partner shares this column's value."""

    across: ColumnName | None = None
    """The partner differs in this column's value."""

    where: Where | None = None
    """Which rows become parents, such as {y: [null, 6]}. null = all."""

    partner: Where | None = None
    """Which rows become partners. null = all."""

    per_row: PerRow = 1.0
    """New rows for each parent; with a fraction the parents are drawn without replacement."""

    weight: Weight = 1.0
    """What a new row counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the new rows only.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018.

    Raises:
        RecipeError: a column is unknown or of another kind.
    """
    names = kinds_of("mixup", tuple(str(name) for name in params.columns), rows, MIXED)
    within, across = (None if name is None else str(name) for name in (params.within, params.across))
    looked = [name for where in (params.where, params.partner) if where for name in where.names()]
    check_columns("mixup", (*(name for name in (within, across) if name is not None), *looked), rows)
    parent = draw_parents(chosen(params.where, rows), params.per_row, rng)
    donor = draw_donors(partners(rows, chosen(params.partner, rows), within, across), parent, rng)
    parent, donor = parent[donor >= 0], donor[donor >= 0]
    share, y = draw_shares(params.share, len(parent), rng), np.asarray(rows.y)
    labels = Labels(y[parent], y[donor], share)
    if params.score is None:
        made = mix_labels(params.label, labels.own, labels.other, share, rng)
    else:
        made = draw_scores(params.score, labels, rng)
    return synthesise(rows, Made(parent, donor, names, Mixed(rows, names, parent, donor, share), made), params.weight)
