"""One `kit tune`: what the trials need is fitted, then study after study is carried out, summed up and written down."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from kit import devices, planning, registry, stages, tuned
from kit._tune import studies
from kit._tune.beside import in_blend, score_of, sources_of, standing
from kit._tune.found import Found
from kit._tune.goal import goal_of
from kit._tune.keeping import drop, record, record_study
from kit._tune.otherfolds import inside, of_seed
from kit._tune.project import Project, needed
from kit._tune.results import NONE_BEGUN, Result
from kit._tune.storages import Place
from kit._tune.summary import problems, pruned_by, summarise
from kit._tune.supervising import TuneObserver, Watched, supervise
from kit.deadlines import Clock
from kit.engine import Observer, Outcome, execute
from kit.errors import FitError
from kit.opening import Opened
from kit.planning import Plan
from kit.search import own_name, with_values
from kit.stage import Stage
from kit.tunable import Entry
from kit.types import Pred
from kit.workers import Workers

RESERVE_SECONDS, BUSIEST = 3.0, 8.0
"""What of a time limit is kept for the end (importances, page, file) on an idle machine; on a busy one, of which
this process got 1 / b of a core until now, b times as much, up to BUSIEST."""

SEARCH_SHARE = 0.85
"""Share of a time limit that is searched in where the best trial's other fits (more seeds, a refit) are to come."""

THESE = "these folds"


class Session:
    """The studies of one command, one after the other. `began`: when the command did, by the clock and in CPU time."""

    def __init__(
        self, projects: Sequence[Project], began: tuple[float, float], observer: TuneObserver, watched: Watched
    ) -> None:
        self.projects, self.observer, self.watched = projects, observer, watched
        self.options = projects[0].options
        self.opened: Opened = projects[0].opened
        self._prepared = f"_study.{self.opened.recipe.name}"
        clock, cpu = began
        busy = (time.monotonic() - clock) / max(time.process_time() - cpu, 1e-3)
        reserve = RESERVE_SECONDS * min(max(busy, 1.0), BUSIEST)
        self.end = None if self.options.timeout is None else clock + self.options.timeout
        self.search_end = None if self.end is None else self.end - min(reserve, self.end - clock)

    def run(self) -> list[Result]:
        """Return what was found, model by model; those that time or Ctrl-C left no room for are missing."""
        results: list[Result] = []
        for i, project in enumerate(self.projects):
            over = bool(results) and (self.watched.stopped or self._over())
            result = None if over else self._model(project, [p.model.name for p in self.projects[i + 1 :]])
            results.append(result or self._none(project))
        score = self._blend_score(results)
        drop(self.opened.store, self._prepared)
        return [replace(result, blend=self.options.blend, blend_score=score) for result in results]

    def _over(self) -> bool:
        return self.search_end is not None and time.monotonic() >= self.search_end

    def _prepare(self, project: Project, names: Collection[str]) -> bool:
        """Carry out what trials read: computed columns, OOFs of these models; return whether all of it is there."""
        plan, store = project.plan, self.opened.store
        wanted = {plan.oofs[name] for name in names} | sources_of(project)

        def only(stage: Stage) -> bool:
            return stage.verb == "column" or stage.local.get("model") in names

        if any((only(s) or s.key in wanted) and not store.has(s.key) for s in plan.stages):
            record(store, self._prepared, plan)
            outcome = self._execute(plan, only)
            if outcome.failed:
                raise FitError.many([outcome.failed[0].problem])
        return all(store.has(key) for key in wanted)

    def _execute(self, plan: Plan, only: Callable[[Stage], bool]) -> Outcome:
        hints = {m.name: registry.load("models", m.plug.use).COST for m in self.opened.recipe.models}
        jobs, root = self.options.jobs, self.opened.root
        return execute(plan, self.opened.store, lambda: Workers(jobs, root), Clock(self.end, hints), Observer(), only)

    def _model(self, project: Project, later: Sequence[str]) -> Result | None:
        """Return what was found; None where time ran out before its study could begin. `later`: models to come."""
        began = time.monotonic()
        folds = project.facts.n_folds
        parts = (1 + len(later)) * (1 + (folds if self.options.nested else 0))
        seed = self.options.split_seed
        stem = project.model.name + (f".for-{self.options.blend}" if self.options.blend else "")
        project, place = standing(project, stem + (f".split{seed}" if seed is not None else ""), later)
        if not self._prepare(project, needed(project)):
            return None
        searched = project if seed is None else of_seed(project, seed)
        found = self._study(searched, place, parts)
        settings = {**_fixed(project), **found.summary.settings}
        nested = None
        if self.options.nested and not self.watched.stopped:
            nested = self._nested(project, stem, parts - 1)
        tuned_on = THESE if seed is None else f"other folds (split seed {seed})"
        path = self._write(found, settings, tuned_on, nested)
        left = 0 if seed is not None or found.summary.best is None else self._complete(project, settings)
        found.settle()
        return Result(
            model=project.model.name,
            metric=registry.shown(self.options.metric),
            summary=found.summary,
            best_params=settings,
            tuned_on=tuned_on,
            nested_score=nested,
            seconds=round(time.monotonic() - began, 3),
            tuned_recipe=str(path),
            study=found.place.name,
            place=found.place.shown,
            page=found.page(registry.shown(self.options.metric), tuned_on, nested),
            pruned_by=pruned_by(found.study),
            problems=tuple(problems(found.study)),
            interrupted=self.watched.stopped,
            left=left,
        )

    def _none(self, project: Project) -> Result:
        """Return the result of a model that no time was left for."""
        path = tuned.path_of(project.recipe.folder, project.recipe.name)
        metric, stopped = registry.shown(self.options.metric), self.watched.stopped
        return Result(
            project.model.name, metric, NONE_BEGUN, {}, THESE, None, 0.0, str(path), "", "", None, {}, (), stopped, 0
        )

    def _blend_score(self, results: Sequence[Result]) -> float | None:
        """Return what `kit run` gives the blend with all that was found; what it lacks is fitted in the time left."""
        tried = [p for p, result in zip(self.projects, results, strict=True) if result.summary.best is not None]
        project = in_blend(tried[-1]) if tried else None
        if project is None or self.watched.stopped:
            return None
        there = self._prepare(project, {*needed(project), project.model.name})
        return score_of(project) if there else None

    def _study(self, project: Project, place: Place, parts: int) -> Found:
        """Return a study, carried out as far as its trials, the time and the user let it."""
        options, store, v_key = self.options, self.opened.store, project.plan.v_key
        if v_key is not None and not store.has(v_key):
            stages.run(project.plan.of(v_key), store)
        project.folder.mkdir(parents=True, exist_ok=True)
        temp = store.temporary()
        job = project.job(place, self._deadline(project, parts), temp / "stop")
        study = studies.open_study(place, job.better, project.tie(), project.beside)
        studies.check_ranges(study, place, job.dimensions)
        with FileLock(job.lock):
            studies.enqueue(study, project.starts()[: options.trials], project.dimensions, project.defaults())
            record_study(job, study)
        self.observer.begin(place.name)
        try:
            supervise(job, options.jobs, self.observer, self.watched)
        finally:
            self.observer.end()
            shutil.rmtree(temp, ignore_errors=True)
        return Found(project, job, study, summarise(study, goal_of(job.goal, store), job.better))

    def _deadline(self, project: Project, parts: int) -> float | None:
        """Return when a study must end so that as much time is left for each of those to come."""
        if self.search_end is None:
            return None
        now = time.monotonic()
        share = SEARCH_SHARE if self._extra(project.plan, project.model.name) else 1.0
        return now + max(0.0, self.search_end - now) / parts * share

    def _extra(self, plan: Plan, model: str) -> bool:
        fits = [s for s in plan.stages if s.local.get("model") == model]
        return any(s.verb not in ("fit", "curve") or s.ingredients["seed_index"] > 0 for s in fits)

    def _nested(self, project: Project, stem: str, parts: int) -> float | None:
        """Return the score of models each tuned without the fold that it is scored on; None where time ran out."""
        held = []
        for k in range(project.facts.n_folds):
            inner = inside(project, k)
            found = self._study(inner, standing(inner, f"{stem}.fold{k}", ())[1], max(1, parts - k))
            found.settle()
            if found.summary.best is None or self.watched.stopped:
                return None
            plan = self._plan(project, {**_fixed(project), **found.summary.settings})
            fit = next(s for s in _of_first_seed(plan, project.model.name) if s.ingredients["fold"] == k)
            self._execute(plan, lambda stage, wanted=fit: stage.key == wanted.key or stage.verb in ("column", "curve"))  # type: ignore[misc]
            if not self.opened.store.has(fit.key):
                return None
            stored = self.opened.store.open(fit.key)
            held.append(Pred(stored.array("held"), stored.array("held_std") if "held_std" in stored else None))
        return goal_of(project.goal(), self.opened.store).value(held)

    def _plan(self, project: Project, settings: Mapping[str, Any]) -> Plan:
        """Return the plan of the recipe with these params of the model: what `kit run` makes of the tuned file."""
        model = project.model
        params = with_values(model.plug.params, settings)
        changed = replace(model, plug=replace(model.plug, params=params))
        recipe = project.recipe
        models = tuple(changed if m.name == model.name else m for m in recipe.models)
        return planning.compile(replace(recipe, models=models), project.opened.facts, devices.detect())

    def _complete(self, project: Project, settings: Mapping[str, Any]) -> int:
        """Carry out the other fits of the best trial, so that `kit run` finds all of them; return how many are left."""
        plan, name, store = self._plan(project, settings), project.model.name, self.opened.store
        record(store, f"_tuned.{project.recipe.name}.{name}", plan)  # before more is fitted: a kill may come
        if not self.watched.stopped:
            self._execute(plan, lambda stage: stage.local.get("model") == name)
        return sum(s.local.get("model") == name and not store.has(s.key) for s in plan.stages)

    def _write(self, found: Found, settings: Mapping[str, Any], tuned_on: str, nested: float | None) -> Path:
        project, summary = found.project, found.summary
        path = tuned.path_of(project.recipe.folder, project.recipe.name)
        if summary.best is None:
            return path
        gain = summary.gain
        entry = Entry(
            use=tuned.spoken(project.model.plug.use, path.parent),
            params=settings,
            metric=registry.shown(self.options.metric),
            score=summary.best,
            default_score=summary.default,
            gain=None if gain is None else (gain.low, gain.high),
            tuned_on=tuned_on,
            folds=project.plan.folds_key[:8],
            nested_score=nested,
            study=found.place.name,
            trials=sum(summary.counts.values()),
        )
        tuned.write(path, project.model.name, entry)
        return path


def _fixed(project: Project) -> dict[str, Any]:
    cls = type(project.model.plug.params)
    return {own_name(cls, name): value for name, value in project.section.fixed.items()}


def _of_first_seed(plan: Plan, model: str) -> list[Stage]:
    return [
        s for s in plan.stages if s.verb == "fit" and s.local.get("model") == model and s.ingredients["seed_index"] == 0
    ]
