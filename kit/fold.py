"""THE fold: the one function that calls a model. What it does not hand out, no plug-in can leak.

For fold k: train and held are the split's. Train is cut into learn + stop, synthetic rows are made of learn, features
are learnt on learn, the model is fitted on learn + synthetic and stopped on stop, then it predicts held and test.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from kit import registry, returned
from kit.canon import stream
from kit.contracts import Fitted, Run, never
from kit.design import Designs, build, decoded, teaching
from kit.evaluate import LEAST_EFFECTIVE, effective, factors
from kit.fitspec import Ended, FitSpec, FoldResult, Handed
from kit.rows import both
from kit.scored import cut_scored
from kit.sourced import believed, spoken_of
from kit.stopping import lasting, stop_queries
from kit.types import Bools, Folds, Pred, Rows, Task

Memo = Callable[[str, Callable[[], Any]], Any]
"""`memo(name, make)` returns the last value made under that name for the same design, or makes it."""


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
    pred = decoded(made.codec, fitted, held_design, held.blind(), spec.task)
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
    return decoded(made.codec, fitted, design, test.blind(), spec.task)


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
    fitted: Fitted = returned.fitted(spec.model.use, module.fit(spec.model.params, task, data, run))
    if ended:
        raise Ended
    return fitted


def _cut(spec: FitSpec, learning: Rows, held: Rows) -> tuple[Rows, Rows | None]:
    """Return (learn, stop) under the stop policy. Only the starred policies see a held y."""
    if spec.stop in ("held", "pooled") and spec.steps is None:
        return learning, held
    if spec.stop in ("fixed", "pooled"):
        return learning, None

    def halves(rows: Rows) -> tuple[Bools, Bools]:
        draw = partial(stream, spec.design.seed, "stop", spec.design.fold)
        return stop_queries(spec.split, spec.stop_folds, spec.task, rows, draw)

    learns, stops = cut_scored(learning, halves)
    stop = learning.take(np.flatnonzero(stops))
    if spec.wanted is not None:
        # The factors come from learning rows alone: what held rows hold must not reach the stop.
        stop = replace(stop, v=stop.v * factors(spec.wanted, spec.task, learning)[stops])
        if effective(stop.v) < LEAST_EFFECTIVE:
            return learning, None
    return learning.take(np.flatnonzero(learns)), stop


def _nothing(task: Task) -> Pred:
    return Pred(np.empty((0, task.n_out), np.float32))
