"""THE fold: the one function that calls a model. What it does not hand out, no plug-in can leak.

For fold k: train and held are the split's. Train is cut into learn + stop, synthetic rows are made of learn, features
are learnt on learn, the model is fitted on learn + synthetic and stopped on stop, then it predicts held and test.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kit import registry
from kit.canon import stream
from kit.contracts import Fitted, Run, Watch, never
from kit.design import Designs, DesignSpec, Use, build, teaching
from kit.errors import DataError
from kit.evaluate import LEAST_EFFECTIVE, Wanted, effective, factors
from kit.rows import both
from kit.scored import cut_scored
from kit.sections import StopPolicy
from kit.sourced import believed, spoken_of
from kit.types import Bools, Design, Floats, Folds, Ints, Pred, Rows, Task

Memo = Callable[[str, Callable[[], Any]], Any]
"""`memo(name, make)` returns the last value made under that name for the same design, or makes it."""


@dataclass(frozen=True)
class FitSpec:
    """One fit: a model on one fold with one seed.

    `steps`: what the pooled policy chose; None otherwise. `wanted`: the test distribution that stop rows stand for.
    `sources`: columns that hold predictions of other models.
    """

    model: Use
    design: DesignSpec
    task: Task
    split: Use
    stop: StopPolicy
    stop_folds: int | None
    seed_index: int
    steps: int | None = None
    threads: int = 1
    device: Literal["cpu", "cuda"] = "cpu"
    watch: Watch = never
    wanted: Wanted | None = None
    sources: tuple[str, ...] = ()


class Ended(Exception):
    """The watch of a fit ended it: there is no result."""


@dataclass(frozen=True)
class FoldResult:
    """What a fit gives: predictions on the recipe's scale, and what is worth knowing of the model.

    `designs`: the matrices it learnt from, with the learnt features and codec that predict needs. `held_rows`: blind.
    `at_word`: no learning row has predictions of the sources, which were taken to be right.
    """

    held: Pred
    test: Pred
    fitted: Fitted
    best_step: int
    curve: Floats
    designs: Designs
    held_rows: Rows
    held_design: Design
    seconds: float
    n_learn: int
    at_word: bool = False

    def predict(self, design: Design, at: Ints) -> Pred:
        """Return the prediction of a design whose rows are the held rows at positions `at` (n,)."""
        return self.designs.codec.decode(self.fitted.predict(design), self.held_rows.take(at))


@dataclass(frozen=True)
class Handed:
    """What a learner is handed: matrices, and the rows behind them; `stop`: those it is stopped on."""

    designs: Designs
    learn: Rows
    stop: Rows | None
    held: Rows


def fit_fold(spec: FitSpec, train: Rows, test: Rows, folds: Folds, memo: Memo) -> FoldResult:
    """Return the predictions of fold `spec.design.fold`'s model for its held rows and for test."""
    began = time.perf_counter()
    k = spec.design.fold
    learning, at_word = _spoken_of(spec, train.take(np.flatnonzero(folds.is_train(k))))
    held = train.take(np.flatnonzero(folds.is_held(k)))
    learn, stop = _cut(spec, learning, held)
    everything = both(train, test)

    def designs(learn: Rows, stop: Rows | None) -> Designs:
        return build(spec.design, spec.task, learn, stop, everything)

    first: Designs = memo(f"cut {stop is None}", lambda: designs(learn, stop))
    fitted = _fit(spec, first, spec.steps, memo)
    curve, best, made = fitted.curve, fitted.best_step, first
    if spec.stop == "refit" and stop is not None:
        best = grown(spec.model.use, best, len(learning) / len(learn))
        made = memo("whole", lambda: designs(learning, None))
        fitted = _fit(spec, made, best, memo)
    held_design = memo("held", lambda: made.of(held.blind()))
    pred = made.codec.decode(fitted.predict(held_design), held.blind())
    return FoldResult(
        held=believed(pred, held, _believed(spec)) if at_word else pred,
        test=_of_test(spec, made, fitted, test, memo),
        fitted=fitted,
        best_step=best,
        curve=curve,
        designs=made,
        held_rows=held.blind(),
        held_design=held_design,
        seconds=time.perf_counter() - began,
        n_learn=made.n_real,
        at_word=at_word,
    )


def fit_all(spec: FitSpec, train: Rows, test: Rows, memo: Memo) -> FoldResult:
    """Return the predictions for test of a model trained on every row that its split lets last; none is held.

    It takes `spec.steps` steps: what the folds' models took, for there are no rows to stop on.
    """
    began = time.perf_counter()
    learn = _spoken_of(spec, lasting(spec.split, train))[0]
    made: Designs = memo("whole", lambda: build(spec.design, spec.task, learn, None, both(train, test)))
    fitted = _fit(spec, made, spec.steps, memo)
    none = train.take(np.empty(0, np.int64)).blind()
    return FoldResult(
        held=_nothing(spec.task),
        test=_of_test(spec, made, fitted, test, memo),
        fitted=fitted,
        best_step=fitted.best_step,
        curve=fitted.curve,
        designs=made,
        held_rows=none,
        held_design=made.of(none),
        seconds=time.perf_counter() - began,
        n_learn=made.n_real,
    )


def lasting(split: Use, train: Rows) -> Rows:
    """Return the training rows that a model of all rows learns from: under a window of time those within it."""
    module = registry.load("splits", split.use)
    if not hasattr(module, "lasting"):
        return train
    learns: Bools = module.lasting(split.params, train)
    return train if learns.all() else train.take(np.flatnonzero(learns))


def grown(model: str, steps: float, ratio: float) -> int:
    """Return the steps for a refit on `ratio` times the rows; an epoch grows with the rows by itself."""
    return max(1, round(steps * (ratio if registry.load("models", model).STEP_GROWS else 1.0)))


def handed(spec: FitSpec, train: Rows, test: Rows, folds: Folds | None) -> Handed:
    """Return what the learner of a fold is fitted on in the end; of all rows where there are no `folds`."""
    learn, stop, held = lasting(spec.split, train), None, train.take(np.empty(0, np.int64))
    if folds is not None:
        k = spec.design.fold
        learn, held = (train.take(np.flatnonzero(rows)) for rows in (folds.is_train(k), folds.is_held(k)))
    learn = _spoken_of(spec, learn)[0]
    if folds is not None:
        learn, stop = (learn, None) if spec.stop == "refit" else _cut(spec, learn, held)
    return Handed(build(spec.design, spec.task, learn, stop, both(train, test)), teaching(learn), stop, held)


def _spoken_of(spec: FitSpec, learning: Rows) -> tuple[Rows, bool]:
    sure = bool(getattr(registry.load("codecs", spec.design.codec.use), "SURE", True))
    return spoken_of(learning, spec.sources, spec.task, sure=sure)


def _believed(spec: FitSpec) -> tuple[str, ...]:
    """Return the sources that stand for a model which could learn nothing of them: that of its target transform alone,
    to which it adds."""
    codec = spec.design.codec
    adds = getattr(registry.load("codecs", codec.use), "ADDS", None)
    return spec.sources if adds is None else (str(getattr(codec.params, adds)),)


def _of_test(spec: FitSpec, made: Designs, fitted: Fitted, test: Rows, memo: Memo) -> Pred:
    if not len(test):
        return _nothing(spec.task)
    design = memo("test", lambda: made.of(test.blind()))
    return made.codec.decode(fitted.predict(design), test.blind())


def _fit(spec: FitSpec, designs: Designs, steps: int | None, memo: Memo) -> Fitted:
    module = registry.load("models", spec.model.use)
    task = registry.load("codecs", spec.design.codec.use).task(spec.design.codec.params, spec.task)
    rng = stream(spec.design.seed, "fit", spec.seed_index, spec.design.fold)
    ended: list[int] = []

    def watch(step: int, stop_score: float) -> bool:
        ended.extend([step] if spec.watch(step, stop_score) else [])
        return bool(ended)

    # A learner may save itself the telling where nobody watches.
    run = Run(rng, never if spec.watch is never else watch, steps, spec.threads, spec.device)
    shared = {name: getattr(spec.model.params, name) for name in module.DATA_PARAMS}
    rows = "learn" if designs.stop is not None else f"all {designs.n_real}"
    name = f"data {rows}: {spec.model.use} {sorted(shared.items())}"
    data = memo(name, lambda: module.prepare(spec.model.params, task, designs.train, designs.stop, run))
    fitted: Fitted = module.fit(spec.model.params, task, data, run)
    if ended:
        raise Ended
    return fitted


def _cut(spec: FitSpec, learning: Rows, held: Rows) -> tuple[Rows, Rows | None]:
    """Return (learn, stop) under the stop policy. Only the starred policies see a held y."""
    if spec.stop in ("held", "pooled") and spec.steps is None:
        return learning, held
    if spec.stop in ("fixed", "pooled"):
        return learning, None
    learns, stops = cut_scored(learning, lambda rows: _stop_rows(spec, rows))
    stop = learning.take(np.flatnonzero(stops))
    if spec.wanted is not None:
        # The factors come from learning rows alone: what held rows hold must not reach the stop.
        stop = replace(stop, v=stop.v * factors(spec.wanted, spec.task, learning)[stops])
        if effective(stop.v) < LEAST_EFFECTIVE:
            return learning, None
    return learning.take(np.flatnonzero(learns)), stop


def _stop_rows(spec: FitSpec, learning: Rows) -> tuple[Bools, Bools]:
    """Return who learns and who stops: the last fold of the same splitter, which so obeys groups and time.

    Where the learning rows are too few for as many folds (few groups left), fewer are tried; a splitter that finds no
    two folds in them (a fold column with two values) gives way to kfold, one by time first to the last rows, however
    long its blocks and gaps are.
    """
    module = registry.load("splits", spec.split.use)
    wanted: int = spec.stop_folds or int(getattr(spec.split.params, "folds", 5))
    for n_folds in range(wanted, 1, -1):
        changes = {"folds": n_folds} if hasattr(spec.split.params, "folds") else {}
        rng = stream(spec.design.seed, "stop", spec.design.fold)
        try:
            made = module.assign(spec.split.params.model_copy(update=changes), spec.task, learning, rng)
        except DataError:
            continue
        last = int(made.held.max(initial=-1))
        stops = made.held == last
        learns = ~stops if made.train is None else made.train[last]
        if last >= 0 and stops.any() and learns.any():
            return learns, stops
    return _stop_rows(replace(spec, split=_plainer(spec, wanted, len(learning))), learning)


def _plainer(spec: FitSpec, wanted: int, n: int) -> Use:
    """Return the split that takes the place of one which finds no stop rows among n.

    Raises:
        DataError: it was kfold.
    """
    timed = "time" in registry.load("splits", spec.split.use).NEEDS
    for name in ("time", "kfold") if timed else ("kfold",):
        plain = Use("splits", name, registry.load("splits", name).Params(folds=max(wanted, 2)))
        if spec.split != plain and spec.split.use != "kfold":
            return plain
    raise DataError("too few learning rows to cut stop rows from", got=n, next="stop: fixed")


def _nothing(task: Task) -> Pred:
    return Pred(np.empty((0, task.n_out), np.float32))
