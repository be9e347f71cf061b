"""What `kit check` says of a recipe and its data before anything is fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit import deciding, registry
from kit.engine import states
from kit.given import Source, hand_over
from kit.opening import Opened, Sets, open_recipe


def check(  # noqa: PLR0913 - one keyword per option of `kit check`, and the frames
    path: Source,
    *,
    set: Sets = (),
    root: str | Path = ".",
    trust: bool = False,
    train: Any = None,
    test: Any = None,
    sample: Any = None,
) -> dict[str, Any]:
    """Return what was inferred of a recipe and its data: task, rows, folds, columns and roles, fits to make."""
    opened = open_recipe(hand_over(path, train, test, sample), set, root, trust=trust)
    recipe, found = opened.recipe, opened.facts
    table = opened.store.open(found.table_key)
    fits = [s for s in opened.plan.stages if s.verb == "fit"]
    todo = sum(state == "run" for state in states(opened.plan, opened.store).values())
    task = found.task
    classes = f", classes {', '.join(map(str, task.classes[:12]))}" if task.classes else ""
    rare = [[recipe.data.target, *note] for note in opened.store.open(found.folds_key).meta.get("notes", [])]
    added = [[recipe.data.target, *deciding.note(recipe)]] if recipe.added else []
    notes = [*table.meta["notes"], *rare, *added]
    positive = f", positive {task.positive}" if task.kind == "binary" else ""
    return {
        "recipe": recipe.name,
        "task": f"{task.kind}, {task.objective} loss, metric {registry.shown(recipe.metric)}{classes}{positive}",
        "rows": f"{found.n_train} train, {found.n_test} test",
        "folds": f"{found.n_folds} by {registry.shown(recipe.split.use)}",
        "fits": f"{len(fits)} of {len(recipe.models)} models; {todo} of {len(opened.plan.stages)} stages would run",
        "submission": f"{recipe.submit} as {', '.join(found.sample.header)}" if found.n_test else "none: no test rows",
        "columns": _columns(opened),
        "notes": [dict(zip(("column", "what", "next"), note, strict=True)) for note in notes],
    }


def _columns(opened: Opened) -> list[dict[str, Any]]:
    """Return name, kind, number of levels and role of each column."""
    data, table = opened.recipe.data, opened.store.open(opened.facts.table_key)
    roles = {data.target: "target", data.id: "id", data.groups: "groups", data.weight: "weight", data.time: "time"}
    return [
        {
            "name": name,
            "kind": column["kind"],
            "levels": column["levels"],
            "role": roles.get(name) or ("feature" if name in opened.facts.free else "not used"),
        }
        for name, column in table.meta["header"].items()
    ]
