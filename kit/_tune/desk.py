"""A worker of a study: asks for a trial, carries it out, tells, until there is none left or it is to stop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from kit._tune import sampling, studies
from kit._tune.goal import goal_of
from kit._tune.job import ALPHA, Job
from kit._tune.keeping import record_study
from kit._tune.leases import LEASE, PROBLEM, Lease, here, id_of, requeue
from kit._tune.racing import Race, race
from kit._tune.storages import connect
from kit._tune.trial import Attempt, Bench, Told, failure, run_of
from kit._tune.watching import Stop
from kit.errors import KitError, refusal
from kit.memory import Memory
from kit.store import Store
from kit.workers import settle

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial, TrialState

WHY = "pruned_by"

REFUSED = 100
"""Exit code of a worker that a disk ended, less the number of the error."""


def work(line: str, slot: int) -> None:
    """Work on the study of a job: what a worker process does, from its beginning to its end."""
    settle(1)
    sys.exit(end_of(lambda: Desk(Job.from_json(line), slot).work()))


def end_of(work: Callable[[], None]) -> int:
    """Return the exit code of a worker: 0, or which error of the disk ended it, from REFUSED on."""
    try:
        work()
    except (OSError, KitError) as error:
        if not refusal(error):
            raise
        return REFUSED + refusal(error)
    return 0


class Desk:
    """One worker. `slot` is its number among those of this command."""

    def __init__(self, job: Job, slot: int) -> None:
        import optuna

        self.job, self.slot = job, slot
        self.storage = connect(job.place)
        self.study: Study = optuna.load_study(study_name=job.place.name, storage=self.storage)
        self.study.pruner = sampling.pruner(job.pruner)
        store = Store(Path(job.root))
        stop = Stop(job.deadline, Path(job.stop))
        self.bench = Bench(job, goal_of(job.goal, store), store, Memory(job.room), stop)
        self._ranges = studies.distributions(job.dimensions)

    def work(self) -> None:
        """Carry out trials until none is left to begin."""
        while not self.bench.stop() and (trial := self._ask()) is not None:
            self.carry_out(trial)

    def carry_out(self, trial: Trial) -> None:
        """Carry out a trial and tell how it ended; one that is stopped goes back into the queue."""
        from optuna.trial import TrialState

        trial_id = id_of(self.storage, self.study, trial.number)
        with Lease(self.storage, trial_id, 0) as lease:
            told: Told | None = None
            try:
                told = Attempt(self.bench, trial, self._race(trial.number), lease.note).carry_out()
            except Exception as error:  # a learner may fail in any way: this trial is lost, the study goes on
                if refusal(error):
                    with suppress(OSError):  # where this cannot be written, the next command finds its lease void
                        requeue(self.storage, self.study, self._frozen(trial.number), died=False)
                    raise
                trial.set_user_attr(PROBLEM, failure(error))
        if told is None:
            self._tell(trial.number, None, TrialState.FAIL)
        elif told.state == "complete":
            self._tell(trial.number, told.value, None)
        elif told.state == "pruned":
            trial.set_user_attr(WHY, told.why)
            self._tell(trial.number, None, TrialState.PRUNED)
        else:
            requeue(self.storage, self.study, self._frozen(trial.number), died=False)

    def _ask(self) -> Trial | None:
        """Return a trial to work on: a queued one, or a new one while there are fewer than wanted; None = none left."""
        with FileLock(self.job.lock):
            trials = self.study.get_trials(deepcopy=False)
            waiting = any(t.state.name == "WAITING" for t in trials)
            if not waiting and len(trials) >= self.job.trials:
                return None
            shared = (here(), str(time.time_ns())) if self.job.place.url else ()
            name, seed = self.job.sampler, self.job.seed
            self.study.sampler = sampling.sampler(name, seed, self.job.place.name, len(trials), self.slot, *shared)
            trial = self.study.ask(self._ranges)
            self.storage.set_trial_user_attr(id_of(self.storage, self.study, trial.number), LEASE, {"slot": self.slot})
            record_study(self.job, self.study)
            return trial

    def _race(self, number: int) -> Race | None:
        """Return what the trial is up against, None where nothing is complete yet or nothing is to be pruned by kit."""
        ended = [t for t in self.study.get_trials(deepcopy=False) if t.state.is_finished() and t.number != number]
        rival = studies.best_of(ended, self.job.better)
        if self.job.pruner != "blocks" or rival is None:
            return None
        return race([run_of(t) for t in ended], run_of(rival), len(self.bench.goal.folds), ALPHA)

    def _frozen(self, number: int) -> FrozenTrial:
        return next(t for t in self.study.get_trials(deepcopy=False) if t.number == number)

    def _tell(self, number: int, value: float | None, state: TrialState | None) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self.study.tell(number, value, state=state)
        except (UpdateFinishedTrialError, ValueError):
            # It was taken for lost (this process was asleep for long) and another has finished it, or has it in work.
            return
