"""errors: where a model is wrong: its worst rows, and its residuals by segment of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from kit import archive, dates, table
from kit.archive import Kept
from kit.comparing import residuals
from kit.store import Store, Stored
from kit.types import Array, Floats, Floats32, Ints, Task

BINS, LEVELS, FEWEST = 5, 20, 20
"""Bins of a numeric column, levels shown of a category column, rows a segment needs."""

ALPHA = 0.05
"""How often any segment may be said to stand out where segments mean nothing."""


@dataclass(frozen=True)
class Segment:
    """Rows of one level or bin. `bias`: mean of truth minus prediction. `loss`: mean loss; `rest`: that of the others.

    `z`: the difference of the two in standard errors it has if the segment means nothing (rows permuted), as a normal
    deviate; positive = worse than the rest. `bias_z`: the same of the bias.
    """

    column: str
    level: str
    n: int
    bias: float
    bias_se: float
    loss: float
    loss_se: float
    rest: float
    z: float
    bias_z: float


def errors(result: str, *, rows: int = 10, root: str | Path = ".") -> dict[str, Any]:
    """Return the worst rows of a result (recipe:model) and its residuals by segment, the worst segments first.

    Loss of a row: the square (for mae the absolute value, for rmsle the square of logarithms) of what is missing; for
    classes minus the logarithm of the probability of the true one.

    Raises:
        DataError: there is no such result.
    """
    base = Path(root).resolve()
    kept = archive.read(archive.find(result, base))
    y, pred = kept.codes(), kept.pooled()
    seen = np.flatnonzero(np.isfinite(pred).all(axis=1))
    task, metric = kept.task, str(kept.card.get("metric"))
    loss = losses(task, metric, y[seen], pred[seen])
    missing = residuals(task, y[seen], pred[seen]).reshape(len(seen), -1)
    bias = missing[:, 0] if task.n_out == 1 else missing[np.arange(len(seen)), y[seen].astype(int)]
    found, note = _columns(kept, Store(base))
    spreads = _spread(loss), _spread(bias)
    segments = [s for name, names, code in found for s in _segments(name, names, code[seen], *spreads)]
    marked = _marked(segments, signed=task.kind != "multiclass")
    worst = seen[np.argsort(-loss, kind="stable")[:rows]]
    place = {row: i for i, row in enumerate(seen.tolist())}
    return {
        "result": kept.name,
        "metric": metric,
        "n": len(seen),
        "loss": float(loss.mean()),
        "worst": [_row(kept, int(row), float(loss[place[int(row)]])) for row in worst],
        "segments": [{**asdict(s), "stands_out": out} for s, out in marked],
        "note": note,
    }


def losses(task: Task, metric: str, y: Floats, pred: Floats32) -> Floats:
    """Return (n,) float64, the loss of each row."""
    p = pred.astype(np.float64)
    if task.kind == "regression":
        if metric == "rmsle":
            return np.asarray((np.log1p(np.maximum(p[:, 0], 0)) - np.log1p(np.maximum(y, 0))) ** 2)
        return np.abs(p[:, 0] - y) if metric == "mae" else np.asarray((p[:, 0] - y) ** 2)
    true = np.where(y == 1, p[:, 0], 1 - p[:, 0]) if task.kind == "binary" else p[np.arange(len(y)), y.astype(int)]
    return np.asarray(-np.log(np.clip(true, 1e-15, 1)))


def _row(kept: Kept, row: int, loss: float) -> dict[str, Any]:
    names = archive.columns(kept.card)
    pred = {name: float(p) for name, p in zip(names, kept.pooled()[row], strict=True)}
    fold = None if kept.fold is None else int(kept.fold[0, row])
    return {"id": kept.ids[row], "fold": fold, "y": kept.y[row], **pred, "loss": loss}


# -- segments


def _columns(kept: Kept, store: Store) -> tuple[list[tuple[str, list[str], Ints]], str]:
    """Return (column, names of its segments, segment (n,) of each row, -1 = none), and what is lacking for people."""
    keys = [str(kept.card.get(name)) for name in ("table", "rows")]
    fold = [] if kept.fold is None else [("fold", [str(k) for k in range(kept.fold.max() + 1)], kept.fold[0])]
    folds = [(name, names, np.asarray(code, np.int64)) for name, names, code in fold]
    if not all(store.has(key) for key in keys):
        return folds, "the data of this result is not in .kit: run its recipe once more to see segments"
    data, rows = store.open(keys[0]), store.open(keys[1])
    order = archive.positions(kept.ids, table.series_from_arrow(rows.blob("ids/train")))
    if (order < 0).any():
        return folds, "the rows of this result are not those of the data in .kit: no segments"
    return [*folds, *_coded(data, order)], ""


def _coded(data: Stored, order: Ints) -> Iterator[tuple[str, list[str], Ints]]:
    for name, column in data.meta["header"].items():
        if f"x/{name}" not in data or column["kind"] not in ("numeric", "date", "category"):
            continue
        values = data.array(f"x/{name}")[order]
        if column["kind"] == "category":
            levels = list(table.levels_from_arrow(data.blob(f"levels/{name}"))) if column["levels"] else []
            yield name, [*levels, "missing"], np.where(values < 0, len(levels), values).astype(np.int64)
        elif len(np.unique(values[:1000])) > 1 or len(np.unique(values)) > 1:
            yield (name, *_binned(np.asarray(values, np.float64), date=column["kind"] == "date"))


def _binned(values: Floats, *, date: bool) -> tuple[list[str], Ints]:
    """Return the names of bins of about equal size, or of the values where these are few, and the bin of each row."""
    known = values[np.isfinite(values)]
    different = np.unique(known)
    if len(different) <= BINS + 3:
        names = _days(different) if date else [f"{v:g}" for v in different]
        code = np.searchsorted(different, values)
    else:
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        ends = np.array([known.min(), *edges, known.max()])
        names = [f"{a} .. {b}" for a, b in pairwise(_days(ends) if date else [f"{v:.4g}" for v in ends])]
        code = np.searchsorted(edges, values, side="left")
    return [*names, "missing"], np.where(np.isfinite(values), code, len(names)).astype(np.int64)


def _marked(segments: Sequence[Segment], *, signed: bool) -> list[tuple[Segment, bool]]:
    """Return the segments, the worst first, and whether each stands out by more than chance makes of so many.

    `signed`: whether the bias can be negative. That of classes cannot, and says what the loss says.
    """
    # Three ways to stand out each: a higher loss, a bias up or down. Source: Bonferroni's inequality.
    limit = NormalDist().inv_cdf(1 - ALPHA / max(3 * len(segments), 1))
    weights = [max(s.z, abs(s.bias_z)) if signed else s.z for s in segments]
    order = sorted(range(len(segments)), key=lambda i: -weights[i])
    return [(segments[i], weights[i] >= limit) for i in order]


def _days(values: Floats) -> list[str]:
    """Return days since 1970 as ISO dates, with minutes where two of them fall on one day."""
    return dates.shown(values, minutes=len(np.unique(np.floor(values))) < len(np.unique(np.round(values * 1440))))


def _segments(name: str, names: list[str], code: Array, loss: _Spread, bias: _Spread) -> Iterator[Segment]:
    """Yield the segments of a column, the largest LEVELS of them, those of too few rows left out."""
    count = np.bincount(code[code >= 0], minlength=len(names))
    largest = np.argsort(-count, kind="stable")[:LEVELS]
    for level in sorted(int(k) for k in largest if FEWEST <= count[k] <= len(code) - FEWEST):
        here = code == level
        of_loss, of_bias, rest = loss.values[here], bias.values[here], loss.values[~here]
        se, bias_se = (x.std() / np.sqrt(len(x)) for x in (of_loss, of_bias))
        z = (loss.deviate(of_loss), bias.deviate(of_bias))
        numbers = (of_bias.mean(), bias_se, of_loss.mean(), se, rest.mean(), *z)
        yield Segment(name, names[level], len(of_loss), *(float(x) for x in numbers))


class _Spread(NamedTuple):
    """Values (n,) of rows, and the mean, standard deviation and skewness of all of them."""

    values: Floats
    mean: float
    std: float
    skew: float

    def deviate(self, here: Floats) -> float:
        """Return how far the mean of some of the values is from that of the others, as a normal deviate.

        Few skewed values have a skewed mean (one huge loss makes no segment), whose long tail is taken for that of a
        gamma distribution. Source: Wilson and Hilferty (1931), The distribution of chi-square.
        """
        n, share = len(here), len(here) / len(self.values)
        if self.std <= 1e-12 * abs(self.mean):
            return 0.0
        z = (float(here.mean()) - self.mean) / (self.std * np.sqrt((1 - share) / n))
        skew = self.skew * (1 - 2 * share) / np.sqrt(n * (1 - share))
        if skew * z < 1e-3:
            return float(z)
        normal = 6 / skew * (np.cbrt(skew * z / 2 + 1) - 1) + skew / 6
        return float(normal if abs(normal) < abs(z) else z)


def _spread(values: Floats) -> _Spread:
    mean, std = float(values.mean()), float(values.std())
    return _Spread(values, mean, std, float((((values - mean) / std) ** 3).mean()) if std > 0 else 0.0)
