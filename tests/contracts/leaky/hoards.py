"""An augmenter that keeps the rows of earlier folds and returns them in later ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kit import params as base
from kit.types import Rows

LIBS: tuple[str, ...] = ()

HOARD: list[Rows] = []


class Params(base.Params):
    """None."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the rows of the call before this one."""
    HOARD.append(rows)
    old = HOARD[-2] if len(HOARD) > 1 else rows
    return replace(old, row=-1 - np.arange(len(old)), parents=np.column_stack([old.row, old.row]))
