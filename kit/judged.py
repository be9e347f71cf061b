"""A metric's module as those see it who only use it: over all rows, or within groups."""

from __future__ import annotations

from typing import Any

from kit import grouped, returned
from kit.errors import DataError, RecipeError
from kit.judging import Metric
from kit.owned import locked, own_code
from kit.types import Floats, Pred, Task


def of(name: str, shown: str, module: Any, *, own: bool) -> Metric:
    """Return the metric of a module. Its score of rows none of which counts is a DataError.

    `shown`: the name as people read it; `own`: it is a file of the user's own.
    """
    base, by = grouped.split(name)
    decide, tally, fast = (getattr(module, offer, None) for offer in ("decide", "tally", "by_group"))

    def plain(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
        if by is None and getattr(module, "NEEDS_BY", False):
            raise RecipeError(needs_by(name), got=name, next=f"metric: {{{name}: {{by: <column>}}}}")
        value = module.score(task, y, pred, v)
        return float(value) if not own else returned.number(base, value)

    def own_plain(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
        """Score one group by a file of the user's own."""
        with own_code():
            return plain(task, locked(y), pred, locked(v))

    within = None if by is None else grouped.Within(shown, by, own_plain if own else plain, None if own else fast)

    def score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
        if not (v > 0).any():
            rule, advice = f"{name} needs a row that counts", "give a row of each fold a weight above 0"
            raise DataError(rule, got=f"{len(v)} rows, none of a weight above 0", next=advice)
        return plain(task, y, pred, v) if within is None else within.score(task, y, pred, v)

    def own_score(task: Task, y: Floats, pred: Pred, v: Floats) -> float:
        """Score by a file of the user's own: what it raises or returns amiss is an error that names the file."""
        std = None if pred.std is None else locked(pred.std)
        with own_code():
            return score(task, locked(y), Pred(locked(pred.mean), std), locked(v))

    return Metric(name, module.BETTER, module.WANTS, own_score if own and by is None else score, decide, tally, within)


def needs_by(name: str) -> str:
    """Return the rule that a metric of rankings breaks without groups."""
    return f"{name} scores the order of the rows within a query or session, and needs `by`, the column that names it"
