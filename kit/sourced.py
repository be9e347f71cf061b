"""Learning rows of a model over others, under folds that leave rows without an out-of-fold prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kit.overlay import Overlay
from kit.types import Array, Floats, Pred, Rows, Task, labelled


def spoken_of(rows: Rows, sources: Sequence[str], task: Task, *, sure: bool = True) -> tuple[Rows, bool]:
    """Return the rows that all sources speak of, and whether none was and the sources are taken at their word.

    Under a split by time the earliest rows are never held: there is nothing to be learnt of a source from them, and
    they are left out. Where a fold has no others, a source is taken to be right; where its errors are what is learnt,
    not `sure`, it says the mean of y.
    """
    if not sources:
        return rows, False
    known = np.all([np.isfinite(rows.x[name]).all(axis=1) for name in sources], axis=0)
    if known.all() or not len(rows):
        return rows, False
    if known.any():
        return rows.take(np.flatnonzero(known)), False
    right = _right(labelled(rows), task) if sure else np.full((len(rows), 1), np.mean(labelled(rows)))
    said = {name: _wide(right, rows.header[name].width) for name in sources}
    return replace(rows, x=Overlay(rows.x, said, tuple(said))), True


def believed(pred: Pred, rows: Rows, sources: Sequence[str]) -> Pred:
    """Return the mean of the sources in place of a prediction; its std stays.

    A model that could learn nothing of its sources says what they say.
    """
    m = pred.mean.shape[1]
    said = np.stack([rows.x[name][:, :m] for name in sources])
    return Pred(np.asarray(said.mean(axis=0, dtype=np.float64), np.float32), pred.std)


def _right(y: Floats, task: Task) -> Floats:
    """Return (n, m) what a source says that knows y: the value, P(positive) or the class probabilities."""
    return np.eye(task.n_out)[y.astype(np.int64)] if task.kind == "multiclass" else y[:, None]


def _wide(right: Floats, width: int) -> Array:
    """Return it (n, width) float32: a further element is the std, here 0."""
    out = np.zeros((len(right), width), np.float32)
    out[:, : right.shape[1]] = right[:, :width]
    return out
