"""Opening a recipe: read, looked at with its data, compiled; and the record of its last run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit import datafolder, deciding, devices, facts, planning, reader, strictyaml, targets, tuned
from kit.errors import KitError, RecipeError, nearest, writing
from kit.facts import Facts
from kit.given import Given, Source, hand_over, texts_of
from kit.levels import below
from kit.planning import Plan
from kit.recipe import Recipe
from kit.stage import Stage
from kit.store import Store
from kit.strictyaml import Document
from kit.targets import Part
from kit.wording import placed

Sets = str | Sequence[str] | Mapping[str, Any]
"""Changes of a recipe: "a.b=c" texts or one alone, or a mapping of dotted names to values."""


@dataclass(frozen=True)
class Opened:
    """A recipe with what is known of its data and what it would do."""

    recipe: Recipe
    store: Store
    facts: Facts
    plan: Plan
    root: Path


def read_recipe(path: Source | Given, set: Sets = (), trust: bool = False, no_tuned: bool = False) -> Recipe:
    """Return the checked recipe of a file or mapping, `a.b=c` changes and (unless `no_tuned`) tuned params applied.

    `trust`: it may run files of its own.

    Raises:
        RecipeError: with every problem and its line; it picks none of several targets.
    """
    given = hand_over(path)
    document = changed(given, set)
    name = targets.single(document)
    recipe = replace(reader.read(targets.picked(document), given.folder, trust), name=name, frames=given.frames)
    return recipe if no_tuned else tuned.apply(recipe)


def changed(given: Given, set: Sets) -> Document:
    """Return the document of a recipe with changes applied."""
    return strictyaml.apply_sets(_in_full(given.document), texts_of(set))


def each(given: Given, set: Sets) -> list[Part]:
    """Return the targets of a recipe that are to be carried out one by one; none where it has, or picks, one."""
    return targets.parts(changed(given, set), texts_of(set))


def family(given: Given, set: Sets) -> str:
    """Return the name of a recipe of several targets, with which those of their results begin."""
    return targets.named(changed(given, set))


def picking(target: str | None) -> Sets:
    """Return the change that picks one of several targets, none where there is one."""
    return {} if target is None else {"data.target": target}


def _in_full(document: Document) -> Document:
    """Return the document with `lgbm: lightgbm` written as `lgbm: {use: lightgbm}`, where --set can go on."""
    value = dict(document.value)
    for section in ("models", "blend"):
        if isinstance(entries := value.get(section), Mapping):
            value[section] = {k: {"use": v} if isinstance(v, str) else v for k, v in entries.items()}
    for section in ("split", "stop"):
        if isinstance(short := value.get(section), str):
            value[section] = {"use": short}
    return replace(document, value=value)


def open_recipe(
    path: Source | Given,
    set: Sets = (),
    root: str | Path = ".",
    keep_models: bool = False,
    trust: bool = False,
    no_tuned: bool = False,
) -> Opened:
    """Return the recipe, its facts (read from the data where the store lacks them) and its plan."""
    recipe = datafolder.filled(read_recipe(path, set, trust, no_tuned))
    base = Path(root).resolve()
    store = Store(base)
    found = facts.gather(recipe, store)
    y = store.open(found.rows_key).array("y")
    try:
        deciding.check(recipe, found.task, y)
        recipe = deciding.decided(recipe, found.task, y)
        plan = planning.compile(recipe, found, devices.detect(), keep_models)
    except KitError as error:  # of several targets it may fit the others
        if recipe.data.targets:
            where = f"target {recipe.data.target}"
            error.problems = tuple(
                replace(p, place=f"{p.place}, {where}" if p.place else where) for p in error.problems
            )
        raise
    return Opened(recipe, store, found, plan, base)


def selected(recipe: Recipe, only: Sequence[str]) -> Callable[[Stage], bool]:
    """Return which stages may run: all, or the fits of the models named by --only and of those they wait for.

    What a declared distribution is estimated by shapes the score of each, and mostly its stop.
    """
    needs = {entry.name: entry.needs for entry in recipe.ordered()}
    estimated = recipe.evaluate.model
    wanted = set[str]().union(*(below(name, needs) for name in (*only, *([estimated] if estimated else []))))
    return lambda stage: not only or stage.verb == "column" or stage.local.get("model") in wanted


def check_only(recipe: Recipe, only: Sequence[str]) -> None:
    """Raise RecipeError for a name in --only that is no model."""
    known = [m.name for m in recipe.models]
    for name in only:
        if name not in known:
            raise RecipeError("unknown model", place="--only", got=name, allowed=known, next=nearest(name, known))


def remember(opened: Opened, final: Opened | None = None) -> None:
    """Record the stages of the last run, for `why`, `gc` and `stage`; `final`: the smaller recipe it ended with.

    Raises:
        FitError: the record cannot be written.
    """
    found = [*opened.plan.stages, *(final.plan.stages if final else ())]
    folder = opened.store.root / "runs"
    record = {
        "path": str(Path(opened.recipe.document.path).resolve()),
        "within": _within(opened.root, Path(opened.recipe.document.path).resolve()),
        "last": last_keys(opened) | {s.name: s.key for s in found if opened.store.has(s.key)},
        "keep": sorted({s.key for s in found}),
        "stages": [s.to_json() for s in found if s.local],
        "target": opened.recipe.data.target if opened.recipe.data.targets else None,
        "file": _file_of(opened.recipe) or read_record(folder / f"{opened.recipe.name}.json").get("file"),
    }
    write_record(opened.store, opened.recipe.name, record)


def write_record(store: Store, name: str, record: Mapping[str, Any]) -> None:
    """Write the record of a run, a blend or a study, whole or not at all.

    Raises:
        FitError: it cannot be written.
    """
    folder = store.root / "runs"
    with writing(str(folder)), store.scratch() as temp:
        folder.mkdir(parents=True, exist_ok=True)
        (temp / "record.json").write_text(json.dumps(record), "utf-8")
        (temp / "record.json").replace(folder / f"{name}.json")


def refuse_namesake(opened: Opened) -> None:
    """Raise RecipeError where another recipe file of the same name was the last to write here, and still has it.

    Both would write to the same folder of results, each moving those of the other to the history.
    """
    recipe, mine = opened.recipe, _file_of(opened.recipe)
    record = read_record(opened.store.root / "runs" / f"{recipe.name}.json")
    other, here = record.get("file"), None if mine is None else _within(opened.root, Path(mine))
    if mine is None or other in (None, mine) or not Path(str(other)).is_file():
        return
    if here is not None and here == record.get("within"):  # the whole folder was copied, and the original stays
        return
    try:
        taken = targets.names(strictyaml.load(Path(str(other))))
    except RecipeError:
        return
    if recipe.name in taken:
        advice = "give one of them another `name`, or write elsewhere with --root"
        error = RecipeError(f"two recipes have the name {recipe.name}", got=f"{mine} and {other}", next=advice)
        raise placed(error, recipe.document, ("name",))


def _within(root: Path, path: Path) -> str | None:
    """Return the path of a recipe from the root on, where it lies below: it holds when the whole folder moves."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None


def _file_of(recipe: Recipe) -> str | None:
    """Return the path of a recipe's file, None where it was handed over as a mapping."""
    path = Path(recipe.document.path)
    return str(path.resolve()) if path.is_file() else None


def last_keys(opened: Opened) -> dict[str, str]:
    """Return stage name -> key as the last run of a recipe of this name left them."""
    last: dict[str, str] = read_record(opened.store.root / "runs" / f"{opened.recipe.name}.json").get("last", {})
    return last


def read_record(path: Path) -> dict[str, Any]:
    """Return a record of a run, empty where it cannot be read."""
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record
