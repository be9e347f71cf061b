"""A weighting that remembers the y of other folds and weighs by their mean."""

from __future__ import annotations

import numpy as np

from kit import params as base
from kit.types import Floats, Rows

LIBS: tuple[str, ...] = ()

MEMORY: dict[int, float] = {}


class Params(base.Params):
    """None."""


def weigh(params: Params, rows: Rows) -> Floats:
    """Return factors that follow the mean of all y ever seen."""
    assert rows.y is not None
    MEMORY.update(zip(rows.row.tolist(), rows.y.tolist(), strict=True))
    return 1 + np.abs(rows.y - np.mean(list(MEMORY.values())))
