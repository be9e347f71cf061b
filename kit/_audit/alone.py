"""Checks of one source by itself: numbers, ranges, sums, direction, order of classes, scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kit import registry
from kit._audit.common import Finding, Suspect, off_one, outputs
from kit.paired import Truth
from kit.types import Bools, Floats, Floats32

EDGE = 1e-6
"""By how much a probability may miss the range of 0 to 1."""

OFF, OFF_OTHERS = 0.75, 1.0
"""Standard deviations of the target by which predictions may lie off it on the whole: where the metric asks for the
mean, and elsewhere, where a median or the mean of logarithms may be right."""

MOST_ROWS = 50_000
"""Rows, spread evenly, from which direction, order of classes and scale are told."""


def look(truth: Truth, s: Suspect) -> list[Finding]:
    """Return what is to be said of a source alone. After an error of its numbers nothing else is looked at."""
    found = list(_numbers(truth, s))
    if any(f.severity == "error" for f in found):
        return found
    found += _probabilities(truth, s) if truth.task.kind != "regression" else []
    rows = np.flatnonzero(np.isfinite(s.pred).all(axis=1))
    rows = rows[:: max(1, len(rows) // MOST_ROWS)]
    pred, y = s.pred[rows].astype(np.float64), outputs(truth, rows)
    found += [*_groups(truth, s), *_target(s, pred, y)]
    if truth.task.kind == "multiclass":
        return found + list(_order(truth, s, pred, y))
    return found + list(_direction(s, pred[:, 0], y[:, 0])) + list(_scale(truth, s, pred[:, 0], y[:, 0]))


def _numbers(truth: Truth, s: Suspect) -> Iterator[Finding]:
    wrong = ~np.isfinite(s.pred).all(axis=1)
    held = np.ones(len(s.pred), np.bool_) if s.fold is None else s.fold >= 0
    if (wrong & held).any():
        what = "infinite" if np.isinf(s.pred[held]).any() else "missing"
        reason = f"{int((wrong & held).sum())} of {int(held.sum())} held rows are {what}"
        advice = "make those predictions, or mark rows that were never held with fold -1"
        yield Finding(s.name, "nan", "error", reason, advice)
    elif wrong.all():
        yield Finding(s.name, "nan", "error", "no row has a prediction", "check the column that was read")
    elif (np.ptp(s.pred[~wrong], axis=0) == 0).all():
        reason = f"every row is predicted as {s.pred[~wrong][0].tolist()}"
        yield Finding(s.name, "constant", "error", reason, "check the column that was read, or leave the source out")
    if s.test is None:
        reason = "no test predictions: it cannot be part of a submission, nor can a leak be told from strength"
        yield Finding(s.name, "no_test", "unknown", reason, "import it with --test")
    elif not np.isfinite(s.test).all():
        reason = f"{int((~np.isfinite(s.test)).any(axis=1).sum())} of {len(s.test)} test rows are missing or infinite"
        yield Finding(s.name, "nan_test", "error", reason, "make those predictions")
    elif len(s.test) > 1 and (np.ptp(s.test, axis=0) == 0).all():
        yield Finding(s.name, "constant_test", "error", "all test rows are predicted alike", "check the test file")


def _probabilities(truth: Truth, s: Suspect) -> Iterator[Finding]:
    wants: str = registry.load("metrics", truth.metric).WANTS
    ranks = truth.metric == "auc"
    for part, pred in (("OOF", _known(s.pred)), ("test", s.test)):
        if pred is None:
            continue
        low, high = float(pred.min()), float(pred.max())
        if low < -EDGE or high > 1 + EDGE:
            percent, logit = "percentages: divide by 100", "scores or logits: pass them through a sigmoid"
            reason = f"{part} values run from {low:.4g} to {high:.4g}, not from 0 to 1"
            advice = f"these look like {percent if low >= 0 and high <= 100 else logit}"
            yield Finding(s.name, "range", "warning" if ranks else "error", reason, advice)
        elif pred.shape[1] > 1 and (off := off_one(pred)).any():
            where = f"{np.count_nonzero(off)} of {len(pred)} rows (off by {off.max():.3g})"
            reason, advice = f"{part} probabilities do not sum to 1 in {where}", "divide each row by its sum"
            yield Finding(s.name, "sum", "error", reason, f"{advice}, or look for a class that is lacking")
        elif bool(np.isin(pred, (0, 1)).all()) and wants == "proba":
            reason = f"{part} holds only 0 and 1: labels, not probabilities"
            yield Finding(s.name, "labels", "warning", reason, "predict_proba instead of predict")


def _target(s: Suspect, pred: Floats, y: Floats) -> Iterator[Finding]:
    if len(y) > 1 and np.allclose(pred, y, rtol=1e-5, atol=1e-5 * max(float(np.abs(y).mean()), 1e-300)):
        reason = "every row is predicted as its target: it is the target itself"
        yield Finding(s.name, "target", "error", reason, "another column holds the predictions")


def _known(pred: Floats32) -> Floats32:
    return pred[np.isfinite(pred).all(axis=1)]


def _groups(truth: Truth, s: Suspect) -> list[Finding]:
    if truth.group is None or s.fold is None:
        return []
    held: Bools = s.fold >= 0
    if s.made_here and not held.all():
        return []  # a split by time, which alone holds some rows never: what a group did before is known in test, too
    width = int(s.fold.max()) + 1
    pairs = np.unique(truth.group[held].astype(np.int64) * width + s.fold[held]) // width
    n_groups = int((np.unique(pairs, return_counts=True)[1] > 1).sum())
    if not n_groups:
        return []
    reason = f"{n_groups} groups have rows in several folds: models were scored on groups they had learnt from"
    return [Finding(s.name, "groups", "warning", reason, "make it again with folds of whole groups")]


def _direction(s: Suspect, p: Floats, y: Floats) -> Iterator[Finding]:
    r = _corr(p, y)
    if r < -0.05 and r * np.sqrt(len(y)) < -5:
        reason = f"its correlation with the target is {r:.3f}: it predicts the opposite"
        yield Finding(s.name, "inverted", "error", reason, "turn it round: 1 - p of a probability, or another sign")


def _order(truth: Truth, s: Suspect, pred: Floats, y: Floats) -> Iterator[Finding]:
    """Say where other columns fit the classes clearly better than those that are named after them."""
    from scipy.optimize import linear_sum_assignment

    p, t = pred - pred.mean(axis=0), y - y.mean(axis=0)
    r = p.T @ t / np.maximum(np.outer(np.linalg.norm(p, axis=0), np.linalg.norm(t, axis=0)), 1e-300)
    columns, classes = linear_sum_assignment(-r)
    gain = (r[columns, classes] - np.diag(r))[columns != classes]
    if len(gain) and gain.sum() > max(0.1 * len(gain), 10 / np.sqrt(len(y))):
        order = [str(truth.task.classes[k]) for k in classes]
        reason = f"its columns fit the classes in the order {', '.join(order[:8])} far better than as they are named"
        advice = f"kit's order is {', '.join(str(c) for c in truth.task.classes[:8])}; name the columns by class"
        yield Finding(s.name, "class_order", "error", reason, advice)


def _scale(truth: Truth, s: Suspect, p: Floats, y: Floats) -> Iterator[Finding]:
    """Say where a regression's predictions go up with the target and lie nowhere near it."""
    if truth.task.kind != "regression" or _corr(p, y) < 0.2:
        return
    off = OFF if truth.metric in ("rmse", "r2", "qwk") else OFF_OTHERS
    far = abs(p.mean() - y.mean()) > off * y.std() or p.std() > 3 * y.std()
    narrow = p.std() < 0.1 * abs(_corr(p, y)) * y.std()
    if not (far or narrow):
        return
    back = {"log1p (undo with expm1)": np.expm1, "log (undo with exp)": np.exp}
    undone = {name: f(np.minimum(p, 50)) for name, f in back.items() if p.max() < 50}
    fits = [name for name, u in undone.items() if abs(u.mean() - y.mean()) < 0.5 * y.std()]
    reason = f"its values are about {p.mean():.4g} ± {p.std():.3g}, the target {y.mean():.4g} ± {y.std():.3g}"
    advice = f"it looks like {fits[0]}" if fits else "bring it to the scale of the target"
    yield Finding(s.name, "scale", "warning", reason, advice)


def _corr(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else 0.0
