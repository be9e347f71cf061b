"""Scores of out-of-fold predictions, on real held rows only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kit import ranking, registry
from kit.canon import stream
from kit.errors import DataError
from kit.facts import Facts
from kit.folding import folds_of
from kit.grouped import unit_of
from kit.oof import Oof
from kit.rowgroups import weights_of
from kit.stage import Stage
from kit.store import Store
from kit.types import Floats, Floats32, Ints, Pred, Task


def score(task: Task, metric: str, oof: Oof, v: Floats) -> float | None:
    """Return the metric on the pooled OOF (repeats averaged per row first), or None where it cannot be told."""
    if unscored(task, metric, oof, v):
        return None
    rows = oof.scored
    return _score(task, metric, oof.y[rows], _at(oof.pooled(), rows), v[rows])


def unscored(task: Task, metric: str, oof: Oof, v: Floats) -> str:
    """Return why the pooled OOF has no score of this metric; "" where it has one."""
    found = registry.metric(metric)
    if oof.kind == "label" and found.wants != "label" and task.kind != "regression":
        return f"{metric} needs probabilities, and these are labels"
    if oof.unscaled and not ranking.orders(metric):
        return f"{registry.shown(metric)} needs values, and these are scores of a ranking, which have no scale"
    rows = oof.scored
    try:
        value = found.score(task, oof.y[rows], _at(oof.pooled(), rows), v[rows])
    except DataError as error:
        return "; ".join(filter(None, (error.problems[0].rule, error.problems[0].next)))
    return "" if np.isfinite(value) else f"{registry.shown(metric)} is not finite"


def fold_scores(task: Task, metric: str, oof: Oof, v: Floats) -> list[float | None]:
    """Return the metric per fold, in (repeat, fold) order."""
    scores = []
    for repeat, fold in enumerate(oof.fold):
        pred = Pred(oof.pred[repeat], None if oof.std is None else oof.std[repeat])
        scores += [
            _score(task, metric, oof.y[fold == k], _at(pred, fold == k), v[fold == k]) for k in range(fold.max() + 1)
        ]
    return scores


def group_counts(task: Task, metrics: Sequence[str], oof: Oof, v: Floats) -> dict[str, list[int]]:
    """Return for each metric within groups how many there are, and in how many of them it is not defined."""
    rows, found = oof.scored, {}
    for name in metrics:
        if (within := registry.metric(name).within) is not None and not unscored(task, name, oof, v):
            score = within.each(task, oof.y[rows], _at(oof.pooled(), rows), v[rows]).score
            found[registry.shown(name)] = [len(score), int((~np.isfinite(score)).sum())]
    return found


BLOCKS = 20
"""Blocks of rows left out in turn to find a standard error."""


def standard_error(task: Task, metric: str, oof: Oof, v: Floats, group: Ints | None) -> float | None:
    """Return the standard error of the pooled score by the delete-a-block jackknife; groups stay whole.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11.
    """
    rows, pooled = np.flatnonzero(oof.scored), oof.pooled()
    within = registry.metric(metric).within
    group = unit_of(within, v[rows], None if group is None else group[rows])
    unit = rows if group is None else np.unique(group, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    block = stream(0, "blocks", n_units).permutation(n_units)[unit] % BLOCKS
    left = []
    for b in range(min(BLOCKS, n_units)):
        kept = rows[block != b]
        left.append(_score(task, metric, oof.y[kept], _at(pooled, kept), v[kept]))
    known = [s for s in left if s is not None]
    if len(known) < 2:
        return None
    return float(np.sqrt((len(known) - 1) * np.var(known)))


COLLAPSED = 0.1
"""A regression whose predictions have less than this part of the target's standard deviation has collapsed."""


def spread_of(oof: Oof, v: Floats) -> dict[str, Any]:
    """Return min, max, mean and std of the OOF and of the test predictions, and whether they have collapsed.

    Those of a regression collapse where they hardly differ while the target (under v) does: the usual end of learning
    from labels that are nearly all alike. Classes have no such measure; of several, the largest probability is shown.
    """
    rows = oof.scored
    parts = {"oof": oof.pooled().mean[rows], "test": oof.test_mean().mean}
    shown = {name: _moments(mean[:, 0] if mean.shape[1] == 1 else mean.max(axis=1)) for name, mean in parts.items()}
    collapsed = False
    if oof.kind == "value" and not oof.unscaled and v[rows].sum() > 0:
        collapsed = any(_collapsed(oof.y[rows], v[rows], mean[:, 0]) for mean in parts.values() if len(mean))
    return {**shown, "collapsed": collapsed}


def _collapsed(y: Floats, v: Floats, pred: Floats32) -> bool:
    """Return whether predictions hardly differ, on the scale of y (n,) and on its logarithm.

    The standard deviation of a skewed target is that of its few largest values, which no prediction need reach.
    """

    def log(values: Floats) -> Floats:
        logs: Floats = np.sign(values) * np.log1p(np.abs(values))
        return logs

    def hardly(y: Floats, pred: Floats) -> bool:
        wanted = np.sqrt(np.average((y - np.average(y, weights=v)) ** 2, weights=v))
        return bool(pred.std() < COLLAPSED * wanted)

    wide = pred.astype(np.float64)
    return hardly(y, wide) and hardly(log(y), log(wide))


def _moments(values: Floats32) -> dict[str, float]:
    if not len(values):
        return {}
    wide = values.astype(np.float64)
    return {"min": float(wide.min()), "max": float(wide.max()), "mean": float(wide.mean()), "std": float(wide.std())}


def _at(pred: Pred, rows: Any) -> Pred:
    return Pred(pred.mean[rows], None if pred.std is None else pred.std[rows])


def _score(task: Task, metric: str, y: Floats, pred: Pred, v: Floats) -> float | None:
    try:
        value = float(registry.metric(metric).score(task, y, pred, v))
    except DataError:
        return None
    return value if np.isfinite(value) else None


def running(store: Store, facts: Facts, metric: str, v_key: str | None) -> Callable[[Stage], float | None]:
    """Return the score of a finished fit on its held rows, as a function of its stage.

    `v_key`: the stage of the scoring weights of a declared test distribution; plain ones count until it is there.
    """
    rows = store.open(facts.rows_key)
    y, plain, folds = rows.array("y"), weights_of(rows), folds_of(store.open(facts.folds_key))

    def of(stage: Stage) -> float | None:
        if stage.verb != "fit" or not store.has(stage.key):
            return None
        fit = store.open(stage.key)
        held = folds.is_held(int(stage.ingredients["fold"]))
        v = weights_of(rows, store.open(v_key).array("v")) if v_key and store.has(v_key) else plain
        pred = Pred(fit.array("held"), fit.array("held_std") if "held_std" in fit else None)
        return _score(facts.task, metric, y[held], pred, v[held])

    return of
