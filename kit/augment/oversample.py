"""Returns copies of learning rows whose targets are rare."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Made, Weight, check_columns, synthesise
from kit.augment._where import Where, chosen
from kit.bins import label_bins
from kit.params import Tune
from kit.types import Ints, Rows

LIBS: tuple[str, ...] = ()


class Params(base.Params):
    """Rows of the rarer bins of y (or classes) are copied until their bin holds a share of the fullest one's."""

    bins: Annotated[int, Field(ge=0, le=10_000), Tune(5, 50)] = 20
    """Bins of equal width over the range of y. Up to so many distinct values (classes, grades) are a bin each; 0 = each
    distinct value always is."""

    ratio: Annotated[float, Field(gt=0, le=1), Tune(0.1, 1.0)] = 1.0
    """What a bin shall hold, copies included, as a share of the fullest bin."""

    most: Annotated[int, Field(ge=1, le=1000)] = 10
    """Copies of one row at most."""

    where: Where | None = None
    """Which rows are copied; all count in the bins. null = all."""

    weight: Weight = 1.0
    """What a copy counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the copies only: none where no bin is rare.

    Raises:
        RecipeError: a column is unknown.
    """
    check_columns("oversample", params.where.names() if params.where else (), rows)
    y = np.asarray(rows.y)
    place = label_bins(y, params.bins)
    count = np.bincount(place)
    allowed = chosen(params.where, rows)
    parts: list[Ints] = []
    for b in np.flatnonzero(count):
        mine = allowed[place[allowed] == b]
        wanted = min(round(params.ratio * int(count.max())) - int(count[b]), params.most * len(mine))
        if wanted > 0:
            times, rest = divmod(wanted, len(mine))
            parts += [np.tile(mine, times), np.sort(rng.choice(mine, rest, replace=False))]
    parent = np.concatenate([np.empty(0, np.int64), *parts])
    return synthesise(rows, Made(parent, None, (), {}, y[parent]), params.weight)
