"""What fitting the three boosters shares: native names, learning and stop rows, the stop score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import model_validator

from kit.contracts import Run, Watch
from kit.errors import FitError, RecipeError, nearest
from kit.params import Params
from kit.types import Bools, Design, Floats, Floats32, Objective, Task

SEED = "set `seed` of the recipe instead"
THREADS = "the run decides: threads never change a result"
DEVICE = "the run decides: set its device instead"
QUIET = "leave it out: kit keeps the library silent"
STOP = "leave it out: a fit stops on the loss of its own objective; score with `metric` of the recipe"
COLUMNS = "leave it out: the features say which columns are categories"
CLASSES = "leave it out: the task says it"
FIXED = "leave it out: kit fixes it so that results can be repeated"
WEIGHTS = "leave it out: declare `weights` in the recipe instead"
FILES = "leave it out: kit saves models itself"


class BoosterParams(Params):
    """Parameters of a booster: a library name that kit has a field for sets that field, others go to `native`."""

    OWN: ClassVar[Mapping[str, str]] = {}
    MANAGED: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _own_fields(cls, data: Any) -> Any:
        """Move library names that mean a field of kit into it, so that a thing has one key however it is written."""
        if not isinstance(data, Mapping):
            return data
        native = data.get("native") or {}
        moved: dict[Any, Any] = {}
        kept: dict[str, Any] = {}
        for name, value in [*((n, v) for n, v in data.items() if n != "native"), *native.items()]:
            target = cls.NATIVE.get(name, "")
            if name in cls.model_fields and name not in native:
                place, into = name, moved
            elif target in cls.MANAGED:
                raise ValueError(f"{name} is not yours to set: {cls.MANAGED[target]}")
            elif target in cls.OWN:
                place, into = cls.OWN[target], moved
            elif name in native:
                place, into = cls._known(name), kept
            else:
                place, into = name, moved
            if place in into:
                raise ValueError(f"{place} is given twice, once as {name}")
            into[place] = value
        return {**moved, **({"native": kept} if kept else {})}

    @classmethod
    def _known(cls, name: str) -> str:
        if name not in cls.NATIVE:
            raise ValueError(f"the library has no parameter {name}; {nearest(name, cls.NATIVE)}".rstrip("; "))
        return cls.NATIVE[name]


def objective_of(chosen: object, task: Task, own: str, allowed: Mapping[str, Sequence[str]]) -> str:
    """Return the library's objective: `own`, or the one given natively if its prediction fits the task.

    Raises:
        RecipeError: the native objective does not fit.
    """
    if chosen is None:
        return own
    name = str(chosen)
    fits = (own, *allowed[task.kind])
    if name.split(":", maxsplit=1)[0] in fits or name in fits:
        return name
    raise RecipeError(
        f"this objective does not fit a {task.kind} task",
        got=name,
        allowed=fits,
        next=nearest(name, fits) or "leave it out: kit takes it from the metric",
    )


@dataclass(frozen=True)
class Sample:
    """Rows as the library wants them: x (n, d) float32, y (n,), weight (n,), both float64."""

    x: Floats32
    y: Floats
    weight: Floats


def learning(design: Design, order: Literal["C", "F"]) -> Sample:
    """Return the learning rows; those with w = 0 are dropped.

    Raises:
        FitError: no row is left.
    """
    sample = _sample(design, design.w, order)
    if sample is None:
        raise FitError("no row to learn from", got=f"{len(design)} rows, all with weight 0")
    return sample


def stopping(design: Design | None, order: Literal["C", "F"]) -> Sample | None:
    """Return the stop rows under their scoring weights v, or None where there is none."""
    return None if design is None else _sample(design, design.v, order)


def _sample(design: Design, weight: Floats, order: Literal["C", "F"]) -> Sample | None:
    if design.y is None:
        raise FitError("these rows have no y", got=f"{len(design)} rows")
    keep = weight > 0
    if not keep.any():
        return None
    if keep.all():
        return Sample(design.matrix(order), design.y, weight)
    x: Floats32 = np.empty((int(keep.sum()), design.n_columns), np.float32, order=order)
    at = 0
    for block in design.blocks:
        np.compress(keep, block.x, axis=0, out=x[:, at : (at := at + block.x.shape[1])])
    return Sample(x, design.y[keep], weight[keep])


def chosen(sample: Sample, keep: Bools) -> Sample | None:
    """Return the rows of a sample to keep, or None where none is left."""
    if keep.all():
        return sample
    return Sample(sample.x[keep], sample.y[keep], sample.weight[keep]) if keep.any() else None


def stop_loss(objective: Objective, sample: Sample, mean: Floats) -> float:
    """Return the weighted loss of a prediction, summed in one fixed order so that threads cannot change its bits.

    Args:
        mean: (n,) or (n, m): the value, P(positive) or the class probabilities.
    """
    y, v = sample.y, sample.weight
    if objective == "squared":
        return math.sqrt(float(np.sum(v * (y - mean) ** 2) / np.sum(v)))
    if objective == "absolute":
        loss = np.abs(y - mean)
    else:
        right = mean[np.arange(len(y)), y.astype(int)] if objective == "softmax" else np.where(y > 0, mean, 1 - mean)
        loss = -np.log(np.clip(right, 1e-15, 1.0))
    return float(np.sum(v * loss) / np.sum(v))


class Monitor:
    """Follows a fit: the curve so far, the best step, and whether to end."""

    def __init__(self, run: Run, patience: int, *, choose: bool) -> None:
        """Watch a fit; `choose` = it has stop rows and is free to keep its best step."""
        self._watch: Watch = run.watch
        self._patience = patience
        self._choose = choose and run.steps is None
        self.curve: list[float] = []
        self.steps = 0
        self._best = (math.inf, 0)

    def ends(self, score: float = math.nan) -> bool:
        """Take note of one more step and its stop loss (NaN without stop rows); return whether to end the fit."""
        self.steps += 1
        if not math.isnan(score):
            # Where a library sums by thread the last digits of a score depend on them; a choice must not.
            score = float(f"{score:.12g}")
            self.curve.append(score)
            if score < self._best[0]:
                self._best = (score, self.steps)
        waited = self._choose and bool(self.curve) and self.steps - self._best[1] >= self._patience
        return bool(self._watch(self.steps, score)) or waited

    @property
    def best_step(self) -> int:
        """Steps to keep: up to the best stop loss, or all of them where nothing may be chosen."""
        return (self._best[1] if self._choose else 0) or self.steps


def shares(mean: Floats32) -> Floats32:
    """Return class scores (n, m) as shares of their row's sum: one-against-rest probabilities do not add up to 1."""
    total = mean.sum(axis=1, keepdims=True)
    out: Floats32 = np.divide(mean, total, out=np.full_like(mean, 1 / mean.shape[1]), where=total > 0)
    return out


def refuse_unless(value: object, allowed: Sequence[str], name: str) -> None:
    """Raise RecipeError unless a native value is one that kit can carry out."""
    if value not in allowed:
        raise RecipeError(f"kit does not carry out this {name}", got=value, allowed=allowed)
