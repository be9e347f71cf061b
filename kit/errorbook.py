"""errors: where a model is wrong: its worst rows, and its residuals by segment of the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, table
from kit.archive import Kept
from kit.comparing import residuals
from kit.store import Store, Stored
from kit.types import Array, Floats, Floats32, Ints, Task

BINS, LEVELS, FEWEST = 5, 20, 20
"""Bins of a numeric column, levels shown of a category column, rows a segment needs."""

Z = 4.0
"""Standard errors from which a segment is said to stand out: there may be hundreds of segments."""


@dataclass(frozen=True)
class Segment:
    """Rows of one level or bin. `bias`: mean of truth minus prediction. `loss`: mean loss; `rest`: that of the others.

    `z`: the difference of the two in standard errors it has if the segment means nothing (rows permuted); positive =
    worse than the rest.
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

    @property
    def weight(self) -> float:
        """How far it is from what chance makes, by its loss or its bias, in standard errors."""
        return max(self.z, abs(self.bias) / self.bias_se if self.bias_se > 0 else 0.0)


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
    segments = [s for name, names, code in found for s in _segments(name, names, code[seen], loss, bias)]
    segments.sort(key=lambda s: -s.weight)
    worst = seen[np.argsort(-loss, kind="stable")[:rows]]
    place = {row: i for i, row in enumerate(seen.tolist())}
    return {
        "result": kept.name,
        "metric": metric,
        "n": len(seen),
        "loss": float(loss.mean()),
        "worst": [_row(kept, int(row), float(loss[place[int(row)]])) for row in worst],
        "segments": [{**asdict(s), "stands_out": s.weight >= Z} for s in segments],
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
            yield (name, *_binned(np.asarray(values, np.float64)))


def _binned(values: Floats) -> tuple[list[str], Ints]:
    """Return the names of bins of about equal size, or of the values where these are few, and the bin of each row."""
    known = values[np.isfinite(values)]
    different = np.unique(known)
    if len(different) <= BINS + 3:
        names = [f"{v:g}" for v in different]
        code = np.searchsorted(different, values)
    else:
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        ends = [known.min(), *edges, known.max()]
        names = [f"{a:.4g} .. {b:.4g}" for a, b in pairwise(ends)]
        code = np.searchsorted(edges, values, side="left")
    return [*names, "missing"], np.where(np.isfinite(values), code, len(names)).astype(np.int64)


def _segments(name: str, names: list[str], code: Array, loss: Floats, bias: Floats) -> Iterator[Segment]:
    """Yield the segments of a column, the largest LEVELS of them, those of too few rows left out."""
    count = np.bincount(code[code >= 0], minlength=len(names))
    largest = np.argsort(-count, kind="stable")[:LEVELS]
    for level in sorted(int(k) for k in largest if FEWEST <= count[k] <= len(code) - FEWEST):
        here = code == level
        inside, outside = loss[here], loss[~here]
        se = inside.std() / np.sqrt(len(inside))
        z = (inside.mean() - outside.mean()) / max(loss.std() * np.sqrt(1 / len(inside) + 1 / len(outside)), 1e-300)
        bias_se = bias[here].std() / np.sqrt(len(inside))
        numbers = (bias[here].mean(), bias_se, inside.mean(), se, outside.mean(), z)
        yield Segment(name, names[level], len(inside), *(float(x) for x in numbers))
