"""Models side by side: scores, paired differences with their standard error, and how alike their errors are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, paired, pool, registry
from kit.errors import DataError, few
from kit.oof import same_folds
from kit.store import Store
from kit.types import Floats, Floats32, Task

NOISE = 2.0
"""Standard errors below which a difference is called noise."""


def compare(root: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each of these recipes under oof/ its results side by side, best first.

    Each has score, the paired difference to the best (positive = worse) with its standard error, whether that is noise,
    and the correlation of its errors with those of the best. `correlation` holds it for every pair. `notes`: in which
    way they do not compare.
    """
    return [_recipe(name, root) for name in names]


def residuals(task: Task, y: Floats, pred: Floats32) -> Floats:
    """Return (n * m,) float64, what is missing to the truth: y - pred, for classes 0 or 1 minus the probability."""
    if task.kind == "multiclass":
        return (np.asarray(y[:, None] == np.arange(task.n_out), np.float64) - pred).reshape(-1)
    return np.asarray(y - pred[:, 0], np.float64)


def _recipe(name: str, root: Path) -> dict[str, Any]:
    kept = [archive.read(folder) for folder in archive.folders(root) if folder.parent.name == name]
    kept.sort(key=lambda k: "imported" in k.card)  # whose rows may count otherwise than the recipe says
    metrics = [str(k.card["metric"]) for k in kept if registry.has("metrics", str(k.card.get("metric")))]
    metric = max(sorted(set(metrics)), key=metrics.count, default="")
    left, apart = _alike([k for k in kept if k.card.get("metric") == metric])
    apart += [
        {"name": k.name, "why": f"scored by {k.card.get('metric')}"} for k in kept if k.card.get("metric") != metric
    ]
    if not left:
        return {"recipe": name, "metric": metric, "results": [], "correlation": [], "apart": apart, "notes": []}
    side = pool.gather(left, metric, Store(root))
    found = paired.spread(side.truth, side.said)
    sign = registry.metric(metric).sign
    order = [int(i) for i in np.argsort(sign * found.scores, kind="stable")]
    errors = np.stack([residuals(side.truth.task, side.truth.y, side.preds[i]) for i in order])
    with np.errstate(invalid="ignore"):
        alike = np.atleast_2d(np.corrcoef(errors))
    results = [
        _line(i, order[0], found, sign, side) | {"correlation": _plain(alike[r, 0])} for r, i in enumerate(order)
    ]
    pairs = [[_plain(c) for c in row] for row in alike]
    told = {"apart": apart, "notes": _notes(side, order[0])}
    return {"recipe": name, "metric": metric, "results": results, "correlation": pairs, **told}


def _line(i: int, best: int, found: paired.Spread, sign: float, side: pool.Pool) -> dict[str, Any]:
    behind = 0.0 if i == best else float(sign * (found.scores[i] - found.scores[best]))  # not -0
    se = found.of_difference(i, best)
    return {
        "name": side.kept[i].name,
        "score": _plain(found.scores[i]),
        "se": _plain(float(np.sqrt(found.covariance[i, i]))),
        "behind": _plain(behind),
        "behind_se": _plain(se),
        "noise": bool(i != best and behind <= NOISE * se),
    }


def _notes(side: pool.Pool, best: int) -> list[str]:
    """Return in which way the results do not compare, in words."""
    first, notes = side.kept[best], []
    if side.otherwise:
        notes.append(f"rows count as in the scores of {side.kept[0].name}, not as in those of {few(side.otherwise)}")
    orders = [pool.order_of(first, k) for k in side.kept]
    folds = [None if k.fold is None else k.fold[:, order] for k, order in zip(side.kept, orders, strict=True)]
    mine = folds[best]
    unknown = [k.name for k, f in zip(side.kept, folds, strict=True) if f is None]
    others = [
        k.name
        for k, f in zip(side.kept, folds, strict=True)
        if mine is not None and f is not None and not same_folds(mine, f)
    ]
    if others:
        notes.append(f"made on other folds than {first.name}, which ± does not count: {few(others)}")
    return [*notes, *([f"nobody knows the folds of {few(unknown)}"] if unknown else [])]


def _alike(kept: Sequence[archive.Kept]) -> tuple[list[archive.Kept], list[dict[str, str]]]:
    """Return the results of the same rows as the first, and which are apart and why."""
    left: list[archive.Kept] = []
    apart = []
    for each in kept:
        try:
            pool.gather([*left[:1], each], str(each.card["metric"]))
            left.append(each)
        except DataError as error:
            apart.append({"name": each.name, "why": error.problems[0].rule})
    return left, apart


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
