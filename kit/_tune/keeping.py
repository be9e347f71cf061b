"""What a study needs of the store, kept from `kit gc`, however the command ends: it is recorded as trials are taken."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from kit._tune.job import Job, with_params
from kit._tune.studies import best_of, settings_of
from kit.opening import write_record
from kit.planning import Plan
from kit.stage import Stage
from kit.store import Store

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


def record(store: Store, name: str, plan: Plan) -> None:
    """Keep the stages of a plan: `name` is a recipe's while its trials are prepared, or one of a tuned model."""
    write_record(store, name, {"keep": sorted(s.key for s in plan.stages)})


def drop(store: Store, name: str) -> None:
    """Keep no longer what was recorded under a name."""
    (store.root / "runs" / f"{name}.json").unlink(missing_ok=True)


def record_study(job: Job, study: Study, *, ended: bool = False) -> None:
    """Keep what a study goes on with: its table, the folds of trials in work or in the queue, and of its best one.

    `ended`: the best one is kept otherwise, and nothing where no trial is left. The caller holds the job's lock.
    """
    store, name = Store(Path(job.root)), f"_study.{job.place.name.replace('/', '.')}"
    trials = study.get_trials(deepcopy=False)
    needed = [t for t in trials if not t.state.is_finished()]
    if ended and not needed:
        drop(store, name)
        return
    best = None if ended else best_of(trials, job.better)
    keys = {*job.keeps, *_fits(job, needed if best is None else [*needed, best])}
    write_record(store, name, {"keep": sorted(keys)})


def _fits(job: Job, trials: Iterable[FrozenTrial]) -> set[str]:
    """Return the keys of the fits of trials."""
    keys: set[str] = set()
    stages = job.stages or tuple(Stage.from_json(line) for line in job.fits)
    for trial in trials:
        try:
            params = job.params(settings_of(trial.params, trial.user_attrs))
        except ValidationError:  # of a library that has changed: the trial will fail for it
            continue
        keys |= {s.key for s in with_params(stages, params)}
    return keys
