"""Checks of sources against each other: copies, and blends of the others that pass for sources."""

from __future__ import annotations

import numpy as np

from kit._audit.common import Finding, Table, centred
from kit.types import Bools, Floats, Ints

SAME, COMBINED = 1e-7, 1e-8
"""1 - correlation below which two sources are one; share of its variance that others leave over in a blend of them."""

FEW = 1e-3
"""1 - correlation from which test predictions of a copy are others."""


def look(table: Table) -> tuple[list[Finding], Bools]:
    """Return the findings, and which sources (S,) stand for themselves: no copy and no combination of earlier ones."""
    n = len(table.names)
    oof, test = _apart(centred(table.z, table.m)), _apart(centred(table.test, table.m))
    both = table.has_test[:, None] & table.has_test
    found, single = [], np.ones(n, np.bool_)
    for j in range(n):
        for i in range(j):
            if oof[i, j] < SAME:
                single[j] = False
                found.append(_copy(table, i, j, differs=bool(both[i, j] and test[i, j] > FEW)))
                break
            if both[i, j] and test[i, j] < SAME and oof[i, j] > FEW:
                reason = f"its test predictions are those of {table.names[i]}, its OOF is not"
                advice = "one of the two test files was saved under a wrong name"
                found.append(Finding(table.names[j], "test_copied", "error", reason, advice))
                break
    combined, made = _combinations(table, np.flatnonzero(single))
    single[combined] = False
    return found + made, single


def _copy(table: Table, i: int, j: int, *, differs: bool) -> Finding:
    if differs:
        reason = f"its OOF is that of {table.names[i]}, its test predictions are not"
        advice = "one of the two OOF files was saved under a wrong name"
        return Finding(table.names[j], "oof_copied", "error", reason, advice)
    reason = f"it is {table.names[i]}, up to a straight line"
    return Finding(table.names[j], "duplicate", "warning", reason, "leave one out: a copy counts a model twice")


def _combinations(table: Table, single: Ints) -> tuple[list[int], list[Finding]]:
    """Return which sources are combinations of others, and what to say: weighted means first, else the last of them."""
    found: list[Finding] = []
    gone: list[int] = []
    left = list(single)
    while len(left) > 2 and len(left) * 5 < table.z.shape[1]:
        z = centred(table.z[left], table.m)
        gram = z @ z.T / z.shape[1]
        scale = np.sqrt(np.diag(gram))
        gram /= np.outer(scale, scale)
        over = _left_over(gram)
        inside = np.flatnonzero(over < COMBINED)
        if not len(inside):
            break
        weights = {int(j): _weights(gram, int(j), scale) for j in inside}
        means = [j for j, w in weights.items() if (w > -1e-4).all()]
        j = max(means or list(weights))
        names = {table.names[left[k]]: w for k, w in enumerate(weights[j]) if abs(w) > 1e-3}
        shown = ", ".join(f"{name} {w:.3f}" for name, w in sorted(names.items(), key=lambda item: -abs(item[1]))[:6])
        what = "a weighted mean" if means else "a linear combination"
        reason = f"it is {what} of {shown}"
        advice = "leave it out, or those it is made of: their parts count twice"
        found.append(Finding(table.names[left[j]], "combination", "warning", reason, advice))
        gone.append(int(left.pop(j)))
    return gone, found


def _left_over(gram: Floats) -> Floats:
    """Return (S,) the share of each source's variance that the others do not make up; float32 rounding is 1e-14."""
    values, vectors = np.linalg.eigh(gram)
    return np.asarray(1 / ((vectors**2) / np.maximum(values, 1e-15)).sum(axis=1))


def _weights(gram: Floats, j: int, scale: Floats) -> Floats:
    """Return (S,) the weights of the others that make source j, 0 for itself."""
    others = np.arange(len(gram)) != j
    w = np.zeros(len(gram))
    w[others] = np.linalg.lstsq(gram[np.ix_(others, others)], gram[others, j], rcond=1e-10)[0]
    return np.asarray(w * scale[j] / scale)


def _apart(z: Floats) -> Floats:
    """Return (S, S), 1 - correlation of each pair of centred rows, exact where small; NaN where there are none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = z / np.sqrt((z**2).sum(axis=1, keepdims=True))
        near = 1 - unit @ unit.T
        for i, j in np.argwhere(near < 1e-5):
            near[i, j] = ((unit[i] - unit[j]) ** 2).sum() / 2
    return np.asarray(near)
