"""Opening a recipe: read, looked at with its data, compiled; and the record of its last run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit import deciding, devices, facts, planning, reader, strictyaml, tuned
from kit.errors import RecipeError, nearest
from kit.facts import Facts
from kit.given import Given, Source, hand_over
from kit.planning import Plan
from kit.recipe import Recipe
from kit.stage import Stage
from kit.store import Store
from kit.strictyaml import Document

Sets = Sequence[str] | Mapping[str, Any]
"""Changes of a recipe: "a.b=c" texts, or a mapping of dotted names to values."""


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
        RecipeError: with every problem and its line.
    """
    texts = [f"{k}={json.dumps(v)}" for k, v in set.items()] if isinstance(set, Mapping) else set
    given = hand_over(path)
    document = strictyaml.apply_sets(_in_full(given.document), texts)
    recipe = replace(reader.read(document, given.folder, trust), frames=given.frames)
    return recipe if no_tuned else tuned.apply(recipe)


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
    recipe = read_recipe(path, set, trust, no_tuned)
    base = Path(root).resolve()
    store = Store(base)
    found = facts.gather(recipe, store)
    recipe = deciding.decided(recipe, found.task, store.open(found.rows_key).array("y"))
    plan = planning.compile(recipe, found, devices.detect(), keep_models)
    return Opened(recipe, store, found, plan, base)


def selected(only: Sequence[str]) -> Callable[[Stage], bool]:
    """Return which stages may run: all, or the fits of the models named by --only."""
    return lambda stage: not only or stage.verb == "column" or stage.local.get("model") in only


def check_only(recipe: Recipe, only: Sequence[str]) -> None:
    """Raise RecipeError for a name in --only that is no model."""
    known = [m.name for m in recipe.models]
    for name in only:
        if name not in known:
            raise RecipeError("unknown model", place="--only", got=name, allowed=known, next=nearest(name, known))


def remember(opened: Opened, final: Opened | None = None) -> None:
    """Record the stages of the last run, for `why`, `gc` and `stage`; `final`: the smaller recipe it ended with."""
    found = [*opened.plan.stages, *(final.plan.stages if final else ())]
    folder = opened.store.root / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "path": str(Path(opened.recipe.document.path).resolve()),
        "last": last_keys(opened) | {s.name: s.key for s in found if opened.store.has(s.key)},
        "keep": sorted({s.key for s in found}),
        "stages": [s.to_json() for s in found if s.local],
    }
    temp = opened.store.temporary()
    (temp / "record.json").write_text(json.dumps(record), "utf-8")
    (temp / "record.json").replace(folder / f"{opened.recipe.name}.json")
    temp.rmdir()


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
