"""Returns rows whose y is not known, labelled by another model of the recipe: by its model of the same fold.

A pseudo-label of a blend, or of models of all folds, has seen the held rows' y and carries it into the fold: scores out
of fold rise and the test score does not. Those of the same fold's model have not.
Source: Lee 2013, Pseudo-Label: the simple and efficient semi-supervised learning method for deep neural networks.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Weight
from kit.errors import RecipeError
from kit.params import SourceName
from kit.types import NO_PARENT, Floats, Ints, Pred, Rows, Task

LIBS: tuple[str, ...] = ()

LEAST_SHARE = 0.01
"""A class less probable than this gets no row: a hundred classes would make a hundred rows of each."""


class Params(base.Params):
    """Pseudo-labels: test rows, and those held, to learn from, labelled by a model that has not seen the held rows."""

    source: SourceName
    """The model that labels them: one with columns of its own, no blend and no model over OOFs. It may itself learn
    from pseudo-labels, which makes rounds of them."""

    held: bool = True
    """Label the rows a fold holds as test rows are, by a model that has not seen their y. Without it, scores out of
    fold are those of rows the model has never met, as no test row is: they show gains that test does not have."""

    label: Literal["expected", "best", "draw"] = "expected"
    """expected: what the model predicts, within the values that the learning rows have; with classes a row for each of
    them, weighing its probability. best: the most probable class. draw: a class drawn by the probabilities, or a value
    drawn with the model's std."""

    surest: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the rows that is taken, the surest ones: by the probability of the best class, within the rows of
    one best class, or by the model's std."""

    least: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Classes: the least probability of the best class with which a row is taken."""

    weight: Weight = 1.0
    """What a new row counts in learning, beside 1 for a training row."""


def label(params: Params, task: Task, rows: Rows, pred: Pred, rng: np.random.Generator) -> Rows:
    """Return the new rows only. `pred`: what the source says of `rows`.

    Raises:
        RecipeError: a std is asked for and the source gives none, or a probability and there are no classes.
    """
    shares = None if task.kind == "regression" else _shares(pred)
    taken = _taken(params, pred, shares)
    if shares is None:
        place, y, w = taken, pred.mean[taken, 0].astype(np.float64), np.ones(len(taken))
        if params.label == "draw":
            y = y + _std(pred, "label: draw")[taken] * rng.standard_normal(len(taken))
    else:
        place, y, w = _classes(params, shares, taken, rng)
    base = rows.take(place)
    return Rows(
        row=-1 - np.arange(len(base)),
        x=base.x,
        header=rows.header,
        y=y,
        w=params.weight * w,
        v=np.zeros(len(base)),
        group=base.group,
        time=base.time,
        parents=np.column_stack([base.row, np.full(len(base), NO_PARENT)]),
    )


def _shares(pred: Pred) -> Floats:
    """Return the probability (t, c) of every class."""
    p = pred.mean.astype(np.float64)
    return np.column_stack([1 - p, p]) if p.shape[1] == 1 else p


def _taken(params: Params, pred: Pred, shares: Floats | None) -> Ints:
    """Return the positions of the rows that get a label, in their order."""
    n = len(pred)
    if shares is None:
        if params.least is not None:
            raise RecipeError("pseudo: least is a probability and this is a regression", next="surest: a share of rows")
        if params.surest == 1:
            return np.arange(n)
        order = np.argsort(_std(pred, "surest below 1"), kind="stable")
        return np.sort(order[: round(params.surest * n)])
    best, top = shares.argmax(axis=1), shares.max(axis=1)
    kept = np.zeros(n, bool)
    for code in range(shares.shape[1]):
        mine = np.flatnonzero(best == code)
        kept[mine[np.argsort(-top[mine], kind="stable")][: round(params.surest * len(mine))]] = True
    return np.flatnonzero(kept & (top >= (params.least or 0.0)))


def _std(pred: Pred, wish: str) -> Floats:
    if pred.std is None:
        advice = "name a source that gives one, such as a hetero_mlp, or leave it out"
        raise RecipeError(f"pseudo: {wish} needs the std of the source, which gives none", next=advice)
    return pred.std.astype(np.float64)


def _classes(params: Params, shares: Floats, taken: Ints, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    """Return positions, class codes and weights of the new rows."""
    p = shares[taken] / shares[taken].sum(axis=1, keepdims=True)
    if params.label == "expected":
        p = np.where(p < LEAST_SHARE, 0.0, p)
        p /= p.sum(axis=1, keepdims=True)
        at, code = np.nonzero(p)
        return taken[at], code.astype(np.float64), p[at, code]
    if params.label == "best":
        code = p.argmax(axis=1)
    else:
        code = np.minimum((p.cumsum(axis=1) < rng.random(len(p))[:, None]).sum(axis=1), p.shape[1] - 1)
    return taken, code.astype(np.float64), np.ones(len(taken))
