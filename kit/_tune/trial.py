"""Carries out one trial: its fits in order, each looked for in the store first, until it is scored or given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import ValidationError

from kit import registry, stages
from kit._tune import blocks
from kit._tune.goal import Goal
from kit._tune.job import Job, with_params
from kit._tune.racing import Race, Run
from kit._tune.studies import settings_of
from kit._tune.watching import Stop, Watcher
from kit.errors import FitError, KitError
from kit.fitspec import Ended
from kit.memory import Memory
from kit.stage import Stage
from kit.store import Store
from kit.types import Floats, Pred

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

BLOCKS, STOPS, FOLD_SCORES, TRAINED = "blocks", "stops", "fold_scores", "folds_trained"

State = Literal["complete", "pruned", "stopped"]


@dataclass(frozen=True)
class Told:
    """How a trial ended. `why`: what pruned it."""

    state: State
    value: float = float("nan")
    why: str = ""


@dataclass
class Bench:
    """What trials of one worker share."""

    job: Job
    goal: Goal
    store: Store
    memory: Memory
    stop: Stop


@dataclass
class Progress:
    """What is known of a trial so far. `rounds`: steps trained by this worker; `trained`: folds trained, by anyone."""

    blocks: list[Floats] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    held: list[Pred] = field(default_factory=list)
    rounds: int = 0
    trained: int = 0


class Attempt:
    """One trial on its way. `note(done)` is told how many folds are finished."""

    def __init__(self, bench: Bench, trial: Trial, race: Race | None, note: Callable[[int], None]) -> None:
        self.bench, self.trial, self.race, self.note = bench, trial, race, note
        self._began = time.monotonic()
        self._before = dict(trial.user_attrs)
        self._reported = set(_frozen(trial).intermediate_values)
        self.progress = Progress(trained=self._before.get(TRAINED, 0))

    def carry_out(self) -> Told:
        """Return how the trial ended; what it was made of is in its attributes then.

        Raises:
            KitError: a fit failed, or the learner refuses the settings.
        """
        try:
            told = self._fits(self._stages())
        finally:
            self._tell()
        return told

    def _stages(self) -> list[Stage]:
        settings = settings_of(self.trial.params, self._before)
        try:
            params = self.bench.job.params(settings)
        except ValidationError as error:
            raise FitError(
                "the learner refuses these values", got=settings, allowed=error.errors()[0]["msg"]
            ) from error
        return with_params(self.bench.job.stages, params)

    def _fits(self, todo: Sequence[Stage]) -> Told:
        for at, stage in enumerate(todo):
            watcher = self._watcher(stage)
            try:
                self._fit(stage, watcher)
            except Ended:
                if watcher.why == "stopped":
                    return Told("stopped")
                self._report_forecast(at, watcher.loss)
                return Told("pruned", why=f"its curve in {stage.name}")
            if stage.verb == "fit" and self._folded(stage) and not self._known(todo[at + 1 :]):
                return Told("pruned", why=f"blocks of {len(self.progress.blocks)} folds")
            if self.bench.stop() and at + 1 < len(todo):
                return Told("stopped")
        return Told("complete", self.bench.goal.value(self.progress.held))

    def _fit(self, stage: Stage, watcher: Watcher) -> None:
        store = self.bench.store
        if not store.check(stage.key):
            try:
                with np.errstate(all="ignore"):
                    stages.run(stage, store, 1, watcher, self.bench.memory)
                if stage.verb == "fit":
                    self.progress.trained += 1
                    self.trial.set_user_attr(TRAINED, self.progress.trained)
            finally:
                self.progress.rounds += watcher.steps
        curve = store.open(stage.key).array("curve")
        self.progress.stops.append(float(np.min(curve)) if len(curve) else float("nan"))

    def _known(self, rest: Sequence[Stage]) -> bool:
        """Return whether the next fold is fitted already: a trial gone on with is judged by all folds."""
        fits = (stage for stage in rest if stage.verb == "fit")
        return any(self.bench.store.has(stage.key) for stage in fits)

    def _watcher(self, stage: Stage) -> Watcher:
        race, module = self.race, registry.load("models", self.bench.job.learner)
        params = stage.ingredients["model"]["params"]
        most = int(params[module.STEPS]) if module.STEPS and module.STEP_GROWS else 0
        run = self._run()
        judge = None if race is None else (lambda loss: race.hopeless(run, loss))
        return Watcher(self.bench.stop, judge, most)

    def _folded(self, stage: Stage) -> bool:
        """Take note of a finished fold; return whether the trial is to be given up."""
        fit = self.bench.store.open(stage.key)
        held = Pred(fit.array("held"), fit.array("held_std") if "held_std" in fit else None)
        done, goal = len(self.progress.held), self.bench.goal
        self.progress.held.append(held)
        self.progress.blocks.append(np.array(blocks.rounded(goal.block_values(done, held)), np.float64))
        self.note(done + 1)
        own = self.bench.job.pruner in ("blocks", "none")
        value = self._running() if own else self.progress.blocks[-1].mean()
        self._report(float(goal.metric.sign * value), done)
        return self.trial.should_prune() if not own else self.race is not None and self.race.behind(self._run())

    def _run(self) -> Run:
        return Run(self.trial.number, tuple(self.progress.blocks), tuple(self.progress.stops))

    def _running(self) -> float:
        """Return the mean of the folds so far, lower = better."""
        told = [
            (b.mean(), self.bench.goal.weight(k)) for k, b in enumerate(self.progress.blocks) if np.isfinite(b).all()
        ]
        return float(np.average([m for m, _ in told], weights=[w for _, w in told])) if told else float("nan")

    def _report_forecast(self, at: int, loss: float) -> None:
        """Report what a fit that was ended would have led to: samplers rank pruned trials by it."""
        assert self.race is not None
        forecast, done = self.race.forecast(at, loss), len(self.progress.blocks)
        values = [*(b.mean() for b in self.progress.blocks), forecast]
        self._report(float(self.bench.goal.metric.sign * np.nanmean(values)), done)

    def _report(self, value: float, step: int) -> None:
        if step not in self._reported and np.isfinite(value):
            self._reported.add(step)
            self.trial.report(value, step)

    def _tell(self) -> None:
        progress, before = self.progress, self._before
        sign = self.bench.goal.metric.sign
        attrs = {
            "recipe": self.bench.job.key,
            FOLD_SCORES: [float(sign * b.mean()) if np.isfinite(b).all() else None for b in progress.blocks],
            BLOCKS: [blocks.rounded(b) for b in progress.blocks],
            STOPS: [None if np.isnan(loss) else loss for loss in progress.stops],
            "seconds": round(before.get("seconds", 0.0) + time.monotonic() - self._began, 3),
            "rounds": before.get("rounds", 0) + progress.rounds,
        }
        for name, value in attrs.items():
            self.trial.set_user_attr(name, value)


def run_of(trial: FrozenTrial) -> Run:
    """Return what the attributes of a finished trial say of its folds."""
    values = tuple(np.array(b, np.float64) for b in trial.user_attrs.get(BLOCKS, ()))
    stops = tuple(float("nan") if loss is None else float(loss) for loss in trial.user_attrs.get(STOPS, ()))
    return Run(trial.number, values, stops)


def _frozen(trial: Trial) -> FrozenTrial:
    return next(t for t in trial.study.get_trials(deepcopy=False) if t.number == trial.number)


def failure(error: Exception) -> str:
    """Return why a trial failed, in a line or two."""
    return str(error) if isinstance(error, KitError) else f"{type(error).__name__}: {error}"
