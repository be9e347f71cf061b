"""Returns what the target was in the same group, no later than a delay before the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.errors import RecipeError
from kit.features import lag
from kit.params import KeyName, TimeName
from kit.types import NO_PARENT, Array, Block, Column, Floats, Floats32, Rows, Task, labelled

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "fold"
KINDS: tuple[str, ...] = ()
ACCEPTS: tuple[str, ...] = ()

HISTORY = "by"
"""The param that says whose past is told: folds that hold such groups whole have none of it."""
NEAR = 1e-9
"""Share of a time by which another may differ and still be the same: hours are no exact parts of a day."""

Span = Annotated[float, Field(gt=0)]


class Params(base.Params):
    """The target of learning rows at times that lie `delay` or more before the row's; rows of one time count as one, by
    their mean. Where there is none, or the time or key is missing, the result is missing, as it is for synthetic rows,
    which would be told their parents' targets.

    Regression and binary give one column each (value, share of the positive class), multiclass one per class.
    """

    time: TimeName
    """The column that says what is earlier, a date or a number. The columns of groups and time may stand here."""

    delay: Span
    """How long before a row the last target it may know lies, in units of `time`: as long as from the last training row
    to the last of test. Then no row of a held block, or of test, is told less than the rows that are learnt from."""

    by: tuple[KeyName, ...] = ()
    """The key: rows that agree in all these columns are a group. Empty: all rows are one."""

    lags: lag.Steps = (1,)
    """Steps back among the times that are known: 1 = the last one."""

    means: lag.Steps = ()
    """Mean over so many last known times."""

    back: tuple[Span, ...] = ()
    """The target exactly so long before the row, in units of `time`, `delay` at least: [14, 21] is the same weekday."""


@dataclass(frozen=True, eq=False)
class TargetLag:
    """The history of the target; `columns`: what its columns are called, one for each class of several."""

    params: Params
    history: lag.Lag
    columns: tuple[str, ...]
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return what is known of the target before each row, (n, d) float32 in Fortran order."""
        params, past, found = self.params, self.history, dict[str, Array]()
        group, time = lag.group_of(past.keys, past.params, rows), rows.x[params.time].astype(np.float64)
        near = NEAR * np.maximum(np.abs(time), 1.0)
        now, first = past.bounds(group, time - params.delay + near)
        exact = {span: self._exactly(group, time - span, near) for span in params.back}
        for name, values in zip(self.columns, past.values, strict=True):
            found |= {f"lag{k}({name})": lag.at_points(values, now - k, first) for k in params.lags}
            found |= {f"mean{k}({name})": lag.mean_before(values, now, first, k) for k in params.means}
            found |= {f"back{s:g}({name})": lag.at_points(values, at, np.zeros_like(at)) for s, at in exact.items()}
        x: Floats32 = np.empty((len(rows), len(found)), np.float32, order="F")
        for j, column in enumerate(found.values()):
            x[:, j] = column
        x[(rows.parents != NO_PARENT).any(axis=1)] = np.nan
        return Block(tuple(found), x)

    def _exactly(self, group: Array, time: Floats, near: Floats) -> Array:
        """Return (n,) the point of each row's group at that time, -1 where there is none."""
        past = self.history
        now, first = past.bounds(group, time + near)
        at = np.where(now > first, now - 1, -1)
        if not len(past.points):
            return at
        then = past.times[past.points[np.maximum(at, 0)] % (len(past.times) + 1)]
        return np.where((at >= 0) & (then >= time - near), at, -1)


def ready(params: Params, header: dict[str, Column]) -> Params:
    """Return the params, checked when the plan is made.

    Raises:
        RecipeError: nothing is asked for, or what is not known yet.
    """
    if not (params.lags or params.means or params.back):
        raise RecipeError("target_lag has nothing to do", next="give lags, means or back")
    if any(span < params.delay for span in params.back):
        got = f"back: {list(params.back)}, delay: {params.delay:g}"
        raise RecipeError(
            "target_lag looks back by less than its delay", got=got, next="lower the delay, or look further"
        )
    return params


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> TargetLag:
    """Return the history of the target over all `rows`.

    Raises:
        RecipeError: a named column has the wrong kind.
    """
    y = labelled(rows)
    parts = [y] if task.kind != "multiclass" else [y == k for k in range(len(task.classes))]
    given = {f"target\t{j}": np.asarray(part, np.float64) for j, part in enumerate(parts)}
    read = {str(name): rows.x[name] for name in (*params.by, params.time)}
    header = {name: rows.header[name] for name in read} | dict.fromkeys(given, Column("numeric"))
    of_x = lag.Params.model_validate({"columns": list(given), "by": list(params.by), "time": params.time})
    history = lag.learn(of_x, task, Rows(rows.row, {**read, **given}, header), rng)
    label = " & ".join(params.by)
    name = f"target by {label}" if label else "target"
    several = [f"{name}|{c}" for c in task.classes] if task.kind == "multiclass" else [name]
    return TargetLag(params, history, tuple(several))
