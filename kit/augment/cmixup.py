"""Returns rows mixed of two learning rows whose targets are near each other."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Made, PerRow, Weight, check_columns, draw_parents, kinds_of, synthesise
from kit.augment._mixing import MIXED, Beta, Label, Mixed, Share, draw_shares, mix_labels
from kit.augment._where import Where, chosen
from kit.params import MixedName, Tune
from kit.types import Floats, Ints, Rows

LIBS: tuple[str, ...] = ()

BINS = 256
"""Bins of y from which a partner is drawn: n draws cost n + 256 x 256 steps, not n x n."""


class Params(base.Params):
    """Mixup whose partner is drawn with a probability that falls with the distance of the targets."""

    columns: tuple[MixedName, ...] = ()
    """Numeric or vector columns to mix. Empty: all of them, whole numbers as well; the rest is the parent's."""

    bandwidth: Annotated[float, Field(gt=0, allow_inf_nan=False), Tune(0.05, 1.0, log=True)] = 0.3
    """How far a partner's y may be, in standard deviations of y."""

    share: Share = Beta(beta=2.0)
    """The parent's share: {beta: a}, or [low, high], evenly."""

    label: Label = "linear"
    """How y follows the share: linear, square, or draw: the y of one of the two. Classes need draw."""

    where: Where | None = None
    """Which rows become parents, such as {y: [null, 6]}. null = all."""

    per_row: PerRow = 1.0
    """New rows for each parent; with a fraction the parents are drawn without replacement."""

    weight: Weight = 1.0
    """What a new row counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the new rows only.

    Source: Yao et al., C-Mixup: Improving Generalization in Regression, NeurIPS 2022, with y in bins.

    Raises:
        RecipeError: a column is unknown or of another kind.
    """
    names = kinds_of("cmixup", tuple(str(name) for name in params.columns), rows, MIXED)
    check_columns("cmixup", params.where.names() if params.where else (), rows)
    parent = draw_parents(chosen(params.where, rows), params.per_row, rng)
    y = np.asarray(rows.y)
    donor = _near(y, parent, params.bandwidth * y.std(), rng)
    parent, donor = parent[donor >= 0], donor[donor >= 0]
    share = draw_shares(params.share, len(parent), rng)
    made = mix_labels(params.label, y[parent], y[donor], share, rng)
    return synthesise(rows, Made(parent, donor, names, Mixed(rows, names, parent, donor, share), made), params.weight)


def _near(y: Floats, parent: Ints, h: float, rng: np.random.Generator) -> Ints:
    """Return (p,) a partner for each parent, with P ~ exp(-(gap of y)^2 / 2 h^2); never itself, -1 = there is none."""
    low, width = y.min(), (y.max() - y.min()) / BINS or 1.0
    place = np.minimum((y - low) / width, BINS - 1).astype(np.int64)
    order = np.argsort(place, kind="stable")
    rank = np.empty(len(y), np.int64)
    rank[order] = np.arange(len(y))
    count = np.bincount(place, minlength=BINS)
    first = np.cumsum(count) - count
    donor = np.full(len(parent), -1)
    for b in np.unique(place[parent]):
        mine = np.flatnonzero(place[parent] == b)
        room = count - (np.arange(BINS) == b)  # a row is no partner of its own
        gap = np.where(room > 0, ((np.arange(BINS) - b) * width / (h or 1.0)) ** 2 / 2, np.inf)
        if not np.isfinite(gap.min()):
            continue
        odds = np.cumsum(room * np.exp(gap.min() - gap))
        drawn = np.searchsorted(odds, rng.random(len(mine)) * odds[-1], "right")
        at = first[drawn] + rng.integers(0, room[drawn])
        at += (drawn == b) & (at >= rank[parent[mine]])
        donor[mine] = order[at]
    return donor
