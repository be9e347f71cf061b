"""The contracts of plug-ins: one Protocol per kind.

A plug-in is one module in its folder; its file name is its recipe name. It imports its library inside its verbs only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from kit.judging import Metric
from kit.params import Params
from kit.types import (
    Array,
    Block,
    Bools,
    Design,
    Floats,
    Floats32,
    Ints,
    Objective,
    Pred,
    PredKind,
    Rows,
    Task,
    TaskKind,
)

Scope = Literal["row", "table", "fold"]
AnyParams = Params

P = TypeVar("P", bound=Params, contravariant=True)  # noqa: PLC0105 - a short name reads best in seven Protocols

Watch = Callable[[int, float], bool]
"""`watch(step, stop_score)` is called after each step of a fit; True ends the fit."""


def never(step: int, stop_score: float) -> bool:
    """Return False: the watch of a fit that nobody watches."""
    return False


@dataclass(frozen=True)
class Run:
    """How a fit is carried out. Nothing but `rng` and `steps` may shape its result on one kind of device.

    `steps`: train exactly that many steps and do not stop early; None = as the params say.
    `watch`: `never` itself where nobody watches, so that a learner need not tell. `device`: "cpu" or "cuda".
    """

    rng: np.random.Generator
    watch: Watch = never
    steps: int | None = None
    threads: int = 1
    device: Literal["cpu", "cuda"] = "cpu"


class Fitted(Protocol):
    """A trained model: a frozen dataclass of arrays and native model bytes, never a closure."""

    @property
    def best_step(self) -> int:
        """Steps (boosting rounds, epochs) used by `predict`; 0 for a model without steps."""

    @property
    def curve(self) -> Floats:
        """(steps,) the stop rows' loss after each step; empty without stop rows."""

    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""

    def importance(self) -> Floats | None:
        """Return (d,) the gain per matrix column, or None where the model has none."""

    def save(self, folder: Path) -> None:
        """Write the model into an existing empty folder in native formats or safetensors."""


class ModelModule(Protocol[P]):
    """A learner. `prepare` makes the library's own data, `fit` trains on it; `load` reads what `Fitted.save` wrote.

    STEPS: the parameter that counts its steps, "" for none. STEP_GROWS: more rows want more (rounds do, epochs do not).
    DATA_PARAMS: what `prepare` depends on. COST: its time, LightGBM's being 1. Optional: `check(params, task)` raises
    RecipeError when planned, `ranks(params)`: designs tell queries, READS_TOKENS; a Fitted's `device` and `notes`.
    """

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]
    TASKS: tuple[TaskKind, ...]
    OBJECTIVES: tuple[Objective, ...]
    STEPS: str
    STEP_GROWS: bool
    DATA_PARAMS: tuple[str, ...]
    DEVICES: tuple[str, ...]
    COST: float

    def prepare(self, params: P, task: Task, train: Design, stop: Design | None, run: Run) -> Any:
        """Return the library's data; reusable by `fit` for any params equal in DATA_PARAMS."""

    def fit(self, params: P, task: Task, data: Any, run: Run) -> Fitted:
        """Return the model trained on `data`, stopped on its stop rows unless `run.steps` says how far to go."""

    def load(self, folder: Path) -> Fitted:
        """Return the model that `Fitted.save` wrote."""


class Learnt(Protocol):
    """A learnt feature: a frozen dataclass of arrays. Calling it must not depend on y, nor on other rows."""

    def __call__(self, rows: Rows) -> Block:
        """Return the feature of any rows."""

    @property
    def own(self) -> Block | None:
        """The learning rows' own Block where it must differ from `self(rows)` (cross-fitting), else None."""


class FeatureModule(Protocol[P]):
    """A feature builder. SCOPE says what `learn` is handed; KINDS which columns a bare name selects.

    ACCEPTS: the kinds of columns it takes by name. A parameter `scope` overrides SCOPE. It may have COLUMNS_ONLY = True
    (it stands under `columns:`), CATEGORIES or TOKENS = True (its blocks may hold some), TAKES_TIME = True (it may read
    the column with the role of time), DEVICES, `ready(params, header) -> params`, which refuses or fills in, and
    `check_model(params, folder)`, which refuses a text model that was found.
    """

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]
    SCOPE: Scope
    KINDS: tuple[str, ...]
    ACCEPTS: tuple[str, ...]

    def learn(self, params: P, task: Task, rows: Rows, rng: np.random.Generator) -> Learnt:
        """Return the learnt feature. Rows: none but the header (row), all without y (table), learning rows (fold)."""


class AugmentModule(Protocol[P]):
    """An augmenter: makes new rows out of learning rows."""

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]

    def make(self, params: P, rows: Rows, rng: np.random.Generator) -> Rows:
        """Return new rows only: row < 0, parents set, same header."""


class TeacherModule(Protocol[P]):
    """An augmenter that makes rows out of such whose y is not known: it has `label` and no `make`.

    Its params name a model (SourceName): `pred` is what that one's fit of the same fold says of test rows and, unless a
    parameter `held` is false, of the held rows, whose y neither has seen.
    """

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]

    def label(self, params: P, task: Task, rows: Rows, pred: Pred, rng: np.random.Generator) -> Rows:
        """Return new rows only: row < 0, first parents among the rows given, same header."""


class WeightModule(Protocol[P]):
    """A weighting of the learning and synthetic rows."""

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]

    def weigh(self, params: P, rows: Rows) -> Floats:
        """Return (n,) finite factors >= 0 for w; 0 drops a row. The rows have y, w, group and time, and no columns."""


class Codec(Protocol):
    """A learnt target transform: a frozen dataclass of arrays."""

    def encode(self, rows: Rows) -> Floats:
        """Return the rows' y (n,) as the learner sees it."""

    def decode(self, pred: Pred, rows: Rows) -> Pred:
        """Return the prediction for `rows` (which are blind) on the recipe's scale."""


class CodecModule(Protocol[P]):
    """A target transform. TASKS: for which kinds it makes sense. EXACT: whether decode undoes encode.

    ADDS (optional): its parameter that names a source whose prediction `decode` adds to what the learner says.
    """

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]
    TASKS: tuple[TaskKind, ...]
    EXACT: bool

    def learn(self, params: P, task: Task, rows: Rows) -> Codec:
        """Return the codec, learnt on the real learning rows."""

    def task(self, params: P, task: Task) -> Task:
        """Return the task the learner is given."""


@dataclass(frozen=True)
class Context:
    """What a stacker may know beside z, y, v. `sources`: S names.

    std (S, n), NaN where a source has none; group, fold (n,) int64, fold: held where; plain (n,), what rows count by
    the data's own weights, v being that under a declared distribution; each may be None.
    """

    task: Task
    metric: Metric
    rng: np.random.Generator
    sources: tuple[str, ...]
    std: Floats32 | None = None
    group: Ints | None = None
    fold: Ints | None = None
    plain: Floats | None = None

    def at(self, rows: Ints | Bools) -> Context:
        """Return the context of some of the rows."""
        std = None if self.std is None else self.std[:, rows]
        group, fold = (None if a is None else a[rows] for a in (self.group, self.fold))
        plain = None if self.plain is None else self.plain[rows]
        return Context(self.task, self.metric, self.rng, self.sources, std, group, fold, plain)


class Combiner(Protocol):
    """A fitted stacker: a frozen dataclass of arrays."""

    @property
    def weights(self) -> Floats | None:
        """(S,) how much each source counts, or None where that has no meaning."""

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the combined prediction of z (S, n, m)."""


class StackerModule(Protocol[P]):
    """A stacker. LINEAR: combining averages = averaging combinations. SOURCES: how many it takes (least, most).

    PER_FOLD: a non-linear one is applied to each fold model's test prediction and then averaged; False = applied once
    to the average (rounding: an average of rounded values is not rounded). LEARNS = False (optional): y shapes nothing
    in it, so that it may stand over anything (kit/chains.py). SETS_SCALE = True (optional): it makes values of scores.
    """

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]
    TASKS: tuple[TaskKind, ...]
    LINEAR: bool
    PER_FOLD: bool
    SOURCES: tuple[int, int]
    RETURNS: PredKind | None

    def fit(self, params: P, ctx: Context, z: Floats32, y: Floats, v: Floats) -> Combiner:
        """Return the combiner of z (S, n, m) for truth y (n,) under scoring weights v (n,)."""


@dataclass(frozen=True)
class Assignment:
    """What a splitter returns: held (n,) fold or -1 = never; train (folds, n) bool, or None = all not held."""

    held: Array
    train: Bools | None = None


class SplitModule(Protocol[P]):
    """A splitter. NEEDS: the role columns it cannot do without ("group", "time"). RANDOM: repeats differ."""

    @property
    def Params(self) -> type[AnyParams]:
        """The plug-in's parameters."""

    LIBS: tuple[str, ...]
    NEEDS: tuple[str, ...]
    RANDOM: bool

    def assign(self, params: P, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
        """Return who is held where. Folds are numbered from 0 and none is empty."""
