"""What the checks share: what is looked at, what is said, and the predictions of all sources on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kit.canon import stream
from kit.oof import partition
from kit.paired import Truth
from kit.types import Floats, Floats32, Ints

Severity = Literal["error", "warning", "note", "unknown"]
"""error: not usable. warning: look at it before it is blended. note: good to know. unknown: the file does not tell."""

MOST_CELLS = 20_000
"""Rows times outputs that are compared."""


SUM, ROUNDED = 1e-3, 6e-4
"""By how much probabilities may miss a sum of one, and each of several classes its share of that sum: so much is lost
by rounding to three digits."""


@dataclass(frozen=True)
class Finding:
    """One thing to say about a source: what was checked, how bad it is, why, and what to do."""

    source: str
    check: str
    severity: Severity
    reason: str
    next: str


@dataclass(frozen=True)
class Suspect:
    """A source as it is looked at.

    `made_here`: kit itself made it, so that its folds are those it says and its models saw no held row.

    Shape: pred (n, m) float32, NaN where never held; fold (n,) int16, -1 = never held, None = not known; test (t, m)
    float32 or None, rows in the same order for all sources that have them.
    """

    name: str
    pred: Floats32
    fold: NDArray[np.int16] | None
    test: Floats32 | None
    made_here: bool = False


@dataclass(frozen=True)
class Table:
    """Sources side by side, each brought to the scale of y by a straight line.

    Shape: z (S, N) float64 and y (N,) of the compared rows, the m outputs of a row together; test (S, T) alike, NaN
    where has_test (S,) is not; rows (r,) which rows they are, N = r * m.
    """

    names: tuple[str, ...]
    z: Floats
    y: Floats
    test: Floats
    has_test: NDArray[np.bool_]
    rows: Ints
    m: int
    suspects: tuple[Suspect, ...] = field(default=(), repr=False)


def outputs(truth: Truth, rows: Ints | slice = slice(None)) -> Floats:
    """Return (n, m) float64, what a perfect source predicts for the rows."""
    y = truth.y[rows]
    if truth.task.kind == "multiclass":
        return np.asarray(y[:, None] == np.arange(truth.task.n_out), np.float64)
    return np.asarray(y[:, None], np.float64)


def tabulate(truth: Truth, sources: Sequence[Suspect]) -> Table | None:
    """Return the sources side by side, or None where no row has a prediction of every one."""
    if not sources:
        return None
    both = np.ones(len(sources[0].pred), np.bool_)
    for s in sources:
        both &= np.isfinite(s.pred).all(axis=1)
    seen = np.flatnonzero(both)
    most = max(1, MOST_CELLS // sources[0].pred.shape[1])
    if len(seen) < 2:
        return None
    rng = stream(0, "audit")
    rows = np.sort(rng.choice(seen, most, replace=False)) if len(seen) > most else seen
    y = outputs(truth, rows)
    # One row of nothing where no source has test predictions.
    n_test = max([len(s.test) for s in sources if s.test is not None], default=1)
    tested = np.sort(rng.choice(n_test, most, replace=False)) if n_test > most else np.arange(n_test)
    z, tests = [], []
    lines = [_line(s.pred[rows].astype(np.float64), y) for s in sources]
    for s, (slope, level) in zip(sources, lines, strict=True):
        z.append((s.pred[rows] * slope + level).reshape(-1))
        has = s.test is not None and len(s.test) == n_test
        tests.append((s.test[tested] * slope + level).reshape(-1) if has else np.full(len(tested) * y.shape[1], np.nan))  # type: ignore[index]
    has_test = np.array([bool(np.isfinite(t).all()) and len(t) > 1 for t in tests])
    return Table(
        names=tuple(s.name for s in sources),
        z=np.stack(z),
        y=y.reshape(-1),
        test=np.stack(tests),
        has_test=has_test,
        rows=rows,
        m=y.shape[1],
        suspects=tuple(sources),
    )


def _line(p: Floats, y: Floats) -> tuple[float, Floats]:
    """Return the slope and the level (m,) of the least squares line of y on p, one slope for all outputs.

    With a slope per output a weighted mean of sources would not be one of the lines any more.
    """
    centred = p - p.mean(axis=0)
    spread = float((centred**2).sum())
    slope = float((centred * (y - y.mean(axis=0))).sum()) / spread if spread > 0 else 0.0
    slope = slope if abs(slope) > 1e-12 else 1.0
    return slope, y.mean(axis=0) - slope * p.mean(axis=0)


def centred(z: Floats, m: int) -> Floats:
    """Return (S, N) with each output's mean taken off; N = rows * m."""
    parts = z.reshape(len(z), -1, m)
    return np.asarray((parts - parts.mean(axis=1, keepdims=True)).reshape(len(z), -1))


def share(sources: Sequence[Suspect]) -> list[Finding]:
    """Return what is to be said of folds: which sources have others than most, and of which they are not known."""
    found: list[Finding] = []
    sets: dict[bytes, list[str]] = {}
    known: dict[bytes, bytes] = {}
    for s in sources:
        if s.fold is None:
            reason = "nothing says which fold held which row; what a stacker learns from it may be leaked"
            found.append(Finding(s.name, "folds", "unknown", reason, "import it again with --folds"))
        else:
            written = s.fold.tobytes()
            known[written] = known.get(written) or partition(s.fold).tobytes()
            sets.setdefault(known[written], []).append(s.name)
        if not s.made_here:
            reason = (
                "the file does not tell whether held rows chose the number of rounds, features or augmentation, nor "
                "prove that its predictions were made on the folds it names"
            )
            found.append(Finding(s.name, "provenance", "unknown", reason, "ask who made it, or make it again with kit"))
    return found + _others(list(sets.values()))


def _others(sets: list[list[str]]) -> list[Finding]:
    """Return the sources that have other folds than most; `sets`: names of sources that share folds."""
    largest = max(sets, key=len, default=[])
    found = []
    for names in (n for n in sets if n is not largest):
        more = f" and {len(largest) - 1} more" if len(largest) > 1 else ""
        reason = f"made on other folds than {largest[0]}{more}"
        advice = f"usable together: {', '.join(names[:6])}; --mixed-folds blends across folds and marks it"
        found += [Finding(name, "other_folds", "warning", reason, advice) for name in names]
    return found


def off_one(pred: Floats | Floats32) -> Floats:
    """Return (n,) by how much the probabilities (n, m) of a row miss a sum of one, 0 where that may be rounding."""
    off = np.abs(pred.sum(axis=1, dtype=np.float64) - 1)
    return np.where(off > max(SUM, ROUNDED * pred.shape[1]), off, 0.0)
