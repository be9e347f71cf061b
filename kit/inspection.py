"""What `kit check` says of a recipe and its data before anything is fitted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from kit import asked, cost, findings, registry
from kit.engine import states
from kit.forms import Form
from kit.given import Given, Source, hand_over
from kit.opening import Opened, Sets, each, family, open_recipe
from kit.types import Array


def check(  # noqa: PLR0913 - one keyword per option of `kit check`, and the frames
    path: Source | Given,
    *,
    set: Sets = (),
    root: str | Path = ".",
    trust: bool = False,
    train: Any = None,
    test: Any = None,
    sample: Any = None,
) -> dict[str, Any]:
    """Return what was inferred of a recipe and its data, what to look at before fitting, and what fitting will cost.

    Of a recipe of several targets, `targets` holds that for each.
    """
    given = hand_over(path, train, test, sample)
    if parts := each(given, set):
        found_ = {part.target: check(given, set=part.sets, root=root, trust=trust) for part in parts}
        return {"recipe": family(given, set), "targets": found_}
    opened = open_recipe(given, set, root, trust=trust)
    recipe, found, task = opened.recipe, opened.facts, opened.facts.task
    todo = sum(state == "run" for state in states(opened.plan, opened.store).values())
    fits = [s for s in opened.plan.stages if s.verb == "fit"]
    classes = f", classes {', '.join(map(str, task.classes[:12]))}" if task.classes else ""
    positive = f", positive {task.positive}" if task.kind == "binary" else ""
    extra = f", {found.n_extra} extra" if found.n_extra else ""
    used = {name for s in opened.plan.stages for name in s.ingredients.get("x", {})}
    cost_ = cost.planned(opened)
    return {
        "recipe": recipe.name,
        "task": f"{task.kind}, {task.objective} loss, metric {registry.shown(recipe.metric)}{classes}{positive}",
        "rows": f"{found.n_train} train, {found.n_test} test{extra}",
        "folds": f"{found.n_folds} by {registry.shown(recipe.split.use)}",
        "fits": f"{len(fits)} of {len(recipe.models)} models; {todo} of {len(opened.plan.stages)} stages would run",
        "submission": f"{recipe.submit} as {', '.join(found.sample.header)}" if found.n_test else "none: no test rows",
        "cost": {**vars(cost_), "text": str(cost_)},
        "columns": _columns(opened, used),
        "findings": findings.as_dicts(findings.find(recipe, found, opened.store, used)),
    }


def _columns(opened: Opened, used: Collection[str]) -> list[dict[str, Any]]:
    """Return name, kind, how it is written, number of levels, share of missing values and role of each column."""
    facts, data, table = opened.facts, opened.recipe.data, opened.store.open(opened.facts.table_key)
    roles: dict[str | None, str] = {data.groups: "groups", data.weight: "weight", data.time: "time"}
    roles.update(dict.fromkeys(asked.split_columns(opened.recipe), "fold"))
    roles.update(dict.fromkeys(data.drop, "dropped"))
    told = {"regression": "numeric"}.get(facts.task.kind, "classes")
    shown = [{"name": facts.target, "kind": told, "form": "", "levels": len(facts.task.classes), "role": "target"}]
    shown += [{"name": data.id, "kind": "key", "form": "", "levels": 0, "role": "id"}] if data.id else []
    for name, column in table.meta["header"].items():
        coded = column["kind"] in ("category", "text", "key")
        form = Form(**column["form"])
        shown.append(
            {
                "name": name,
                "kind": column["kind"],
                "form": f"{form.style} {form.unit}".strip(),
                "levels": column["levels"],
                "missing": _missing(table.array(f"x/{name}", mmap=True)[: facts.n_train], coded=coded),
                "role": roles.get(name) or ("feature" if name in used else "not used"),
            }
        )
    return shown


def _missing(x: Array, *, coded: bool) -> float:
    """Return the share of missing values."""
    return float(np.mean(x < 0 if coded else np.isnan(x)))
