"""Area under the ROC curve; multiclass: the mean over the classes of one class against the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from kit.errors import DataError
from kit.rowgroups import Groups
from kit.types import Bools, Floats, Floats32, Objective, Pred, PredKind, Task, TaskKind

BETTER: Literal["lower", "higher"] = "higher"
TASKS: tuple[TaskKind, ...] = ("binary", "multiclass")
WANTS: PredKind = "proba"
OBJECTIVE: Mapping[str, Objective] = {"binary": "logloss", "multiclass": "softmax"}
CODEC: str = "identity"
SCALE_FREE = True
RANGE: tuple[float | None, float | None] = (0.0, 1.0)


def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
    """Return P(a positive ranks above a negative), ties counting one half.

    Multiclass: the plain mean over the classes that occur in y with a weight above 0, so that a rare class that is
    absent from one fold does not stop the run.

    Shape: y, v (n,) float64; pred.mean (n, 1) or (n, C).

    Raises:
        DataError: all rows of positive weight are of one class.

    >>> task = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
    >>> score(task, np.array([0.0, 0.0, 1.0]), Pred(np.array([[0.1], [0.6], [0.6]])), np.ones(3))
    0.75
    """
    if task.kind == "binary":
        return _binary(y == 1, pred.mean[:, 0], v)
    present = np.unique(y[v > 0]).astype(np.int64)
    return float(np.mean([_binary(y == k, pred.mean[:, k], v) for k in present]))


def by_group(task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
    """Return (G,) the score of each group, NaN where all its rows are of one class."""
    if task.kind == "binary":
        return _in_groups(y == 1, pred.mean[:, 0], groups)
    scores, there = np.zeros(len(groups.code)), np.zeros(len(groups.code))
    for k in range(task.n_out):
        here = groups.total(y == k) > 0
        scores[here] += _in_groups(y == k, pred.mean[:, k], groups)[here]  # NaN where it is the only class
        there += here
    return scores / there


def _binary(positive: Bools, p: Floats32, v: Floats) -> float:
    order = np.argsort(p)
    ranked = p[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    good = np.where(positive, v, 0.0)[order]
    bad = np.where(positive, 0.0, v)[order]
    if not (good.any() and bad.any()):
        raise DataError(
            "AUC needs rows of both classes",
            got=f"{int(positive.sum())} positive of {len(p)} rows",
            next="use a stratified split or another metric",
        )
    good, bad = np.add.reduceat(good, starts), np.add.reduceat(bad, starts)
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2)).sum() / (good.sum() * bad.sum()))


def _in_groups(positive: Bools, p: Floats32, groups: Groups) -> Floats:
    order = groups.rising(p)
    ranked = p[order]
    new = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    new[groups.starts] = True
    ties = np.flatnonzero(new)
    good, bad = (np.add.reduceat((groups.v * on)[order], ties) for on in (positive, ~positive))
    firsts = np.searchsorted(ties, groups.starts)
    below = np.cumsum(bad) - bad
    below -= below[firsts][groups.of[ties]]
    wins = np.add.reduceat(good * (below + bad / 2), firsts)
    pairs = np.add.reduceat(good, firsts) * np.add.reduceat(bad, firsts)
    return np.where(pairs > 0, wins / np.where(pairs > 0, pairs, 1.0), np.nan)
