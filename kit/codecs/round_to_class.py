"""Returns numbers rounded to classes to a classifier, and the expected value of its probabilities back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from kit import params as base
from kit.types import Floats, Pred, Rows, Task, TaskKind, labelled

LIBS: tuple[str, ...] = ()
TASKS: tuple[TaskKind, ...] = ("regression",)
EXACT = False


class Params(base.Params):
    """A classifier for a numeric target: y is rounded to low, low + 1, ..., high; the mean comes with a std."""

    low: Annotated[int, Field(examples=[0])]
    """The lowest class; lower values count as it."""

    high: Annotated[int, Field(examples=[12])]
    """The highest class; higher values count as it."""

    expect: bool = True
    """Predict the expected value; false: the most probable class."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 2 <= self.high - self.low + 1 <= 1000:
            raise ValueError("high must be above low, with at most 1000 classes")
        return self


@dataclass(frozen=True)
class RoundToClass:
    """The values of the classes (c,), ascending, and whether the expected value is predicted."""

    values: Floats
    expect: bool

    def encode(self, rows: Rows) -> Floats:
        """Return the index of the nearest class, (n,) float64."""
        nearest = np.clip(np.rint(labelled(rows)), self.values[0], self.values[-1])
        return np.asarray(nearest - self.values[0], np.float64)

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return the expected (or most probable) value and the standard deviation of the classes."""
        p = pred.mean.astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        mean = p @ self.values
        variance = (p * (self.values - mean[:, None]) ** 2).sum(axis=1)
        # Half a class wide even where all weight is on one: y was rounded (variance 1/12 of a uniform error).
        std = np.sqrt(variance + 1 / 12)
        shown = mean if self.expect else self.values[p.argmax(axis=1)]
        return Pred(shown[:, None].astype(np.float32), std.astype(np.float32))


def learn(params: Params, task: Task, rows: Rows) -> RoundToClass:
    """Return the codec; nothing is learnt."""
    return RoundToClass(np.arange(params.low, params.high + 1, dtype=np.float64), params.expect)


def task(params: Params, task: Task) -> Task:
    """Return a task of as many classes."""
    return Task("multiclass", "softmax", tuple(range(params.low, params.high + 1)))
