"""Runs the workers of a study until its trials are done, time is up or somebody says stop; puts right what dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from kit._tune.desk import REFUSED, work
from kit._tune.job import Job
from kit._tune.leases import BETWEEN_SECONDS, PROBLEM, Watchman
from kit._tune.storages import connect
from kit._tune.studies import START, best_of
from kit.errors import FitError
from kit.spawning import Process

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

POLL_SECONDS = 0.25
GRACE_SECONDS = 5.0
"""How long a worker that was told to stop may take to put its trial back; a fit without steps cannot be told."""

DEFAULTS = "defaults"

FAILURES = 5
"""So many trials that failed, and none that did not, say that it is not the trials."""

MOST_DEATHS = 20
"""So many workers that died while no trial ended say that it is not the trials either."""


@dataclass(frozen=True)
class View:
    """A study as it stands: counts of trials, the best and the default score, seconds left (None = cannot be told)."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    wanted: int = 0
    best: float | None = None
    default: float | None = None
    left: float | None = None

    @property
    def finished(self) -> int:
        """Trials that ended, one way or another."""
        return self.complete + self.pruned + self.failed


class TuneObserver:
    """Is told how a study goes; the terminal's progress is one."""

    def begin(self, title: str) -> None:
        """A study begins, or goes on."""

    def look(self, view: View) -> None:
        """So it stands now."""

    def end(self) -> None:
        """The study has ended."""


@dataclass
class Watched:
    """What stops a study from outside: Ctrl-C sets it, and a second one ends the command at once."""

    stopped: bool = False


@contextmanager
def interruptible() -> Iterator[Watched]:
    """Give what Ctrl-C sets. Outside the main thread nothing can be caught, and nothing is."""
    watched = Watched()
    if threading.current_thread() is not threading.main_thread():
        yield watched
        return

    def note(number: int, frame: FrameType | None) -> None:
        if watched.stopped:
            raise KeyboardInterrupt
        watched.stopped = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield watched
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def begin(job: Job, slot: int) -> Any:
    """Return a worker process that has begun."""
    process = Process(target=work, args=(job.to_json(), slot), daemon=True)
    process.start()
    return process


@dataclass
class Crew:
    """The worker processes of a job."""

    job: Job
    size: int
    processes: dict[int, Any] = field(default_factory=dict)
    deaths: int = 0
    ended: int = 0
    refused: int = 0

    def fill(self, todo: int) -> None:
        """Start workers while there are fewer than wanted and than trials to do."""
        for slot in range(self.size):
            if slot not in self.processes and len(self.processes) < todo:
                self.processes[slot] = begin(self.job, slot)

    def reap(self) -> None:
        """Let go of the workers that ended; count those that did not end by themselves."""
        for slot, process in list(self.processes.items()):
            if not process.is_alive():
                process.join()
                self.deaths += process.exitcode != 0
                self.refused = max(self.refused, process.exitcode - REFUSED)
                del self.processes[slot]

    def check(self, ended: int) -> None:
        """Take note of how many trials ended.

        Raises:
            OSError: a disk takes nothing more. No trial is lost by that.
            FitError: workers die, and nothing else happens.
        """
        if self.refused > 0:
            raise OSError(self.refused, os.strerror(self.refused))
        if ended != self.ended:
            self.ended, self.deaths = ended, 0
        if self.deaths >= MOST_DEATHS:
            advice = "fewer --jobs need less memory; kit run shows the fits of the defaults alone"
            raise FitError("the workers of the study die", got=f"{self.deaths} in a row", next=advice)

    def end(self, seconds: float) -> bool:
        """Wait for the workers to end, and end those that do not; return whether there were some."""
        until = time.monotonic() + seconds
        while self.processes and time.monotonic() < until:
            time.sleep(POLL_SECONDS / 5)
            self.reap()
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.join()
        killed = bool(self.processes)
        self.processes.clear()
        return killed


def supervise(job: Job, jobs: int, observer: TuneObserver, watched: Watched) -> None:
    """Carry out a study with `jobs` workers. It ends when all trials have, at the job's deadline, or when stopped.

    Raises:
        FitError: every trial fails.
    """
    import optuna

    storage = connect(job.place)
    study = optuna.load_study(study_name=job.place.name, storage=storage)
    watchman, crew = Watchman(storage, study), Crew(job, jobs)
    began, before = time.monotonic(), _finished(study.get_trials(deepcopy=False))
    try:
        while True:
            crew.reap()
            held = watchman.look()
            trials = study.get_trials(deepcopy=False)
            view = view_of(trials, job)
            observer.look(_timed(view, job, began, view.finished - before))
            crew.check(view.finished)
            _check(trials)
            waiting = sum(t.state.name == "WAITING" for t in trials)
            todo = waiting + max(0, job.trials - len(trials))
            over = job.deadline is not None and time.monotonic() >= job.deadline
            if watched.stopped or over or (not todo and not held and not crew.processes):
                break
            crew.fill(todo + len(crew.processes))
            time.sleep(POLL_SECONDS)
    except BaseException:
        with suppress(Exception):  # what went wrong is told, not what came of it
            _end(job, crew, watchman)
        raise
    _end(job, crew, watchman)
    observer.look(view_of(study.get_trials(deepcopy=False), job))


def _end(job: Job, crew: Crew, watchman: Watchman) -> None:
    """End the workers; what they had in work goes back into the queue."""
    with suppress(OSError):  # workers end without it as well: they are waited for, then ended
        Path(job.stop).touch()
    # One that was ended while it asked (its sampler may take seconds) leaves a trial without a lease.
    watchman.look(0.0 if crew.end(GRACE_SECONDS) else BETWEEN_SECONDS)


def view_of(trials: list[FrozenTrial], job: Job) -> View:
    """Return how a study stands."""
    counts = [t.state.name for t in trials]
    best = best_of(trials, job.better)
    default = default_of(trials)
    return View(
        counts.count("COMPLETE"),
        counts.count("PRUNED"),
        counts.count("FAIL"),
        counts.count("RUNNING"),
        max(job.trials, len(trials)),
        None if best is None else best.value,
        None if default is None else default.value,
    )


def default_of(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """Return the trial of the defaults where it is complete."""
    return next((t for t in trials if t.user_attrs.get(START) == DEFAULTS and t.state.name == "COMPLETE"), None)


def _timed(view: View, job: Job, began: float, done: int) -> View:
    """Return the view with an estimate of the seconds left."""
    now = time.monotonic()
    by_trials = (now - began) / done * max(0, view.wanted - view.finished) if done else None
    by_clock = None if job.deadline is None else max(0.0, job.deadline - now)
    known = [left for left in (by_trials, by_clock) if left is not None]
    return replace(view, left=min(known) if known else None)


def _finished(trials: list[FrozenTrial]) -> int:
    return sum(t.state.is_finished() for t in trials)


def _check(trials: list[FrozenTrial]) -> None:
    ended = [t for t in trials if t.state.is_finished()]
    if len(ended) >= FAILURES and all(t.state.name == "FAIL" for t in ended):
        raise FitError(
            "every trial fails",
            got=ended[0].user_attrs.get(PROBLEM, "no reason was told"),
            next="kit run shows the fits of the defaults alone; mend what they say, then --new",
        )
