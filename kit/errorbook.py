"""errors: where a model is wrong: its worst rows, and its residuals by segment of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from kit import archive, counts, dates, registry, table
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

    Rows count by their weight in scoring, `n` is how many there are.
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

    Means are over the rows that are scored, as much as each counts there; the worst rows are those that cost most, loss
    times weight. `loss_is` says what the loss of a row is (`losses`), `score` is that of the whole result.

    Raises:
        DataError: there is no such result.
    """
    base = Path(root).resolve()
    kept = archive.read(archive.find(result, base))
    y, pred, weight = kept.codes(), kept.pooled(), counts.rows(kept)[0]
    seen = np.flatnonzero(np.isfinite(pred).all(axis=1) & (weight > 0))
    task, v = kept.task, weight[seen]
    loss, what = losses(task, kept.card, y[seen], pred[seen])
    missing = residuals(task, y[seen], pred[seen]).reshape(len(seen), -1)
    bias = missing[:, 0] if task.n_out == 1 else missing[np.arange(len(seen)), y[seen].astype(int)]
    found, note = _columns(kept, Store(base))
    spreads = _spread(loss, v), _spread(bias, v)
    segments = [s for name, names, code in found for s in _segments(name, names, code[seen], *spreads)]
    marked = _marked(segments, signed=task.kind != "multiclass")
    worst = np.argsort(-loss * v, kind="stable")[:rows]
    weighted = bool((v != v[0]).any()) if len(v) else False
    told = [{"weight": float(v[i])} if weighted else {} for i in worst]
    return {
        "result": kept.name,
        "metric": str(kept.card.get("metric")),
        "score": kept.card.get("score"),
        "n": len(seen),
        "weighted": weighted,
        "loss": spreads[0].mean,
        "loss_is": what,
        "worst": [_row(kept, int(seen[i]), float(loss[i])) | more for i, more in zip(worst, told, strict=True)],
        "segments": [{**asdict(s), "stands_out": out} for s, out in marked],
        "note": note,
    }


def losses(task: Task, card: Mapping[str, Any], y: Floats, pred: Floats32) -> tuple[Floats, str]:
    """Return (n,) float64, the loss of each row, and what it is.

    Numbers: the error squared, or as it is where the metric is trained for so, of logarithms where the metric is.
    Classes: minus the logarithm of the probability of the true one; of labels, whether they are wrong.
    """
    p, metric = pred.astype(np.float64), str(card.get("metric"))
    if task.kind == "regression":
        known = registry.load("metrics", metric if registry.has("metrics", metric) else "rmse")
        logs, absolute = known.CODEC == "log1p" and y.min() > -1, known.OBJECTIVE.get("regression") == "absolute"
        error = np.log1p(np.maximum(p[:, 0], 0)) - np.log1p(np.maximum(y, 0)) if logs else p[:, 0] - y
        what = f"{'absolute' if absolute else 'squared'} error{' of log(1 + y)' if logs else ''}"
        return np.asarray(np.abs(error) if absolute else error**2), what
    if card.get("kind") == "label":
        said = p[:, 0] >= 0.5 if task.kind == "binary" else p.argmax(axis=1)
        return np.asarray(said != y, np.float64), "1 where the label is wrong"
    true = np.where(y == 1, p[:, 0], 1 - p[:, 0]) if task.kind == "binary" else p[np.arange(len(y)), y.astype(int)]
    return np.asarray(-np.log(np.clip(true, 1e-15, 1))), "minus log of the true class's probability"


def _row(kept: Kept, row: int, loss: float) -> dict[str, Any]:
    names = archive.columns(kept.card)
    pred = {name: float(p) for name, p in zip(names, kept.pooled()[row], strict=True)}
    fold = None if kept.fold is None or len(kept.fold) > 1 else int(kept.fold[0, row])
    return {"id": kept.ids[row], "fold": fold, "y": kept.y[row], **pred, "loss": loss}


# -- segments


def _columns(kept: Kept, store: Store) -> tuple[list[tuple[str, list[str], Ints]], str]:
    """Return (column, names of its segments, segment (n,) of each row, -1 = none), and what is lacking for people."""
    keys = [str(kept.card.get(name)) for name in ("table", "rows")]
    folds = []
    if kept.fold is not None and len(kept.fold) == 1:  # over several repeats, a row's prediction is of several folds
        folds.append(("fold", [str(k) for k in range(kept.fold.max() + 1)], kept.fold[0].astype(np.int64)))
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
        numbers = (*bias.of(here), *loss.of(here), loss.of(~here)[0], loss.deviate(here), bias.deviate(here))
        yield Segment(name, names[level], int(here.sum()), *numbers)


class _Spread(NamedTuple):
    """Values (n,) of rows that count v (n,), their mean, what each row adds to it, and the std and skew of that.

    `part` is the value's distance from the mean times v, v being 1 on average: its own mean is 0.
    """

    values: Floats
    v: Floats
    mean: float
    part: Floats
    std: float
    skew: float

    def of(self, here: Array) -> tuple[float, float]:
        """Return the mean of some of the values and its standard error."""
        values, v = self.values[here], self.v[here]
        mean = float((v * values).sum() / v.sum())
        return mean, float(np.sqrt(((v * (values - mean)) ** 2).sum()) / v.sum())

    def deviate(self, here: Array) -> float:
        """Return how far the mean of some of the values is from that of the others, as a normal deviate.

        Few skewed values have a skewed mean (one huge loss makes no segment), whose long tail is taken for that of a
        gamma distribution. Source: Wilson and Hilferty (1931), The distribution of chi-square.
        """
        n, share = int(here.sum()), float(here.mean())
        if self.std <= 1e-12 * abs(self.mean):
            return 0.0
        z = float(self.part[here].mean()) / (self.std * np.sqrt((1 - share) / n))
        skew = self.skew * (1 - 2 * share) / np.sqrt(n * (1 - share))
        if skew * z < 1e-3:
            return float(z)
        normal = 6 / skew * (np.cbrt(skew * z / 2 + 1) - 1) + skew / 6
        return float(normal if abs(normal) < abs(z) else z)


def _spread(values: Floats, v: Floats) -> _Spread:
    mean = float((v * values).sum() / v.sum())
    part = v / v.mean() * (values - mean)
    std = float(part.std())
    return _Spread(values, v, mean, part, std, float((((part - part.mean()) / std) ** 3).mean()) if std > 0 else 0.0)
