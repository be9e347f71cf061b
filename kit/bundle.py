"""What `kit predict` needs of a model or blend, beside its OOF: how rows are read, columns, features, models, combiner.

models/replay.json            what it is made of; names of columns, how they were read
models/levels/<n>.arrow       the levels of a category or text column
models/joins/<n>.arrow         a further table, with the columns that are read
models/columns/<alias>/       a computed column as it was learnt
models/fold<k>-seed<s>/       a model in its native format, its features and codec in replay.json and .safetensors
models/refit-seed<s>/         the same, trained on all rows
models/combiner.*             of a blend, the stacker fitted on all rows
models/own/<code>/            plug-in files of the user's own
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit import intact, registry, sides, table
from kit.canon import parts_of
from kit.fitplan import adds, task_dict
from kit.recipe import Model
from kit.scene import Scene
from kit.stage import Stage, alias_of

FORMAT = 2
"""Number of the layout of a bundle; readers take every older one. 2: with further tables."""


def keeps(scene: Scene) -> bool:
    """Return whether models are to be kept beside their OOFs."""
    return any(stage.needs for stage in scene.plan.stages)


def stands(folder: Path, card: Mapping[str, Any]) -> bool:
    """Return whether an OOF folder holds a bundle, as it was written."""
    return (folder / "models" / "replay.json").is_file() and not intact.altered(folder, card, "models/")


def write(scene: Scene, name: str, folder: Path) -> None:
    """Write the bundle of a model or blend to `folder`/models; its parts must all be in the store."""
    target = folder / "models"
    target.mkdir()
    stage, entry = scene.plan.of(scene.plan.oofs[name]), scene.entry(name)
    made = _model(scene, entry, stage, target) if isinstance(entry, Model) else _blend(scene, entry.name, stage, target)
    _write(target, {**_about(scene, name), **made})


def carry(scene: Scene, name: str, old: Path, folder: Path) -> None:
    """Copy the bundle of an older folder of the same result; what it says of the recipe is what that says now."""
    shutil.copytree(old / "models", folder / "models")
    about = json.loads((folder / "models" / "replay.json").read_text("utf-8"))
    entry, stage = scene.entry(name), scene.plan.of(scene.plan.oofs[name])
    named = _names(scene, entry, stage) if isinstance(entry, Model) else {"sources": _sources(scene, stage)}
    _write(folder / "models", {**about, **_about(scene, name), **named})


def _write(target: Path, about: Mapping[str, Any]) -> None:
    (target / "replay.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _about(scene: Scene, name: str) -> dict[str, Any]:
    """Return what is to be known of the recipe where new rows are predicted."""
    y, entry = scene.store.open(scene.facts.rows_key).array("y"), scene.entry(name)
    reads = entry.reads if isinstance(entry, Model) else entry.sources
    return {
        "format": FORMAT if scene.recipe.data.join else 1,
        "recipe": scene.recipe.name,
        "name": name,
        "key": scene.plan.oofs[name],
        "submit": scene.recipe.submit,
        "source_keys": {source: scene.plan.oofs[source] for source in reads},
        "task": task_dict(scene.facts.task),
        "y_range": [float(y.min()), float(y.max())],
        "id": scene.recipe.data.id,
        "id_name": scene.facts.id_name,
        "id_text": _id_is_text(scene),
        "nulls": list(scene.recipe.data.nulls),
        "encoding": scene.recipe.data.encoding,
        "rename": dict(scene.recipe.data.rename),
        "metric": registry.keyed("metrics", scene.recipe.metric),
        "layout": scene.facts.sample.as_dict(),
    }


def _id_is_text(scene: Scene) -> bool:
    """Return whether the ids of training are names and no numbers: 12e5 may be one."""
    import polars as pl

    ids = table.series_from_arrow(scene.store.open(scene.facts.rows_key).blob("ids/train"))
    return ids.dtype == pl.String


def _blend(scene: Scene, name: str, stage: Stage, target: Path) -> dict[str, Any]:
    _copy(scene, stage.key, "combiner", target)
    spec = {"use": stage.ingredients["stacker"]["use"], "params": stage.ingredients["stacker"]["params"]}
    files = {"own": _own(stage.local["files"], target)}
    return {
        "kind": "blend",
        "stacker": spec,
        "seed": stage.ingredients["seed"],
        "sources": _sources(scene, stage),
        "columns": _columns(scene, sorted(stage.ingredients.get("x", {})), target),
        **_joins(scene, sorted(stage.ingredients.get("x", {})), target),
        **files,
    }


def _sources(scene: Scene, stage: Stage) -> list[str]:
    by_key = {key: name for name, key in scene.plan.oofs.items()}
    return [by_key[key] for key in stage.ingredients["sources"]]


def _model(scene: Scene, model: Model, stage: Stage, target: Path) -> dict[str, Any]:
    first = scene.plan.of(stage.ingredients["fits"][0][0])
    fits = {f"fold{k}-seed{s}": key for k, seeds in enumerate(stage.ingredients["fits"]) for s, key in enumerate(seeds)}
    refits = {f"refit-seed{s}": key for s, key in enumerate(stage.ingredients["refits"])}
    for part, key in {**fits, **refits}.items():
        _copy(scene, key, "model", target / part)
    firsts = [scene.store.open(seeds[0]) for seeds in stage.ingredients["fits"]]
    untaught = [k for k, fit in enumerate(firsts) if fit.meta["at_word"]]
    named = _names(scene, model, stage)
    computed = named["computed"]
    for alias in computed:
        _copy(scene, scene.plan.of(computed[alias]["key"]).key, "learnt", target / "columns" / alias)
    columns = {*first.ingredients["x"], *(c for made in computed.values() for c in made["x"])}
    return {
        "kind": "model",
        "use": first.ingredients["model"]["use"],
        "average": model.average,
        "folds": len(stage.ingredients["fits"]),
        "seeds": model.seeds,
        "refit": bool(refits),
        **({"untaught": untaught} if untaught else {}),
        "columns": _columns(scene, sorted(columns), target),
        **_joins(scene, sorted(columns), target),
        **named,
        "over": adds(model),
        "own": _own(first.local["files"], target),
    }


def _names(scene: Scene, model: Model, stage: Stage) -> dict[str, Any]:
    """Return what a model reads beside columns of the data, by its names in the recipe."""
    sources = {alias_of(scene.plan.oofs[name]): name for name in model.reads}
    first = scene.plan.of(stage.ingredients["fits"][0][0])
    return {"computed": _computed(scene, first, sources), "sources": sources}


def _computed(scene: Scene, fit: Stage, sources: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return alias -> key and columns of the computed columns behind a fit, each after those it is made of."""
    found: dict[str, dict[str, Any]] = {}

    def visit(columns: Mapping[str, str]) -> None:
        for alias, key in columns.items():
            if alias in sources or alias in found:
                continue
            made = scene.plan.of(key).ingredients
            visit(made["columns"])
            found[alias] = {"key": key, "x": sorted(made["x"]), "name": scene.plan.names.get(alias, alias)}

    visit(fit.ingredients["columns"])
    return found


def _columns(scene: Scene, names: Sequence[str], target: Path) -> dict[str, dict[str, Any]]:
    """Return how each data column was read; its levels go to levels/."""
    stored = scene.store.open(scene.facts.table_key)
    found = {}
    for i, name in enumerate(names):
        header = stored.meta["header"][name]
        dtype = str(stored.array(f"x/{name}", mmap=True).dtype)
        found[name] = {"kind": header["kind"], "width": header["width"], "dtype": dtype}
        found[name]["form"] = header["form"]
        if f"levels/{name}" in stored:
            file = target / "levels" / f"{i}.arrow"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(stored.blob(f"levels/{name}"))
            found[name]["levels"] = file.name
    return found


def _joins(scene: Scene, names: Sequence[str], target: Path) -> dict[str, Any]:
    """Return what is needed of the further tables for these columns; their rows go to joins/."""
    stored = scene.store.open(scene.facts.table_key)
    needed, found = set(names), []
    for i, about in reversed(list(enumerate(stored.meta.get("joins", ())))):
        side = sides.of(about, stored.blob(f"join/{i}"))
        left = side.only(needed)
        if not left.adds:
            continue
        needed |= set(left.needs)
        file = target / "joins" / f"{i}.arrow"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(sides.to_arrow(left.rows))
        found.append({**left.about(), "rows": file.name})
    return {"joins": found[::-1]} if found else {}


def _own(files: Mapping[str, str], target: Path) -> dict[str, str]:
    """Copy plug-in files of the user's own, with the local modules they import; return code -> file in the bundle."""
    found = {}
    for code, path in files.items():
        if not code.startswith("local:"):
            continue
        folder = target / "own" / code.partition(":")[2]
        for part in parts_of(Path(path)):
            file = folder / part.relative_to(Path(path).resolve().parent)
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part, file)
        found[code] = str((folder / Path(path).name).relative_to(target))
    return found


def _copy(scene: Scene, key: str, part: str, target: Path) -> None:
    """Copy the files `<part>/...` of a stored object to a folder."""
    stored = scene.store.open(key)
    for file in (f for f in stored.files if f.startswith(f"{part}/")):
        copy = target / file.removeprefix(f"{part}/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(stored.blob(file))
