"""A study that was carried out: where it lies, what it came to, and the page that shows it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from kit._tune import page
from kit._tune.job import Job
from kit._tune.keeping import record_study
from kit._tune.project import Project
from kit._tune.storages import Place
from kit._tune.summary import Summary

if TYPE_CHECKING:
    from optuna import Study

log = logging.getLogger("kit")


@dataclass(frozen=True)
class Found:
    """A study that was carried out."""

    project: Project
    job: Job
    study: Study
    summary: Summary

    @property
    def place(self) -> Place:
        """Where it lies, and its name."""
        return self.job.place

    def settle(self) -> None:
        """Keep the folds of trials that wait, and nothing where none does: what was found is kept by itself."""
        with FileLock(self.job.lock):
            record_study(self.job, self.study, ended=True)

    def page(self, metric: str, tuned_on: str, nested: float | None) -> str | None:
        """Write the page of the study and return its path; None where nothing was found, or there is no room."""
        summary, place = self.summary, self.place
        if summary.best is None:
            return None
        path: Path = self.project.folder / f"{place.name.partition('/')[2]}.html"
        facts: dict[str, Any] = {"metric": metric, "best": summary.best, "defaults": summary.default}
        facts |= {"tuned on": tuned_on, "study": f"{place.name} in {place.shown}", "trials": dict(summary.counts)}
        if nested is not None:
            facts["nested score"] = nested
        facts["best params"] = dict(summary.settings)
        try:
            return str(path) if page.write(path, self.study, place.name, facts) else None
        except OSError as error:  # the study and the tuned file are there
            log.warning("the page of %s cannot be written: %s", place.name, error.strerror or error)
            return None
