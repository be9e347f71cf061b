"""What the average of the fold models gains over one of them: test rows get the one, out-of-fold rows the other."""

from __future__ import annotations

import numpy as np

from kit.grouped import split
from kit.judging import Metric
from kit.paired import Said, Truth, at
from kit.registry import metric as metric_of
from kit.types import Floats, Floats32, Ints, Pred

SQUARES = ("rmse", "rmsle")
"""Metrics that are roots of a mean square: what averaging takes off is taken off the square."""

SMALL = 1e-6
"""Probabilities nearer to 0 and 1 than this are set to it on the way to the logarithmic scale."""


def gain(truth: Truth, said: Said, layers: Floats32) -> float:
    """Return by how much the score of a prediction improves when K fold models are averaged; layers (K, t, m) on test.

    The truth of test rows is not needed. Each out-of-fold prediction is moved by the deviation a fold model has from
    the average on a test row with a like prediction, both ways: what a second helping of that noise costs is what
    taking the first away gains. For squared error that is exact.
    Source: simulation extrapolation, Cook & Stefanski 1994; Krogh & Vedelsby 1995 for squared error.
    """
    metric, pred = metric_of(truth.metric), at(said, slice(None))
    average = layers.mean(axis=0, dtype=np.float64)
    scores = []
    for layer in layers:
        for way in (1.0, -1.0):
            moved = _moved(truth, pred.mean, average, layer.astype(np.float64), way)
            scores.append(truth.score(Pred(moved, pred.std)))
    return _extrapolated(metric, truth.score(pred), float(np.mean(scores)))


def _extrapolated(metric: Metric, score: float, noisier: float) -> float:
    if metric.name in SQUARES:
        return float(score - np.sqrt(max(2 * score**2 - noisier**2, 0.0)))
    return float(metric.sign * (noisier - score))


def _moved(truth: Truth, pred: Floats32, average: Floats, layer: Floats, way: float) -> Floats32:
    """Return pred (n, m), each row moved by the deviation of the test row that is its like by rank."""
    if truth.task.kind == "multiclass":
        return _moved_classes(pred, average, layer, way)
    at = _like(pred[:, 0], average[:, 0])
    if truth.task.kind == "regression":
        log = split(truth.metric)[0] == "rmsle"
        deviation = _log(layer[at]) - _log(average[at]) if log else layer[at] - average[at]
        moved = np.expm1(_log(pred) + way * deviation) if log else pred + way * deviation
        return np.asarray(moved, np.float32)
    odds = _logit(pred) + way * (_logit(layer[at]) - _logit(average[at]))
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def _moved_classes(pred: Floats32, average: Floats, layer: Floats, way: float) -> Floats32:
    """Return the same for classes: deviations of logarithms, carried over in the order of how probable classes are."""
    at = _like(pred.max(axis=1), average.max(axis=1))
    there = np.argsort(-average[at], axis=1, kind="stable")
    here = np.argsort(-pred, axis=1, kind="stable")
    deviation = np.log(np.maximum(layer, SMALL)) - np.log(np.maximum(average, SMALL))
    moved = np.log(np.maximum(pred, SMALL).astype(np.float64))
    rows = np.arange(len(pred))[:, None]
    moved[rows, here] += way * np.take_along_axis(deviation[at], there, axis=1)
    raised = np.exp(moved - moved.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def _like(here: Floats32, there: Floats) -> Ints:
    """Return for each of `here` (n,) the place in `there` (t,) of the same relative rank."""
    at = np.empty(len(here), np.int64)
    rank = ((np.arange(len(here)) + 0.5) * len(there) / len(here)).astype(np.int64)
    at[np.argsort(here, kind="stable")] = np.argsort(there, kind="stable")[rank]
    return at


def _log(p: Floats | Floats32) -> Floats:
    return np.log1p(np.maximum(np.asarray(p, np.float64), 0))


def _logit(p: Floats | Floats32) -> Floats:
    inside = np.clip(np.asarray(p, np.float64), SMALL, 1 - SMALL)
    return np.asarray(np.log(inside / (1 - inside)))
