"""What fitting the three boosters shares: native names, learning and stop rows, the stop score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from kit.contracts import Run, Watch
from kit.errors import FitError, RecipeError, nearest
from kit.models import _ranking as ranking
from kit.models._classes import ClassWeight
from kit.models._losses import Loss, mean_loss
from kit.params import Params
from kit.types import Bools, Design, Floats, Floats32, Ints

SEED = "set `seed` of the recipe instead"
THREADS = "the run decides: threads never change a result"
DEVICE = "the run decides: set its device instead"
QUIET = "leave it out: kit keeps the library silent"
STOP = "leave it out: a fit stops on the loss of its own objective; score with `metric` of the recipe"
COLUMNS = "leave it out: the features say which columns are categories"
CLASSES = "leave it out: the task says it"
FIXED = "leave it out: kit fixes it so that results can be repeated"
WEIGHTS = "use class_weight: balanced, or class_weight: {label: weight}"
FILES = "leave it out: kit saves models itself"
UNUSED = "leave it out: kit has no use for it (command line, files, text, prediction)"
QUERY = "leave it out: `by` of the metric says which rows are those of a query"


class BoosterParams(Params):
    """Parameters of a booster: a library name that kit has a field for sets that field, others go to `native`."""

    OWN: ClassVar[Mapping[str, str]] = {}
    MANAGED: ClassVar[Mapping[str, str]] = {}

    objective: str | None = None
    """What is trained for and stopped on, by kit's name (docs/learners.md) or the library's. None: what the metric asks
    for."""
    level: float | None = None
    """The level of an objective that has one: alpha of quantile and expectile, delta of huber, c of fair, power of
    tweedie, gamma of focal."""
    class_weight: ClassWeight = None
    """Weight of each class in learning: `balanced`, or {label: weight}; classes not named count 1."""
    monotone: dict[str, Literal[-1, 0, 1]] = Field(default_factory=dict)
    """Columns of the matrix that may only raise (1) or lower (-1) the prediction, by name."""

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


@dataclass(frozen=True)
class Sample:
    """Rows as the library wants them: x (n, d) float32, y (n,), weight (n,), both float64.

    `sizes` (G,): where queries are ranked, their numbers of rows, which stand one query after the other.
    """

    x: Floats32
    y: Floats
    weight: Floats
    sizes: Ints | None = None

    def bare(self) -> Sample:
        """Return the rows without the values of their columns."""
        return replace(self, x=self.x[:, :0].copy())

    def of_queries(self) -> Floats:
        """Return (G,) the mean weight of the rows of each query, where queries are ranked; else those of the rows."""
        if self.sizes is None:
            return self.weight
        return np.asarray(np.add.reduceat(self.weight, np.cumsum(self.sizes) - self.sizes) / self.sizes)

    def torn_weights(self) -> bool:
        """Return whether rows of a query weigh differently."""
        return self.sizes is not None and not np.allclose(np.repeat(self.of_queries(), self.sizes), self.weight)

    def probe(self) -> Sample | None:
        """Return some of the rows, whole queries, by which scores are placed; None where nothing is ranked."""
        if self.sizes is None:
            return None
        at, sizes = ranking.probed(self.sizes)
        return Sample(self.x[at], self.y[at], self.weight[at], sizes)


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
    if design.query is not None:
        return _by_query(design, weight, design.query, order)
    if keep.all():
        return Sample(design.matrix(order), design.y, weight)
    x: Floats32 = np.empty((int(keep.sum()), design.n_columns), np.float32, order=order)
    at = 0
    for block in design.blocks:
        np.compress(keep, block.x, axis=0, out=x[:, at : (at := at + block.x.shape[1])])
    return Sample(x, design.y[keep], weight[keep])


def _by_query(design: Design, weight: Floats, query: Ints, order: Literal["C", "F"]) -> Sample:
    """Return the rows that count, one query after the other, those of a query in their order."""
    rows = np.flatnonzero(weight > 0)
    rows = rows[np.argsort(query[rows], kind="stable")]
    x: Floats32 = np.empty((len(rows), design.n_columns), np.float32, order=order)
    at = 0
    for block in design.blocks:
        np.take(block.x, rows, axis=0, out=x[:, at : (at := at + block.x.shape[1])])
    y = np.empty(0) if design.y is None else design.y[rows]
    return Sample(x, y, weight[rows], np.unique(query[rows], return_counts=True)[1])


def chosen(sample: Sample, keep: Bools) -> Sample | None:
    """Return the rows of a sample to keep, or None where none is left."""
    if keep.all():
        return sample
    return Sample(sample.x[keep], sample.y[keep], sample.weight[keep]) if keep.any() else None


Stopper = Callable[[Floats], float]
"""The loss of a prediction for the stop rows, (n,) or (n, m): the value, the score, P(positive) or probabilities."""


def stopper(
    loss: Loss, stop: Sample | None, probe: Sample | None, gains: Sequence[float] | None = None
) -> Stopper | None:
    """Return the loss under the stop rows' weights, None where there are none.

    `probe`: some learning rows where queries are ranked, whose grades are worth `gains`.

    Raises:
        DataError: the loss is of rankings, and rows are of no query, or no stop row's query has anything to win.
    """
    if loss.name in ranking.RANKINGS and probe is None:
        ranking.refuse()
    if stop is None:
        return None
    if loss.name in ranking.RANKINGS:
        return ranking.Stop.of(stop, gains).loss
    return partial(mean_loss, loss, stop.y, stop.weight)


@contextmanager
def told(library: str, error: type[Exception]) -> Iterator[None]:
    """Turn the library's own errors inside into FitError: they are of parameters it does not take, or of the data."""
    try:
        yield
    except error as caught:
        lines = [line.strip() for line in str(caught).splitlines() if line.strip()]
        got = lines[0] if lines else type(caught).__name__
        raise FitError(f"{library} refuses", got=got) from caught


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

    def as_curve(self) -> Floats:
        """Return (steps,) the stop loss after each step."""
        return np.array(self.curve, np.float64)

    @property
    def best_step(self) -> int:
        """Steps to keep: up to the best stop loss, or all of them where nothing may be chosen."""
        return (self._best[1] if self._choose else 0) or self.steps


def shares(mean: Floats) -> Floats:
    """Return class scores (n, m) as shares of their row's sum: one-against-rest probabilities do not add up to 1."""
    total = mean.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(mean, total, out=np.full_like(mean, 1 / mean.shape[1]), where=total > 0))


def refuse_unless(value: object, allowed: Sequence[str], name: str) -> None:
    """Raise RecipeError unless a native value is one that kit can carry out."""
    if value not in allowed:
        raise RecipeError(f"kit does not carry out this {name}", got=value, allowed=allowed)
