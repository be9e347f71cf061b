"""Labels from one source, decided where the metric is best: cut points, a threshold, or weights of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit.contracts import Context
from kit.errors import FitError
from kit.judging import Counts
from kit.params import Params as Base
from kit.params import Tune
from kit.stackers import _cuts, _offsets
from kit.stackers._proba import effective, expit, fit_logistic, logit, logs, softmax
from kit.stackers._softmax import fit_softmax
from kit.types import Array, Floats, Floats32, Pred, PredKind, Task, TaskKind

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
LINEAR: bool = False
PER_FOLD: bool = True
SOURCES: tuple[int, int] = (1, 1)
RETURNS: PredKind | None = "label"
OVER_ROWS = True

MOST_LEVELS = 100
"""More distinct values than this are numbers, not ordered labels."""

STEADY = 1e-9
"""A pull of a curve to no change that only counts where the rows say nothing."""


class Params(Base):
    """Parameters of the thresholds. They are chosen for the recipe's metric where that is one of labels."""

    prior: Annotated[float, Field(ge=0), Tune(200, 20_000, log=True)] = 2000.0
    """Rows at which what came counts as much as a smooth curve through it. 0 = only what came: for many rows alone."""


@dataclass(frozen=True)
class Cuts:
    """Rising `cuts` (C - 1,) between ordered labels; `values` (C,): what a prediction is measured in."""

    cuts: Floats
    values: Floats

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return for the source z (1, n, m) the label of each row: its value, or 1 at its class and 0 elsewhere."""
        at = np.searchsorted(self.cuts, _number(ctx.task, self.values, z), side="right")
        if ctx.task.kind == "regression":
            return Pred(self.values[at][:, None].astype(np.float32))
        return _said(at if ctx.task.kind == "binary" else at[:, None] == np.arange(len(self.values)))


@dataclass(frozen=True)
class Threshold:
    """The least probability that is called positive."""

    threshold: float

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return for the source z (1, n, 1) 1 where it is called positive and 0 elsewhere."""
        return _said(z[0].astype(np.float64) >= self.threshold)


@dataclass(frozen=True)
class Offsets:
    """What is added to the log probabilities, (C,), before the largest names the class."""

    offsets: Floats

    @property
    def weights(self) -> None:
        """None: there is one source."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return for the source z (1, n, m) 1 at the class of each row and 0 elsewhere."""
        said = np.argmax(logs(z[0]) + self.offsets, axis=1)
        return _said(said[:, None] == np.arange(z.shape[2]))


def fit(params: Params, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Cuts | Threshold | Offsets:
    """Return the decision of the best expected score on the rows z (1, n, m), y (n,), v (n,).

    What a row is expected to be is a mean of what came, believed n / (n + prior), and of a smooth curve: a line for
    numbers, a calibration for probabilities. Deciding by what came alone follows chance where rows are few.

    Raises:
        FitError: the metric is one of labels that cannot be told from counts, or the target has too many values.
    """
    believed = effective(v) / (effective(v) + params.prior)
    metric, task = ctx.metric, ctx.task
    if task.kind == "regression" or metric.name == "qwk":
        return _ordered(ctx, z, y, v, believed)
    if metric.wants == "label" and metric.tally is None:
        advice = "give the metric a `tally`, or decide by a blend without thresholds"
        raise FitError(f"thresholds cannot be looked for under {metric.name}", got="no tally", next=advice)

    def gain(counts: Counts) -> Floats:
        # Under a metric of probabilities: the accuracy.
        found = metric.tally(counts) if metric.tally else counts.hit.sum(axis=-1) / counts.true.sum()
        return -metric.sign * found if metric.tally else np.asarray(found)

    if task.kind == "binary":
        p = z[0, :, 0].astype(np.float64)
        aim = believed * y + (1 - believed) * _platt(p, y, v)
        return Threshold(_offsets.best_threshold(p, aim, v, gain))
    weights, constants = fit_softmax(z, y, v, 1.0)
    scores = logs(z[0])
    smooth = softmax(weights[0] * scores + constants)
    aim = believed * (y[:, None] == np.arange(z.shape[2])) + (1 - believed) * smooth
    return Offsets(_offsets.best_offsets(scores, aim, v, gain))


def _ordered(ctx: Context, z: Floats32, y: Floats, v: Floats, believed: float) -> Cuts:
    """Return the cuts between ordered labels."""
    task, share = ctx.task, v / v.sum()
    if task.kind == "regression":
        values = np.unique(y[v > 0])
        if len(values) > MOST_LEVELS:
            got, advice = f"{len(values)} distinct values", "leave the thresholds out, or round"
            raise FitError(
                "thresholds need a target of few values", got=got, allowed=f"up to {MOST_LEVELS}", next=advice
            )
        true = y
    else:
        values = _values(task)
        true = values[y.astype(np.int64)]
    x = _number(task, values, z)
    if ctx.metric.name == "mae":
        return Cuts(_cuts.absolute_cuts(x, true, v, values), values)
    at = _cuts.places(x, believed * true + (1 - believed) * _line(x, true, share), v)
    if ctx.metric.name == "rmse":
        return Cuts(_cuts.loss_cuts(at, values), values)
    return Cuts(_cuts.kappa_cuts(at, values, float((share * true).sum()), float((share * true**2).sum())), values)


def _said(labels: Array) -> Pred:
    """Return labels (n,) or (n, m), 0 or 1, as a prediction."""
    return Pred(labels.reshape(len(labels), -1).astype(np.float32))


def _number(task: Task, values: Floats, z: Floats32) -> Floats:
    """Return (n,) float64, the number that is cut: the prediction, P(positive), or the expected value of the class."""
    if z.shape[2] == 1:
        return z[0, :, 0].astype(np.float64)
    total = np.zeros(z.shape[1])
    for k, value in enumerate(values):
        total += value * z[0, :, k]
    return total


def _values(task: Task) -> Floats:
    """Return (C,) the numbers that the classes are, or their order where they are no numbers."""
    if task.kind == "multiclass" and all(isinstance(c, int | float) for c in task.classes):
        return np.array([float(c) for c in task.classes])
    return np.arange(len(task.classes), dtype=np.float64)


def _line(x: Floats, y: Floats, share: Floats) -> Floats:
    """Return (n,) the line through y that fits best; level where it would fall."""
    away = x - (share * x).sum()
    spread = (share * away**2).sum()
    slope = (share * away * y).sum() / spread if spread > 0 else 0.0
    return np.asarray((share * y).sum() + max(slope, 0.0) * away)


def _platt(p: Floats, y: Floats, v: Floats) -> Floats:
    """Return (n,) the probabilities of the best line in the log odds; level where it would fall."""
    x = np.stack([logit(p), np.ones(len(p))])
    slope, constant = fit_logistic(x, y, v, np.full(2, STEADY), np.array([1.0, 0.0]))
    return expit(max(slope, 0.0) * x[0] + constant)
