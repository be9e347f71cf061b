"""Looking at recipes without fitting: plan and why; and the store's housekeeping."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from kit import describe, presence, registry, stages
from kit.engine import states
from kit.errors import KitError, RecipeError, nearest
from kit.given import Given, Source, hand_over
from kit.opening import Sets, check_only, each, last_keys, open_recipe, read_record, selected
from kit.planning import Plan
from kit.stage import Stage
from kit.store import Store


def plan(  # noqa: PLR0913 - one keyword per option of `kit plan`, and the frames
    path: Source | Given,
    *,
    set: Sets = (),
    only: Sequence[str] = (),
    root: str | Path = ".",
    trust: bool = False,
    no_tuned: bool = False,
    train: Any = None,
    test: Any = None,
    sample: Any = None,
) -> list[dict[str, str]]:
    """Return name, verb, key and state of every stage: what `run` would do."""
    given = hand_over(path, train, test, sample)
    if parts := each(given, set):
        return [
            {**line, "name": f"{part.target}: {line['name']}"}
            for part in parts
            for line in plan(given, set=part.sets, only=only, root=root, trust=trust, no_tuned=no_tuned)
        ]
    opened = open_recipe(given, set, root, trust=trust, no_tuned=no_tuned)
    check_only(opened.recipe, only)
    found = states(opened.plan, opened.store, selected(opened.recipe, only))
    return [{"name": s.name, "verb": s.verb, "key": s.key, "state": found[s.key]} for s in opened.plan.stages]


def why(  # noqa: PLR0913 - one keyword per option of `kit why`, and the frames
    path: Source,
    *,
    set: Sets = (),
    root: str | Path = ".",
    trust: bool = False,
    no_tuned: bool = False,
    train: Any = None,
    test: Any = None,
    sample: Any = None,
) -> list[dict[str, Any]]:
    """Return for each stage that would run the ingredients that changed since the last run of this recipe."""
    opened = open_recipe(hand_over(path, train, test, sample), set, root, trust=trust, no_tuned=no_tuned)
    found = states(opened.plan, opened.store)
    tuned = {m.name: m.tuned.told() for m in opened.recipe.models if m.tuned}
    last = last_keys(opened)
    out = []
    for stage in opened.plan.stages:
        if found[stage.key] != "run":
            continue
        before = last.get(stage.name)
        changes = ["no run of this stage is on record"]
        if before is not None and before != stage.key:
            old = opened.store.open(before).ingredients if opened.store.has(before) else None
            changes = ["the former result is gone"] if old is None else differences(old, _json(stage.ingredients))
            changes = [_in_names(c, opened.plan, last) for c in changes]
        elif before == stage.key:
            changes = ["its result is missing or damaged"]
        changes += [tuned[model]] if (model := stage.local.get("model")) in tuned else []
        out.append({"name": stage.name, "key": stage.key, "because": changes})
    return out


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """Return one line for each place where two JSON values differ.

    >>> differences({"a": {"b": 1}}, {"a": {"b": 2}})
    ['a.b: 1 -> 2']
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(k for k in new if k not in old)]
        return [d for k in keys for d in differences(old.get(k), new.get(k), f"{at}.{k}" if at else str(k))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [d for i, (a, b) in enumerate(zip(old, new, strict=True)) for d in differences(a, b, f"{at}[{i}]")]
    return [] if old == new else [f"{at}: {_brief(old)} -> {_brief(new)}"]


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:12] if isinstance(value, str) and len(text) == 64 else text[:60]


def _in_names(change: str, plan_: Plan, last: Mapping[str, str]) -> str:
    """Return the line with keys of stages replaced by the stages' names."""
    names = {s.key[:12]: s.name for s in plan_.stages} | {key[:12]: f"former {name}" for name, key in last.items()}
    for key, name in names.items():
        change = change.replace(key, name)
    return change


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def gc(root: str | Path = ".", *, dry: bool = False) -> tuple[int, int]:
    """Remove stored results that no recipe's last run uses; return (objects, bytes) removed.

    Raises:
        FitError: a run, a study or a blend is at work; nothing is removed then.
    """
    store = Store(Path(root).resolve())
    with nullcontext() if dry or not store.root.is_dir() else presence.alone(store.root):
        kept = {key for record in store.root.glob("runs/*.json") for key in read_record(record).get("keep", [])}
        return store.gc(kept, dry=dry)


def stage(key: str, root: str | Path = ".") -> Stage:
    """Carry out one recorded stage in this process: how a failed fit is run again under a debugger."""
    store = Store(Path(root).resolve())
    for record in store.root.glob("runs/*.json"):
        for line in read_record(record).get("stages", []):
            found = Stage.from_json(line)
            if found.key.startswith(key):
                stages.run(found, store)
                return found
    raise KitError("no recorded stage has this key", got=key, next="kit plan --json lists the keys of a recipe")


def show(kind: str, name: str | None = None, *, trust: bool = False) -> list[describe.Page]:
    """Return the pages of a kind's plug-ins (KIND is its folder, with or without the s), or that of one of them.

    Raises:
        RecipeError: there is no such kind or plug-in, or it is a file of the user's own that is not trusted.
    """
    folder = next((k for k, word in registry.KINDS.items() if kind in (k, k.removesuffix("s"), word)), "")
    if not folder:
        hint = nearest(kind, registry.KINDS)
        raise RecipeError("unknown kind of plug-in", got=kind, allowed=list(registry.KINDS), next=hint)
    if name is not None and name.endswith(".py") and not trust:
        advice = "read the file; if you trust it, add --trust"
        raise RecipeError("to show a file of one's own is to run it", got=name, next=advice)
    return [describe.page(folder, each) for each in ([name] if name else registry.names(folder))]
