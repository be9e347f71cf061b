"""Objectives by name, one vocabulary for three boosters: kit's names, the library's names, and the loss to stop on.

A dialect says which of kit's objectives a library has, under which names, and which kit adds by gradients of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.errors import DataError, RecipeError, nearest
from kit.models._losses import LOSSES, Loss
from kit.models._ranking import RANKINGS, check_grades
from kit.types import Floats, Task, TaskKind

Gradients = Callable[[Floats, Floats, float], tuple[Floats, Floats]]
"""`gradients(y, raw, level)` returns the first and second derivative of the loss, each (n,)."""

BY_TASK: Mapping[TaskKind, tuple[str, ...]] = {
    "regression": (
        *("squared", "absolute", "huber", "fair", "logcosh", "quantile", "expectile", "mape", "squared_log"),
        *("poisson", "gamma", "tweedie", "cross_entropy"),
        *RANKINGS,
    ),
    "binary": ("logloss", "focal", *RANKINGS),
    "multiclass": ("softmax", "one_vs_all"),
}
"""Objectives that fit a task, by kit's names."""

NEEDS_LEVEL = ("quantile", "expectile")
LEVELS: Mapping[str, float] = {"huber": 1.0, "fair": 1.0, "tweedie": 1.5, "focal": 2.0}
"""Level where neither the recipe nor the library has one."""


@dataclass(frozen=True)
class Dialect:
    """How a library speaks of objectives.

    native: kit's name -> the library's. aliases: further names of the library -> kit's name. level: kit's name -> the
    parameter that holds its level. custom: those kit brings along.
    """

    library: str
    native: Mapping[str, str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    level: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, Gradients] = field(default_factory=dict)

    def known(self, kind: TaskKind) -> dict[str, str]:
        """Return every name that fits a task -> kit's name."""
        own = [name for name in BY_TASK[kind] if name in self.native or name in self.custom]
        own += ["gaussian"] if kind == "regression" and "gaussian" in self.native else []
        known = {name: name for name in own}
        known |= {self.native[name]: name for name in own if name in self.native}
        return known | {alias: name for alias, name in self.aliases.items() if name in own}


@dataclass(frozen=True)
class Chosen:
    """What is trained for: the loss, the library's objective (None = by `gradients`) and its parameter."""

    loss: Loss
    native: str | None
    extra: dict[str, Any] = field(default_factory=dict)
    gradients: Gradients | None = None


def choose(wanted: str | None, level: float | None, native: Mapping[str, Any], task: Task, dialect: Dialect) -> Chosen:
    """Return the objective to train for: the one wanted, else that of the task.

    `native`: the library's own parameters as given; the level may stand there.

    Raises:
        RecipeError: the objective is unknown, does not fit the task, or lacks its level.
    """
    name = task.objective if wanted is None else _named(wanted, task, dialect)
    holder = dialect.level.get(name)
    given = native.get(holder) if holder else None
    if level is not None and given is not None:
        raise RecipeError(f"the level is given twice, once as {holder}", got=f"{level}, {given}", next=f"drop {holder}")
    if level is not None and name not in (*NEEDS_LEVEL, *LEVELS):
        raise RecipeError(f"the objective {name} has no level", got=level, next="leave level out")
    said = level if level is not None else given
    if said is None and name in NEEDS_LEVEL:
        raise RecipeError(f"the objective {name} needs a level", next="say which, such as level: 0.9")
    value = _level(name, LEVELS.get(name, 0.0) if said is None else said)
    extra = {holder: value} if holder and name in (*NEEDS_LEVEL, *LEVELS) else {}
    return Chosen(Loss(name, value), dialect.native.get(name), extra, dialect.custom.get(name))


def ranks(wanted: str | None, dialect: Dialect) -> bool:
    """Return whether an objective, by kit's name or the library's, orders the rows of a query."""
    return wanted is not None and dialect.known("binary").get(wanted) in RANKINGS


def _named(wanted: str, task: Task, dialect: Dialect) -> str:
    """Return kit's name of an objective. One of mean and std cannot be another, for nothing else gives a std."""
    rule = f"{dialect.library} has no such objective for a {task.kind} task"
    known = dialect.known(task.kind)
    if task.objective == "gaussian":
        rule = "this metric wants a mean and a std: only the gaussian objective gives them"
        known = {said: name for said, name in known.items() if name == "gaussian"}
    if wanted not in known:
        hint = nearest(wanted, known) or "leave it out: kit takes it from the metric"
        raise RecipeError(rule, place="objective", got=wanted, allowed=tuple(known), next=hint)
    return known[wanted]


def _level(name: str, said: Any) -> float:
    if name not in (*NEEDS_LEVEL, *LEVELS):
        return 0.0
    low, high = LOSSES[name].bounds
    if isinstance(said, bool) or not isinstance(said, int | float) or not low < said < high:
        rule = f"the level of {name} must be a number between {low:g} and {high:g}"
        raise RecipeError(rule, place="level", got=said)
    return float(said)


def with_parameters(text: str) -> tuple[str, dict[str, float]]:
    """Return name and parameters of an objective as CatBoost writes it.

    >>> with_parameters("Quantile:alpha=0.9")
    ('Quantile', {'alpha': 0.9})

    Raises:
        RecipeError: a parameter is not a number.
    """
    name, _, rest = text.partition(":")
    found = {}
    for part in rest.split(";") if rest else []:
        key, _, value = part.partition("=")
        try:
            found[key] = float(value)
        except ValueError:
            example = "write it as Quantile:alpha=0.9"
            raise RecipeError("not a parameter of an objective", place="objective", got=part, next=example) from None
    return name, found


def check_target(loss: Loss, y: Floats, gains: Sequence[float] | None = None) -> None:
    """Raise DataError where the loss is not defined for a y; `gains`: what grades are worth, where that is given."""
    if loss.name in RANKINGS:
        check_grades(loss.name, y, gains)
        return
    rule = LOSSES[loss.name]
    wrong = ~rule.domain(y)
    if wrong.any():
        raise DataError(
            f"the objective {loss.name} needs {rule.needs}",
            got=f"{int(wrong.sum())} of {len(y)} targets are not, such as {y[np.argmax(wrong)]:g}",
            next="choose another objective, or a target_transform that brings y there",
        )


# -- gradients kit brings along; all of the mean itself, no link


def fair(y: Floats, raw: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the derivatives of c2 (|r| / c - log(1 + |r| / c)), c = level."""
    r = raw - y
    below = np.abs(r) + level
    return level * r / below, (level / below) ** 2


def logcosh(y: Floats, raw: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the derivatives of log cosh r; the second is kept above 0.05, or far rows would take endless steps."""
    slope = np.tanh(raw - y)
    return slope, np.maximum(1.0 - slope**2, 0.05)


def expectile(y: Floats, raw: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the derivatives of |level - (y < raw)| r2."""
    weight = 2.0 * np.where(y < raw, 1.0 - level, level)
    return weight * (raw - y), weight
