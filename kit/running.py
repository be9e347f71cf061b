"""Carries out a recipe from its file to the submission."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from kit import devices, oofdir, planning, registry, scores, standin
from kit.deadlines import Clock
from kit.engine import Failure, Observer, Outcome, execute, states
from kit.given import Given
from kit.opening import Opened, Sets, check_only, open_recipe, refuse_namesake, remember, selected
from kit.publish import publish
from kit.scene import Scene
from kit.stage import Stage
from kit.submission import submit
from kit.workers import Crew, Workers

CELLS_FOR_THREADS = 5_000_000
"""Cells of a table from which a second thread per fit pays; below, threads wait for each other more than they work."""

KEPT = (
    "the kept models of %s are those of former results and go to the history with them: kit predict has none until "
    "this recipe is run with --keep-models"
)

log = logging.getLogger("kit")


@dataclass(frozen=True)
class Result:
    """What `run` did. `models` and `blends`: name -> score, fold_scores, oof (path), peeked.

    `targets`: of a recipe of several, target -> what was done for it; models and blends stand there alone. `submits`:
    the model or blend that a submission shows.
    """

    recipe: str
    submission: str | None
    models: Mapping[str, Mapping[str, Any]]
    blends: Mapping[str, Mapping[str, Any]]
    stages: Mapping[str, int]
    truncated: bool
    seconds: float
    missing: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    targets: Mapping[str, Result] = field(default_factory=dict)
    submits: str | None = None
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)  # curves and all: pages of them
    idle: bool = False  # whether nothing was fitted that was not there before

    @property
    def stand_in(self) -> str:
        """The name of the model that stands in where no other was complete in time."""
        return standin.NAME

    def as_json(self) -> dict[str, Any]:
        """Return what `kit run --json` prints."""
        names = ("recipe", "submission", "models", "blends", "stages", "truncated", "seconds")
        told = {name: getattr(self, name) for name in names}
        return told | ({"targets": {t: r.as_json() for t, r in self.targets.items()}} if self.targets else {})


@dataclass(frozen=True)
class Wish:
    """How a recipe is to be carried out: the options of `kit run`. `deadline`: on the monotonic clock."""

    set: Sets = ()
    only: tuple[str, ...] = ()
    jobs: int | None = None
    time_limit: float | None = None
    deadline: float | None = None
    root: str | Path = "."
    keep_models: bool = False
    trust: bool = False
    no_tuned: bool = False
    observer: Observer | None = None
    crew: Crew | None = None
    """Workers that are there already, or come to stay: those of recipes that are carried out one after the other."""


@dataclass(frozen=True)
class Ran:
    """A recipe that was carried out: its models and blends are published, its submission is not yet."""

    opened: Opened
    scene: Scene
    cards: Mapping[str, Mapping[str, Any]]
    outcome: Outcome
    began: float

    def submit(self) -> Path | None:
        """Write the submission and return its path; None where what it shows is not there."""
        return submit(self.scene, self.cards) if self.submits else None

    @property
    def submits(self) -> bool:
        """Whether there is something to submit."""
        plan = self.scene.plan
        return self.scene.recipe.submit in self.cards and plan.submit is not None and self.scene.store.has(plan.submit)

    def result(self, submission: Path | None) -> Result:
        """Return what is told of it."""
        remember(self.opened, replace(self.opened, recipe=self.scene.recipe, plan=self.scene.plan))
        return _result(self.opened, self.scene, self.cards, self.outcome, submission, time.monotonic() - self.began)


def carry_out(given: Given, wish: Wish, opened: Opened | None = None) -> Ran:
    """Fit what is missing of a recipe, blend and publish; `opened`: it, where it was opened with these wishes already.

    Raises:
        KitError: the recipe or the data breaks a rule.
    """
    began = time.monotonic()
    reopen = partial(open_recipe, given, wish.set, wish.root, wish.keep_models, wish.trust, wish.no_tuned)
    opened = opened or reopen()
    check_only(opened.recipe, wish.only)
    refuse_namesake(opened)
    opened = _mended(opened, reopen, wish.only)
    remember(opened)
    _tell_of_target(opened)
    _tell_of_kept(opened)
    watcher = _Scored(wish.observer or Observer(), opened)
    clock = _clock(opened, wish.deadline, wish.time_limit)
    outcome, final = _carry_out(opened, wish, clock, watcher)
    scene = Scene(
        final.recipe, final.facts, final.plan, final.store, final.root, _missing(opened, final), bool(outcome.cut)
    )
    cards = {name: publish(scene, name) for name, key in final.plan.oofs.items() if final.store.has(key)}
    standin.leave(opened, scene)
    return Ran(opened, scene, cards, outcome, began)


def _tell_of_target(opened: Opened) -> None:
    """Say, as the data are read, that test has the target; `kit check` always says it."""
    if "rows" in opened.facts.made:  # of several targets one reads the table
        for column, what, _ in opened.store.open(opened.facts.table_key).meta["target_of_test"]:
            if column == opened.recipe.data.target:
                log.warning("%s: %s", column, what)


def _tell_of_kept(opened: Opened) -> None:
    """Say, before anything is fitted, which results with kept models this run replaces by such without."""
    if any(stage.needs for stage in opened.plan.stages):
        return
    folder = opened.root / "oof" / opened.recipe.name
    models = [n for n in opened.plan.oofs if (folder / n / "models").is_dir()]
    old = {n: (oofdir.read_card(folder / n) or {}).get("key") for n in models}
    if changed := [n for n in models if old[n] != opened.plan.oofs[n]]:
        log.warning(KEPT, ", ".join(changed))


class _Scored(Observer):
    """Adds the score of a finished fit to what an observer is told."""

    def __init__(self, inner: Observer, opened: Opened) -> None:
        found = opened.facts
        self._inner = inner
        self._score = scores.running(opened.store, found, opened.recipe.metric, opened.plan.v_key)
        self.begin, self.started, self.failed = inner.begin, inner.started, inner.failed  # type: ignore[method-assign]

    def done(self, stage: Stage, seconds: float, score: float | None = None) -> None:
        """Pass on the stage with its score."""
        self._inner.done(stage, seconds, self._score(stage))


def _carry_out(opened: Opened, wish: Wish, clock: Clock, observer: Observer) -> tuple[Outcome, Opened]:
    """Return the outcome and what was carried out in the end: the recipe, or the smaller one of its complete models."""
    cores, only = devices.cores(), selected(opened.recipe, wish.only)
    wanted = max(1, wish.jobs or cores)

    def begun() -> Workers:
        left = sum(s == "run" for s in states(opened.plan, opened.store, only).values())
        big = opened.facts.n_train * len(opened.facts.free) >= CELLS_FOR_THREADS
        threads = max(1, cores // wanted) if big else 1
        return Workers(wanted if wish.crew else max(1, min(wanted, left)), opened.root, threads)

    with Crew() if wish.crew is None else nullcontext(wish.crew) as crew:
        spare = None if wish.only else standin.beside(opened, clock.deadline)
        return _ended(opened, spare, _Means(partial(crew.hired, begun), clock, observer, only))


class _Means(NamedTuple):
    """What carries out the plans of a run, one after the other."""

    workers: Callable[[], AbstractContextManager[Workers]]
    clock: Clock
    observer: Observer
    only: Callable[[Stage], bool]


def _ended(opened: Opened, spare: Opened | None, means: _Means) -> tuple[Outcome, Opened]:
    """Return the outcome and what stands in the end; `spare`: what stands in where no model is complete."""
    workers, clock, observer, only = means
    ahead: list[str] = []
    if spare is not None:
        clock.tried = {standin.NAME}
        ahead = execute(spare.plan, spare.store, workers, clock, observer, only).ran
    outcome = execute(opened.plan, opened.store, workers, clock, observer, only)
    outcome.ran += ahead
    dropped = outcome.cut or (outcome.failed and opened.recipe.missing == "drop")
    if not dropped:
        return outcome, opened
    lacking = [m.name for m in opened.recipe.models if not opened.store.has(opened.plan.oofs[m.name])]
    smaller = opened.recipe.without(lacking)
    if not smaller.models and spare is not None and spare.plan.submit and spare.store.has(spare.plan.submit):
        return outcome, spare
    if not smaller.models:
        return outcome, replace(opened, recipe=smaller, plan=replace(opened.plan, oofs={}, submit=None))
    keep = any(s.needs for s in opened.plan.stages)
    plan = planning.compile(smaller, opened.facts, devices.detect(), keep)
    again = execute(plan, opened.store, workers, clock, observer, only)
    outcome.ran += again.ran
    outcome.failed += again.failed
    return outcome, replace(opened, recipe=smaller, plan=plan)


def _mended(opened: Opened, reopen: Callable[[], Opened], only: Sequence[str]) -> Opened:
    """Return the same with damaged results gone: what a stage that runs will read, and what will be shown."""
    found = states(opened.plan, opened.store, selected(opened.recipe, only))
    read = {key for s in opened.plan.stages if found[s.key] == "run" for key in s.inputs}
    if "run" in found.values():
        read |= {opened.facts.table_key, opened.facts.rows_key}
    shown = {k for k in (*opened.plan.oofs.values(), opened.plan.submit) if k}
    keys = {s.key for s in opened.plan.stages if found[s.key] != "run"} & (read | shown)
    if all([opened.store.check(key) for key in sorted(keys) if opened.store.has(key)]):
        return opened
    return _mended(reopen(), reopen, only)


def _clock(opened: Opened, deadline: float | None, limit: float | None) -> Clock:
    hints = {m.name: registry.load("models", m.plug.use).COST for m in opened.recipe.models}
    clock = Clock(deadline, hints)
    clock.reserve += 0.03 * (limit or 0.0)
    return clock


def _missing(opened: Opened, final: Opened) -> tuple[str, ...]:
    left = {m.name for m in final.recipe.models}
    return tuple(m.name for m in opened.recipe.models if m.name not in left)


def _result(
    opened: Opened,
    scene: Scene,
    cards: Mapping[str, Mapping[str, Any]],
    outcome: Outcome,
    submission: Path | None,
    seconds: float,
) -> Result:
    shown = {
        name: {
            "score": card["score"],
            "fold_scores": card["fold_scores"],
            "oof": str(scene.folder / name / "oof.parquet"),
            "peeked": card["peeked"],
        }
        for name, card in cards.items()
    }
    blends = [b.name for b in scene.recipe.blends]
    return Result(
        scene.recipe.name,
        str(submission) if submission else None,
        {n: c for n, c in shown.items() if n not in blends},
        {n: c for n, c in shown.items() if n in blends},
        _counts(opened, scene, outcome),
        scene.truncated,
        round(seconds, 3),
        scene.missing,
        tuple(outcome.failed),
        submits=scene.recipe.submit,
        cards=cards,
        idle=not (outcome.ran or standin.late(opened)),  # text models keep what they have read
    )


def _counts(opened: Opened, scene: Scene, outcome: Outcome) -> dict[str, int]:
    """Return how many of the planned stages ran, were reused and failed; what --only leaves out is in none of them.

    A blend remade of fewer models stands for the planned one of its name.
    """
    final = {s.name: s.key for s in scene.plan.stages}
    lost = {f.stage.key for f in outcome.failed} | {s.key for s in outcome.cut}
    counts = {"run": 0, "reused": 0, "failed": 0}
    for stage in opened.plan.stages:
        key = final.get(stage.name, stage.key)
        if key in outcome.ran or stage.verb in opened.facts.made:
            counts["run"] += 1
        elif scene.store.has(key):
            counts["reused"] += 1
        elif key in lost or lost.intersection(stage.inputs):
            lost.add(stage.key)
            counts["failed"] += 1
    return counts
