"""An augmenter that names as parents rows it was never handed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kit import params as base
from kit.types import Rows

LIBS: tuple[str, ...] = ()


class Params(base.Params):
    """None."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return copies whose parents are strangers."""
    strangers = np.setdiff1d(np.arange(rows.row.max()), rows.row)
    parents = np.column_stack([np.resize(strangers, len(rows)), rows.row])
    return replace(rows, row=-1 - np.arange(len(rows)), parents=parents)
