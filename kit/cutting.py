"""How test rows seem to be cut off from training rows: by groups that stand on one side only, or by time."""

from __future__ import annotations

import numpy as np

from kit.types import Array

UNSEEN = 0.05
"""Share of test rows with levels that training lacks, from which it is told."""
MANY_GROUPS = 20
"""A number has more values than this where it may name groups."""
REPEATED = 0.3
"""Share of training rows that others must share their level with: by chance about as many test rows would."""
EXACT = 2**53
"""Whole numbers beyond it cannot be told from their neighbours as float64."""


def unseen(here: Array, there: Array) -> float:
    """Return the share of test codes (t,) that stand in no training row (n,); missing (-1) is never new."""
    known = np.zeros(int(max(here.max(initial=-1), there.max(initial=-1))) + 2, np.bool_)
    known[0] = True
    known[np.asarray(here, np.int64) + 1] = True
    return float((~known[np.asarray(there, np.int64) + 1]).mean()) if len(there) else 0.0


def are_groups(here: Array, there: Array, *, coded: bool) -> bool:
    """Return whether a column seems to name groups of rows: train repeats its values, and test has others.

    Shape: here (n,), there (t,): codes, or numbers with NaN where missing.
    """
    if coded:
        known = np.asarray(here[here >= 0], np.int64)
        return unseen(here, there) > 1 - UNSEEN and _repeats(known, REPEATED)
    known = here[~np.isnan(here)]
    if not len(known) or (known != np.rint(known)).any() or np.abs(known).max() > EXACT:
        return False
    known = known.astype(np.int64)
    asked = there[(there >= known.min()) & (there <= known.max())].astype(np.int64)  # greater ones may be later ones
    if len(asked) <= len(there) / 2 or np.isin(asked, known).mean() >= UNSEEN:
        return False
    return _repeats(known, 1 - UNSEEN)


def later(here: Array, there: Array) -> float:
    """Return the share of the known times of test (t,) that lie after every training time (n,); NaN = missing."""
    before, asked = here[~np.isnan(here)], there[~np.isnan(there)]
    return float((asked > before.max()).mean()) if len(asked) and len(before) else 0.0


def _repeats(values: Array, share: float) -> bool:
    """Return whether more than a share of the values (n,) stand in several rows, and there are many of them."""
    counts = np.unique(values, return_counts=True)[1]
    return len(counts) > MANY_GROUPS and bool(counts[counts > 1].sum() > share * len(values))
