"""A mismatch that takes its donors from the row's own split group, where they may well belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kit import params as base
from kit.types import Rows

LIBS: tuple[str, ...] = ()
APART = True


class Params(base.Params):
    """None."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return rows whose `p` is that of the next row of the group."""
    assert rows.group is not None
    order = np.argsort(rows.group, kind="stable")
    donor = np.empty(len(rows), np.int64)
    donor[order] = np.roll(order, -1)
    donor = np.where(rows.group[donor] == rows.group, donor, -1)
    first = np.flatnonzero(donor >= 0)
    made = rows.take(first)
    x = {name: rows.x["p"][donor[first]] if name == "p" else made.x[name] for name in rows.header}
    parents = np.column_stack([made.row, rows.row[donor[first]]])
    return replace(made, row=-1 - np.arange(len(first)), x=x, parents=parents)
