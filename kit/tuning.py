"""tune: searches params for the models of a recipe, on its own folds and features, and writes what it found."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from kit import devices
from kit._tune import sampling
from kit._tune.project import Options, Project, needed
from kit._tune.results import Result
from kit._tune.session import Session
from kit._tune.supervising import TuneObserver, interruptible
from kit.errors import RecipeError, nearest, writing
from kit.given import hand_over
from kit.opening import Opened, Sets, each, open_recipe
from kit.presence import at_work
from kit.recipe import Model
from kit.targets import Part
from kit.tunable import SamplerName

log = logging.getLogger("kit")


@at_work("tune")
def tune(  # noqa: PLR0913 - one keyword per option of `kit tune`
    path: str | Path,
    *,
    model: Sequence[str] = (),
    trials: int | None = None,
    timeout: float | None = None,
    jobs: int | None = None,
    sampler: str | None = None,
    storage: str | None = None,
    for_: str = "model",
    nested: bool = False,
    split_seed: int | None = None,
    new: bool = False,
    set: Sets = (),
    trust: bool = False,
    root: str | Path = ".",
    observer: TuneObserver | None = None,
) -> list[Result]:
    """Search params for the named models and return what was found; it stands beside the recipe then.

    If none is named, all are searched of which something is to be. Of several targets each is tuned in turn.

    `timeout` is in seconds from this call. Ctrl-C ends the search, and what was found until then is written.

    Raises:
        KitError: a rule is broken, a study was made on something else, or every trial fails.
    """
    began = time.monotonic(), time.process_time()
    if parts := each(hand_over(path), set):
        how = partial(tune, path, model=model, trials=trials, jobs=jobs, sampler=sampler, storage=storage, for_=for_)
        rest = partial(how, nested=nested, split_seed=split_seed, new=new, trust=trust, root=root, observer=observer)
        return _each(parts, timeout, rest)
    opened = _intact(partial(open_recipe, path, set, root, trust=trust, no_tuned=True))
    section, blend = opened.recipe.tune, _blend(opened, for_)
    options = Options(
        trials=trials or section.trials,
        timeout=timeout or section.timeout,
        jobs=max(1, jobs or devices.cores()),
        sampler=section.sampler if sampler is None else _sampler(sampler),
        pruner=section.pruner,
        metric=section.metric or opened.recipe.metric,
        storage=storage,
        blend=blend,
        nested=nested,
        split_seed=split_seed,
        new=new,
    )
    return _searched(_projects(opened, model, options), began, observer or TuneObserver())


def _searched(projects: list[Project], began: tuple[float, float], observer: TuneObserver) -> list[Result]:
    with interruptible() as watched, writing(str(projects[0].folder)):
        return Session(projects, began, observer, watched).run()


def _each(parts: Sequence[Part], timeout: float | None, tuned: Callable[..., list[Result]]) -> list[Result]:
    """Tune one target after the other, each in its share of the time that is left."""
    found: list[Result] = []
    until = None if timeout is None else time.monotonic() + timeout
    for i, part in enumerate(parts):
        share = None if until is None else max(1.0, until - time.monotonic()) / (len(parts) - i)
        found += [replace(result, target=part.target) for result in tuned(set=part.sets, timeout=share)]
        if found[-1].interrupted:
            break
    return found


def _projects(opened: Opened, names: Sequence[str], options: Options) -> list[Project]:
    """Return what is to be tuned: the models of these names, or all of which something is searched."""
    found = [Project(opened, m, options, opened.facts, opened.plan) for m in _models(opened, names)]
    found = found if names else _searchable(found)
    _check(found)
    return found


def _intact(reopen: Callable[[], Opened]) -> Opened:
    """Return the recipe with what its trials read intact: the table, computed columns, OOFs of other models."""
    opened = reopen()
    store = opened.store
    read = {opened.facts.table_key, *(s.key for s in opened.plan.stages if s.verb not in ("fit", "curve", "refit"))}
    damaged = [key for key in sorted(read) if store.has(key) and not store.check(key)]
    return reopen() if damaged else opened


def _sampler(name: str) -> SamplerName:
    known: tuple[SamplerName, ...] = get_args(SamplerName)
    for sampler in known:
        if sampler == name:
            return sampler
    raise RecipeError("unknown sampler", place="--sampler", got=name, allowed=known, next=nearest(name, known))


def _models(opened: Opened, names: Sequence[str]) -> list[Model]:
    known = {m.name: m for m in opened.recipe.models}
    for name in names:
        if name not in known:
            allowed = list(known)
            raise RecipeError("unknown model", place="--model", got=name, allowed=allowed, next=nearest(name, allowed))
    return [known[name] for name in dict.fromkeys(names or known)]


def _searchable(projects: list[Project]) -> list[Project]:
    """Return the models of which something is searched; all of them where that is none, for the error to be told."""
    found = [project for project in projects if project.searched]
    if found and len(found) < len(projects):
        names = ", ".join(p.model.name for p in projects if p not in found)
        log.warning("not tuned, for nothing of it is searched: %s; ranges stand under tune.models", names)
    return found or projects


def _blend(opened: Opened, goal: str) -> str | None:
    """Return the blend whose score is the goal; None where it is the model's own."""
    if goal == "model":
        return None
    known = [b.name for b in opened.recipe.blends]
    if goal in known:
        return goal
    if goal == "blend" and known:
        return opened.recipe.submit if opened.recipe.submit in known else known[-1]
    allowed = ["model", "blend", *known]
    raise RecipeError("no such goal", place="--for", got=goal, allowed=allowed, next=nearest(goal, allowed))


def _check(projects: Sequence[Project]) -> None:
    """Raise RecipeError for what cannot be tuned, before anything is run."""
    for project in projects:
        options, name = project.options, project.model.name
        other = "--nested" if options.nested else "--split-seed" if options.split_seed is not None else ""
        reads = sorted(needed(project))
        if other and reads:
            raise RecipeError(
                f"{other} needs a model that stands alone",
                got=f"{name} is judged with {', '.join(reads)}, whose predictions are made on the recipe's own folds",
                next=f"leave out {other}" + (", or --for" if options.blend else ""),
            )
        if not os.access(project.recipe.folder, os.W_OK):
            raise RecipeError(
                "the tuned file cannot be written", got=str(project.recipe.folder), next="mend its rights"
            )
        _ = project.dimensions
    if options.sampler in ("gp", "cmaes"):
        sampling.sampler(options.sampler, 0)
