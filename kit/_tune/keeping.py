"""What a study needs of the store, kept from `kit gc`: the fits of its best trial, and those of trials that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from kit._tune.job import Job, with_params
from kit._tune.project import Project
from kit._tune.studies import settings_of
from kit.opening import write_record
from kit.planning import Plan
from kit.stage import Stage

if TYPE_CHECKING:
    from optuna import Study


def record(project: Project, plan: Plan) -> None:
    """Keep the fits of a tuned model until `kit run` has used them."""
    keep = {"keep": sorted(s.key for s in plan.stages)}
    write_record(project.opened.store, f"_tuned.{project.recipe.name}.{project.model.name}", keep)


def record_waiting(project: Project, job: Job, study: Study) -> None:
    """Keep what a study goes on with: its table, and the finished folds of trials that were put back into the queue."""
    store, name = project.opened.store, f"_study.{project.recipe.name}.{study.study_name.rpartition('/')[2]}"
    waiting = [t for t in study.get_trials(deepcopy=False) if not t.state.is_finished()]
    if not waiting:
        (store.root / "runs" / f"{name}.json").unlink(missing_ok=True)
        return
    stages = tuple(Stage.from_json(line) for line in job.fits)
    keys = {s.key for s in project.plan.stages}
    for trial in waiting:
        try:
            params = job.params(settings_of(trial.params, trial.user_attrs))
        except ValidationError:  # of a library that has changed: the trial will fail for it
            continue
        keys |= {s.key for s in with_params(stages, params)}
    write_record(store, name, {"keep": sorted(keys)})
