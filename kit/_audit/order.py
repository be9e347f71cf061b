"""Checks of the order of rows: predictions that fit other rows than those they stand beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kit._audit.common import Finding, Table, outputs
from kit.paired import Truth
from kit.types import Array, Floats

LAGS = (-3, -2, -1, 1, 2, 3)

AGREES, LOST = 0.4, 0.4
"""Correlation with the pool from which order can be told, and the part of it that is left where order is lost."""

BETTER, FITS = 0.2, 0.3
"""By how much the correlation rises where rows are moved back to their place, and where it has to get."""

MOST = 0.8
"""Share of the stretches that stands for all of them."""

PARTS, PART_CELLS, LEAST_ROWS = 10, 5_000, 50
"""Stretches of the file that are looked at one by one, the rows times outputs of each, and the fewest rows."""


def look(truth: Truth, table: Table, inside: Sequence[int]) -> list[Finding]:
    """Return sources whose OOF or test rows are not in the order of their ids.

    A source that agrees with the pool on test agrees with it on OOF rows too, and the other way round. Without a pool
    the target itself stands for it on OOF rows.
    """
    oof = {i: _stretches(table.suspects[i].pred) for i in inside}
    test = {i: _stretches(t) for i in inside if (t := table.suspects[i].test) is not None and table.has_test[i]}
    m = table.suspects[0].pred.shape[1]
    y = np.stack([outputs(truth, w) for w in windows(len(truth.y), m)])
    totals = [np.sum(list(parts.values()), axis=0) for parts in (oof, test)]
    found: list[Finding] = []
    for i in inside:
        pool = totals[0] - oof[i] if len(oof) > 1 else y
        pool_test = totals[1] - test[i] if len(test) > 1 and i in test else None
        found += _source(table.names[i], oof[i], pool, test.get(i), pool_test)
    return found


def windows(n: int, m: int) -> list[slice]:
    """Return up to PARTS stretches of rows of one length, spread evenly."""
    parts = max(1, min(PARTS, n // LEAST_ROWS))
    size = max(1, min(n // parts, PART_CELLS // m))
    return [slice(start, start + size) for start in (np.arange(parts) * n // parts).tolist()]


def _source(name: str, oof: Floats, pool: Floats, test: Floats | None, pool_test: Floats | None) -> Iterator[Finding]:
    """Look at the stretches (p, rows, m) of a source beside those of the pool."""
    ours, theirs = oof.reshape(-1, oof.shape[2]), pool.reshape(-1, pool.shape[2])
    here = alike(ours, theirs)
    if test is None or pool_test is None:
        yield from _moved(name, "OOF", oof, pool, lost=False)
        return
    ours_test, theirs_test = test.reshape(-1, test.shape[2]), pool_test.reshape(-1, pool_test.shape[2])
    there = alike(ours_test, theirs_test)
    yield from _moved(name, "OOF", oof, pool, lost=_is_lost(here, there, ours, theirs))
    if here > AGREES and there < -AGREES:
        reason = f"its test predictions go against the pool's (correlation {there:.2f}), its OOF goes with it"
        advice = "turn test round: 1 - p of a probability, or another sign"
        yield Finding(name, "inverted_test", "error", reason, advice)
        return
    yield from _moved(name, "test", test, pool_test, lost=_is_lost(there, here, ours_test, theirs_test))


def _is_lost(now: float, other: float, own: Floats, pool: Floats) -> bool:
    """Return whether rows that agree with the pool by `now` have lost their order, others agreeing by `other`.

    Ranks must have lost it too: a linear model says something absurd of a few rows, which are all that values tell of.
    """
    return other > AGREES and now < LOST * other and alike(_ranks(own), _ranks(pool)) < LOST * other


def _ranks(values: Floats) -> Floats:
    return values.argsort(axis=0, kind="stable").argsort(axis=0).astype(np.float64)


def _moved(name: str, part: str, own: Floats, pool: Floats, *, lost: bool) -> Iterator[Finding]:
    """Say that rows are shifted, or that their order is lost altogether."""
    suffix = "" if part == "OOF" else "_test"
    rows = own.shape[1]
    now = _by_part(own, pool)
    shifted = {step: _by_part(*_against(own, pool, step)) for step in LAGS if rows > 2 * abs(step)}
    lag = max(shifted, key=lambda step: float((shifted[step] - now).max()), default=0)
    best = shifted.get(lag, now)
    fixed = (best - now > max(BETTER, 6 / np.sqrt(rows))) & (best > FITS)
    if fixed.any():
        start = f"from about {int(np.argmax(fixed)) / len(own):.0%} of the file on"
        where = "all of it" if fixed.mean() > MOST else start if not fixed[0] else "parts of it"
        reason = f"its {part} rows fit the others far better when moved by {lag}: {where}"
        advice = "a row was dropped or doubled when the file was written; match by id"
        yield Finding(name, f"shifted{suffix}", "error", reason, advice)
    elif lost:
        other = "test" if part == "OOF" else "OOF"
        reason = f"its {part} rows have next to nothing in common with the pool's, its {other} rows have"
        advice = f"the {part} rows stand in another order than their ids, or are of another model"
        yield Finding(name, f"shuffled{suffix}", "error", reason, advice)


def _against(own: Floats, pool: Floats, step: int) -> tuple[Floats, Floats]:
    """Return the rows of both that meet when the source's are moved by `step`."""
    rows = own.shape[1]
    return own[:, max(step, 0) : rows + min(step, 0)], pool[:, max(-step, 0) : rows - max(step, 0)]


def _by_part(own: Floats, pool: Floats) -> Floats:
    return np.array([alike(a, b) for a, b in zip(own, pool, strict=True)])


def _stretches(values: Array) -> Floats:
    """Return (p, rows, m), the stretches of a source's rows with spread 1; rows never held count as the mean."""
    parts = np.stack([values[w].astype(np.float64) for w in windows(len(values), values.shape[1])])
    centred = parts - np.nanmean(parts)
    return np.asarray(np.nan_to_num(centred / max(float(np.nanstd(parts)), 1e-300), nan=0.0))


def alike(a: Floats, b: Floats) -> float:
    """Return the correlation over rows and outputs, each output centred."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0
