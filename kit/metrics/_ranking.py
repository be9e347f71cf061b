"""What the metrics of rankings share: the rows of a query, best first. Places are counted in rows, hits in weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kit.errors import DataError
from kit.rowgroups import Groups, one_group
from kit.types import Floats, Pred, Task

ByGroup = Callable[[Task, Floats, Pred, Groups, float], Floats]


@dataclass(frozen=True)
class Ranked:
    """Rows of each group, best first: place (n,) from 1, grade (n,) of relevance, v (n,) weights."""

    place: Floats
    grade: Floats
    v: Floats
    groups: Groups

    @property
    def hit(self) -> Floats:
        """(n,) the weight of a relevant row, 0 of another."""
        return np.where(self.grade > 0, self.v, 0.0)

    @property
    def relevant(self) -> Floats:
        """(G,) the weight of the relevant rows, NaN where there is none: then nothing can be found."""
        weight = self.groups.total(self.hit)
        return np.where(weight > 0, weight, np.nan)


def ranked(y: Floats, pred: Pred, groups: Groups) -> Ranked:
    """Return the rows in the order of the prediction; of tied ones the less relevant first, so that ties gain nothing.

    Raises:
        DataError: a grade is negative.
    """
    _check(y)
    tie = groups.kept("worst", y, lambda: np.lexsort((groups.v, y)))
    return _placed(groups.rising(-pred.mean[:, 0], tie), y, groups)


def ideal(y: Floats, gain: Floats, groups: Groups) -> Ranked:
    """Return the rows in the order of what they gain (n,), most first."""
    return _placed(groups.sorted(-gain), y, groups)


def alone(by_group: ByGroup, task: Task, y: Floats, pred: Pred, v: Floats, at: float) -> float:
    """Return the score of rows that are one query.

    Raises:
        DataError: none of them is relevant.
    """
    groups = one_group(v)
    with np.errstate(invalid="ignore"):
        found = float(by_group(task, y[groups.order], Pred(pred.mean[groups.order]), groups, at)[0])
    if np.isnan(found):
        raise DataError("a ranking needs a relevant row", got=f"{len(y)} rows, all of relevance 0")
    return found


def _placed(order: np.ndarray, y: Floats, groups: Groups) -> Ranked:
    place = np.asarray(1 + np.arange(len(y)) - groups.starts[groups.of], np.float64)
    return Ranked(place, y[order], groups.v[order], groups)


def _check(y: Floats) -> None:
    if len(y) and y.min() < 0:
        raise DataError("relevance is 0 or more", got=float(y.min()), next="shift or mend the target")
