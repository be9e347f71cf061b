"""execute(plan, store, ...): carries out the stages that are missing, cheapest road first, and gathers what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kit.canon import key_of
from kit.deadlines import Clock
from kit.errors import KitError, Problem
from kit.planning import Plan
from kit.stage import Stage
from kit.stages import run
from kit.store import Store
from kit.workers import Foreign, Slot, Workers

State = Literal["run", "reuse", "blocked"]

IN_WORKERS = ("column", "fit", "curve", "refit")
"""Verbs carried out by workers; the others take moments and run in this process."""

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Failure:
    """A stage that could not be carried out. `problem` says why and what to do."""

    stage: Stage
    problem: Problem
    trace: str = ""

    def told(self, names: Mapping[str, str]) -> Failure:
        """Return the same in the names people gave; `names`: alias of a column -> its name."""
        return replace(self, problem=self.problem.renamed(names))


@dataclass
class Outcome:
    """What an execution did. Keys of stages; `cut`: stages not carried out because time ran out."""

    ran: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    cut: list[Stage] = field(default_factory=list)


class Observer:
    """Is told what happens; the terminal's progress is one. Every method may be left as it is."""

    def begin(self, stages: list[Stage]) -> None:
        """`stages` will be carried out."""

    def started(self, stage: Stage) -> None:
        """`stage` was handed to a worker."""

    def done(self, stage: Stage, seconds: float, score: float | None = None) -> None:
        """`stage` is in the store; `score` of a fit is the metric on its held rows."""

    def failed(self, failure: Failure) -> None:
        """A stage failed; those that do not need it go on."""


def states(plan: Plan, store: Store, only: Callable[[Stage], bool] = lambda stage: True) -> dict[str, State]:
    """Return what would happen to each stage, by key.

    A stage runs if its result is missing and something needs it: it is an end of the plan, feeds a stage that runs, or
    is a fit whose model is to be kept.
    `only` says which fits may run; what needs others that are not there is blocked.
    """
    there = {s.key: store.has(s.key, s.needs) for s in plan.stages}
    ends = {*plan.oofs.values(), *([plan.submit] if plan.submit else [])}
    needed: set[str] = set()
    found: dict[str, State] = {}
    for stage in reversed(plan.stages):
        wanted = stage.key in ends or stage.key in needed or bool(stage.needs)
        missing = not there[stage.key] and wanted
        found[stage.key] = "run" if missing else "reuse"
        if missing:
            needed.update(stage.inputs)
    for stage in plan.stages:
        if found[stage.key] == "run" and (
            (stage.verb in IN_WORKERS and not only(stage))
            or any(found[i] == "blocked" for i in stage.inputs if i in found)
        ):
            found[stage.key] = "blocked"
    return found


def execute(
    plan: Plan,
    store: Store,
    workers: Callable[[], AbstractContextManager[Workers]],
    clock: Clock,
    observer: Observer,
    only: Callable[[Stage], bool],
) -> Outcome:
    """Carry out what is missing. Failures are gathered, the rest goes on."""
    found = states(plan, store, only)
    todo = [s for s in plan.stages if found[s.key] == "run"]
    observer.begin(todo)
    outcome = Outcome()
    light = _Light(store, observer, outcome, [s for s in todo if s.verb not in IN_WORKERS])
    heavy = [s for s in todo if s.verb in IN_WORKERS]
    light.carry_out(waiting={s.key for s in heavy})
    if heavy:
        with workers() as pool:
            _Heavy(pool, clock, observer, outcome).run(heavy, light)
    light.carry_out(waiting={s.key for s in heavy} - set(outcome.ran))
    outcome.failed = [failure.told(plan.names) for failure in outcome.failed]
    return outcome


class _Light:
    """The stages that take moments (OOFs, blends, the submission), carried out in this process when they can be."""

    def __init__(self, store: Store, observer: Observer, outcome: Outcome, stages: list[Stage]) -> None:
        self.store, self.observer, self.outcome = store, observer, outcome
        self.left = {s.key: s for s in stages}
        self.failed: set[str] = set()

    def carry_out(self, waiting: set[str]) -> None:
        """Carry out, in order, each stage none of whose inputs is among `waiting`, is left, failed or was cut."""
        lost = {f.stage.key for f in self.outcome.failed} | {s.key for s in self.outcome.cut}
        for stage in list(self.left.values()):
            if (waiting | lost | self.left.keys()).intersection(stage.inputs):
                continue
            del self.left[stage.key]
            began = time.monotonic()
            try:
                run(stage, self.store)
            except KitError as error:
                failure = explain(stage, error)
                self.outcome.failed.append(failure)
                self.observer.failed(failure)
                lost.add(stage.key)
                self.failed.add(stage.key)
                continue
            self.outcome.ran.append(stage.key)
            self.observer.done(stage, time.monotonic() - began)


class _Heavy:
    """Hands the fits to the workers until all are done, failed or out of time."""

    def __init__(self, pool: Workers, clock: Clock, observer: Observer, outcome: Outcome) -> None:
        self.pool, self.clock, self.observer, self.outcome = pool, clock, observer, outcome
        self.left: list[Stage] = []
        self.open: set[str] = set()

    def run(self, stages: list[Stage], light: _Light) -> None:
        """Carry out the stages, each after its inputs, some of which are `light`."""
        self.left = self._ordered(stages)
        self.open = {s.key for s in stages}
        self.light = light
        while self.left or any(slot.busy for slot in self.pool.slots):
            self._cut()
            self._hand_out()
            busy = [slot for slot in self.pool.slots if slot.busy]
            if not busy:
                self.left = []  # what is left waits for inputs that failed or were cut
                break
            wait([slot.future for slot in busy if slot.future], timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            done = [slot for slot in busy if slot.future is not None and slot.future.done()]
            for slot in done:
                self._collect(slot)
            if done:
                light.carry_out(waiting=self.open)

    def _ordered(self, stages: list[Stage]) -> list[Stage]:
        """Return the stages: columns first, then by design (so that a worker reuses its matrices), or, against a clock,
        model by model, the cheapest first."""
        place = {s.key: i for i, s in enumerate(stages)}
        if self.clock.deadline is None:
            return sorted(stages, key=lambda s: (s.verb != "column", s.ingredients.get("fold", 0), place[s.key]))
        return sorted(stages, key=lambda s: (s.verb != "column", self.clock.hints.get(_model(s), 1.0), place[s.key]))

    def _hand_out(self) -> None:
        for slot in self.pool.slots:
            if slot.busy:
                continue
            stage = self._next(slot)
            if stage is None:
                return
            self.left.remove(stage)
            slot.design = design_of(stage)
            self.pool.start(slot, stage)
            self.observer.started(stage)

    def _next(self, slot: Slot) -> Stage | None:
        waiting = self.open | self.light.left.keys() | self.light.failed
        ready = [s for s in self.left if not waiting.intersection(s.inputs)]
        if self.clock.deadline is None:
            taken = {each.design for each in self.pool.slots if each is not slot}
            same = (s for s in ready if design_of(s) == slot.design)
            other = (s for s in ready if design_of(s) not in taken)
            if (match := next(same, None) or next(other, None)) is not None:
                return match
        return ready[0] if ready else None

    def _collect(self, slot: Slot) -> None:
        stage, future = slot.stage, slot.future
        assert stage is not None and future is not None
        seconds = time.monotonic() - slot.began
        slot.stage, slot.future = None, None
        try:
            error = future.exception()
        except CancelledError:
            return
        if error is None:
            self.open.discard(stage.key)
            self.clock.record(_model(stage), seconds)
            self.outcome.ran.append(stage.key)
            self.observer.done(stage, seconds)
            return
        slot.design = ""
        failure = explain(stage, error)
        self.outcome.failed.append(failure)
        self.observer.failed(failure)

    def _cut(self) -> None:
        """Against the clock: end what runs past the limit, drop models whose remaining fits cannot all end in time."""
        if self.clock.over():
            for slot in self.pool.slots:
                if slot.stage is not None:
                    self.outcome.cut.append(slot.stage)
                    self.pool.end(slot)
            self.outcome.cut += self.left
            self.left = []
            return
        for model in dict.fromkeys(_model(s) for s in self.left):
            mine = [s for s in self.left if _model(s) == model]
            if not self.clock.fits(model, len(mine), len(self.pool.slots)):
                self.outcome.cut += mine
                self.left = [s for s in self.left if _model(s) != model]


def design_of(stage: Stage) -> str:
    """Return what fits of the same matrices have in common."""
    made = stage.ingredients
    return key_of({name: made.get(name) for name in ("design", "stop", "fold", "folds", "x", "columns", "target")})


def _model(stage: Stage) -> str:
    return str(stage.local.get("model", ""))


def explain(stage: Stage, error: BaseException) -> Failure:
    """Return the failure of a stage in words: the user's error as it is, a death by its signal, a bug by its place."""
    again = f"kit stage {stage.key[:12]} runs this fit alone; the same command again runs what is missing"
    trace = str(getattr(error, "traceback", "") or "")
    if isinstance(error, KitError):
        problem = error.problems[0]
        place = f"{stage.name}: {problem.place}" if problem.place else stage.name
        return Failure(stage, replace(problem, place=place, next=problem.next or again), trace)
    exitcode: Any = getattr(error, "exitcode", None)
    if exitcode is not None:
        killed = exitcode in (-9, 137)
        why = "killed, most often for want of memory" if killed else f"exit code {exitcode}"
        hint = " (fewer --jobs need less memory)" if killed else ""
        return Failure(stage, Problem("the worker process died", stage.name, why, "", again + hint), trace)
    got = str(error) if isinstance(error, Foreign) else f"{type(error).__name__}: {error}"
    return Failure(stage, Problem("the stage failed", stage.name, got, "", again + "; --debug shows the trace"), trace)
