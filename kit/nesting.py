"""`kit blend --nested full`: the score of a blend whose sources, too, were made without the fold that is scored.

Each fold of the recipe is held in turn. The rows that may learn for it become data of their own, the held ones their
test rows (`narrowed`); the recipe is planned on them and carried out like any other: by THE fold, through the store, so
that nothing is fitted twice. The blend is fitted on the OOFs this makes, and its test predictions are scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import crossfit, devices, folding, narrowed, opening, paired, planning, registry, table
from kit.archive import positions
from kit.canon import code_file, fingerprint
from kit.crossfit import BlendSpec, blended
from kit.deadlines import Clock
from kit.engine import Observer, execute, states
from kit.errors import DataError, FitError
from kit.facts import Facts
from kit.levels import below
from kit.lineup import Source
from kit.oof import Oof
from kit.oofobject import load_oof
from kit.opening import Opened
from kit.paired import Truth, spread
from kit.panel import Panel
from kit.planning import Plan
from kit.recipe import Recipe
from kit.rowgroups import weights_of
from kit.standings import NOISE, number
from kit.types import Floats32, Ints, Pred
from kit.workers import Workers

if TYPE_CHECKING:
    import polars as pl

FITS = ("fit", "refit", "curve")
"""Verbs of a plan that call a learner."""


@dataclass(frozen=True)
class Origin:
    """A recipe that sources come from. `names`: models and blends of it; `at`: which sources they are."""

    opened: Opened
    names: tuple[str, ...]
    at: tuple[int, ...]

    @property
    def smaller(self) -> Recipe:
        """The recipe of these names and what they read, without a submission."""
        recipe = self.opened.recipe
        needs = {entry.name: entry.needs for entry in recipe.ordered()}
        wanted = [*self.names, *([recipe.evaluate.model] if recipe.evaluate.model else [])]
        left = set().union(*(below(name, needs) for name in wanted))
        models = tuple(m for m in recipe.models if m.name in left)
        return replace(recipe, models=models, blends=tuple(b for b in recipe.blends if b.name in left), submit=None)

    def ids(self) -> pl.Series:
        """Return the ids of its training rows."""
        return table.series_from_arrow(self.opened.store.open(self.opened.facts.rows_key).blob("ids/train"))


@dataclass(frozen=True)
class Full:
    """What a blend is worth with level 1 refitted. `n_fits`: fits behind it; `behind`: how much worse than the nested
    score given the OOFs, `behind_se` its paired standard error; `overfitted`: in words, where that is no noise."""

    score: float | None
    se: float | None
    behind: float | None
    behind_se: float | None
    n_fits: int
    overfitted: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return asdict(self)


# -- where sources come from


def origins(sources: Sequence[Source], root: Path, recipe: str | Path | None, trust: bool) -> list[Origin]:
    """Return the recipes that the sources can be refitted by.

    Raises:
        DataError: some cannot, each named with the reason.
    """
    opened: dict[str, Opened | str] = {}
    found: dict[str, list[int]] = {}
    lost: list[str] = []
    for at, source in enumerate(sources):
        name = str(source.card.get("recipe"))
        if name not in opened:
            opened[name] = _opened(name, root, recipe, trust)
        why = _why_not(opened[name], source)
        if why:
            lost.append(f"{source.name} ({why})")
        else:
            found.setdefault(name, []).append(at)
    if lost:
        advice = "leave these sources out, run their recipe again, or leave --nested full out"
        rule = "sources cannot be refitted in every fold"
        raise DataError(rule, place="--nested full", got="; ".join(lost), allowed="models of a recipe", next=advice)
    models = {name: tuple(str(sources[i].card.get("model")) for i in at) for name, at in found.items()}
    return [Origin(o, models[n], tuple(found[n])) for n, o in opened.items() if isinstance(o, Opened)]


def _opened(name: str, root: Path, recipe: str | Path | None, trust: bool) -> Opened | str:
    """Return the opened recipe of a name, or why there is none."""
    record = opening.read_record(root / ".kit" / "runs" / f"{name}.json")
    paths = [recipe, record.get("path"), root / "recipes" / f"{name}.yaml", root / f"{name}.yaml"]
    for path in (Path(p) for p in paths if p is not None):
        if not path.is_file():
            continue
        picked = opening.picking(record.get("target"))
        read = opening.read_recipe(path, picked, trust)
        if read.name == name:
            return opening.open_recipe(path, picked, root, trust=trust)
    return "no recipe made it" if not record else "the file of its recipe is gone"


def _why_not(opened: Opened | str, source: Source) -> str:
    """Return why a source cannot be refitted, or nothing."""
    if isinstance(opened, str):
        return opened
    key = opened.plan.oofs.get(str(source.card.get("model")))
    if key is None:
        return "its recipe does not make it"
    return "" if key == source.card.get("key") else "its recipe or data have changed since"


def ingredients(found: Sequence[Origin]) -> dict[str, Any]:
    """Return what shapes the score beside what shapes the blend."""
    code = [code_file(m) for m in (narrowed, planning, crossfit)]
    keys = [[o.opened.plan.oofs[name] for name in o.names] for o in found]
    return {"sources": keys, "code": [*code, fingerprint(Path(__file__))]}


# -- the outer folds


def nested(found: Sequence[Origin], spec: BlendSpec, ids: pl.Series, observer: Observer) -> tuple[Pred, int]:
    """Return for each training row, in the order of `ids`, the blend of sources refitted without its fold, NaN where a
    row is never held; and how many fits there were.

    Raises:
        FitError: a fit failed.
    """
    first = found[0].opened
    folds = folding.folds_of(first.store.open(first.facts.folds_key))
    there = found[0].ids()
    places = [positions(there, origin.ids()) for origin in found]
    if any((at < 0).any() for at in places):
        raise DataError("the recipes of the sources have other rows", place="--nested full", next="blend one recipe's")
    pred, n_fits = np.full((len(there), spec.task.n_out), np.nan, np.float32), 0
    std: Floats32 | None = np.full(len(there), np.nan, np.float32)
    for k in range(folds.n_folds):
        learn, held = (np.flatnonzero(rows) for rows in (folds.is_train(k), folds.is_held(k)))
        sides = [(origin, at[learn], at[held]) for origin, at in zip(found, places, strict=True)]
        side, count = _refitted(sides, spec, observer)
        made = blended(spec, side).oof.test_mean()
        pred[held] = made.mean
        if std is not None and made.std is not None:
            std[held] = made.std
        else:
            std = None
        n_fits += count
    return paired.at(Pred(pred, std), positions(ids, there)), n_fits


def _refitted(sides: Sequence[tuple[Origin, Ints, Ints]], spec: BlendSpec, observer: Observer) -> tuple[Panel, int]:
    """Return the sources of one outer fold as a panel, in the order of the blend, and the fits it takes."""
    oofs: dict[int, Oof] = {}
    known: list[tuple[Facts, Plan]] = []
    for origin, learn, held in sides:
        store, recipe = origin.opened.store, origin.smaller
        facts = narrowed.narrowed(recipe, origin.opened.facts, store, learn, held)
        if known:  # all sources on the same folds, whichever recipe they are of
            facts = replace(facts, folds_key=known[0][0].folds_key, n_folds=known[0][0].n_folds)
        plan = planning.compile(recipe, facts, devices.detect())
        known.append((facts, plan))
        _carry_out(plan, origin.opened, observer)
        oofs |= {i: load_oof(store.open(plan.oofs[n])) for i, n in zip(origin.at, origin.names, strict=True)}
    rows = store.open(known[0][0].rows_key)
    declared = known[0][1].v_key
    v = weights_of(rows, store.open(declared).array("v") if declared else None)
    side = Panel(spec.task, [oofs[i] for i in sorted(oofs)], v, rows.array("group") if "group" in rows else None)
    return side.weighed(rows.array("v")), sum(s.verb in FITS for _, plan in known for s in plan.stages)


def _carry_out(plan: Plan, opened: Opened, observer: Observer) -> None:
    """Carry out a plan; fits that are in the store stand.

    Raises:
        FitError: a stage failed.
    """
    left = sum(state == "run" for state in states(plan, opened.store).values())
    workers = partial(Workers, max(1, min(devices.cores(), left)), opened.root)
    outcome = execute(plan, opened.store, workers, Clock(None, {}), observer, lambda stage: True)
    if outcome.failed:
        lost = outcome.failed[0]
        error = FitError(f"{lost.stage.name} failed on a part of the training rows")
        error.problems = (replace(lost.problem, rule=f"{error.problems[0].rule}: {lost.problem.rule}"),)
        raise error


def judged(truth: Truth, full: Pred, given: Pred, n_fits: int) -> Full:
    """Return what a blend is worth by its predictions with level 1 refitted, beside those `given` the OOFs.

    Raises:
        DataError: rows that are scored are held by no fold.
    """
    if not np.isfinite(full.mean).all():
        raise DataError("rows that are scored are held in no fold of the recipe", place="--nested full")
    sign = registry.metric(truth.metric).sign
    found = spread(truth, [full, given])
    behind, se = float(sign * (found.scores[0] - found.scores[1])), found.of_difference(0, 1)
    told = ""
    if behind > NOISE * se:
        told = (
            f"level 1 overfits: with the sources refitted without the fold that is scored the blend scores "
            f"{found.scores[0]:.6g}, given their OOFs {found.scores[1]:.6g}"
        )
    error = float(np.sqrt(found.covariance[0, 0]))
    return Full(number(found.scores[0]), number(error), number(behind), number(se), n_fits, told)
