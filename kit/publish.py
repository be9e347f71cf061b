"""What people see of a result: the OOF folder of a model or blend, written whole, its former self moved to history."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from kit import labels, registry, table
from kit.canon import FORMAT, key_of
from kit.facts import Facts
from kit.folding import folds_of
from kit.oof import Oof
from kit.planning import Plan
from kit.recipe import Recipe
from kit.scores import fold_scores, score
from kit.stages import load_oof
from kit.store import Store, Stored
from kit.types import Pred, Task

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Scene:
    """Where results come from and go to. `missing`: models that the result lacks; `truncated`: for want of time."""

    recipe: Recipe
    facts: Facts
    plan: Plan
    store: Store
    root: Path
    missing: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def folder(self) -> Path:
        """The recipe's folder of OOFs."""
        return self.root / "oof" / self.recipe.name

    def lock(self) -> FileLock:
        """Return the lock under which files that people see are written."""
        self.store.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.store.root / "publish.lock")


def publish(scene: Scene, name: str) -> dict[str, Any]:
    """Write the OOF folder of a model or blend unless it stands there already; return its card."""
    key = scene.plan.oofs[name]
    mark = key_of(
        {
            "oof": key,
            "metrics": [[m, registry.code_of("metrics", m)] for m in (scene.recipe.metric, *scene.recipe.also)],
            "rows": scene.facts.rows_key,
            "names": [scene.recipe.name, name, sorted(scene.plan.names.items()), _sources(scene, name)],
            "missing": scene.missing if _is_blend(scene, name) else (),
            "truncated": scene.truncated,
        }
    )
    target = scene.folder / name
    with scene.lock():
        old = read_card(target)
        if old is not None and old.get("mark") == mark and _complete(target, models=_keeps(scene, key)):
            return old
        card = _card(scene, name, key, mark)
        temp = scene.store.temporary()
        _write(scene, name, temp, card)
        _replace(target, temp, old, scene.folder / "_history")
    return card


def read_card(folder: Path) -> dict[str, Any] | None:
    """Return the card of an OOF folder, or None where there is none that can be read."""
    try:
        card: dict[str, Any] = json.loads((folder / "card.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return card


def _complete(folder: Path, *, models: bool) -> bool:
    files = all((folder / f"{name}.parquet").is_file() for name in ("oof", "folds"))
    return files and (not models or (folder / "models").is_dir())


def _keeps(scene: Scene, key: str) -> bool:
    """Return whether the models behind an OOF are to be kept."""
    return any(scene.plan.of(fit).needs for seeds in scene.plan.of(key).ingredients.get("fits", []) for fit in seeds)


def _is_blend(scene: Scene, name: str) -> bool:
    return any(b.name == name for b in scene.recipe.blends)


def _sources(scene: Scene, name: str) -> list[str]:
    return next((list(b.sources) for b in scene.recipe.blends if b.name == name), [])


def _replace(target: Path, temp: Path, old: Mapping[str, Any] | None, history: Path) -> None:
    """Move `temp` to `target`; a different former result moves to history under its own key."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        new = json.loads((temp / "card.json").read_text("utf-8"))
        grave = temp.parent / f"{temp.name}-old"
        if old is not None and old.get("key") != new["key"]:
            kept = history / f"{target.name}@{str(old.get('key'))[:8]}"
            history.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(kept, ignore_errors=True)
            target.rename(kept)
        else:
            target.rename(grave)
            shutil.rmtree(grave, ignore_errors=True)
    temp.rename(target)


# -- the card


def _card(scene: Scene, name: str, key: str, mark: str) -> dict[str, Any]:
    stored = scene.store.open(key)
    oof = load_oof(stored)
    rows = scene.store.open(scene.facts.rows_key)
    v = rows.array("v")
    recipe, about = scene.recipe, dict(stored.meta["about"])
    about["importances"] = {
        kind: {_shown(column, scene.plan.names): value for column, value in values.items()}
        for kind, values in about.get("importances", {}).items()
    }
    weights = about.pop("weights", None)
    return {
        "format": FORMAT,
        "recipe": recipe.name,
        "model": name,
        "key": key,
        "mark": mark,
        "use": _plug(scene, name)["use"],
        "params": _plug(scene, name)["params"],
        "features": _features(scene, key),
        "metric": recipe.metric,
        "score": score(scene.facts.task, recipe.metric, oof, v),
        "fold_scores": fold_scores(scene.facts.task, recipe.metric, oof, v),
        "also": {m: score(scene.facts.task, m, oof, v) for m in recipe.also},
        "kind": oof.kind,
        "classes": list(scene.facts.task.classes),
        "positive": scene.facts.task.positive,
        "sources": _sources(scene, name),
        "weights": None if weights is None else dict(zip(_sources(scene, name), weights, strict=True)),
        "peeked": oof.peeked,
        "transductive": oof.transductive,
        "truncated": scene.truncated,
        "missing": list(scene.missing) if _is_blend(scene, name) else [],
        "folds_key": scene.facts.folds_key,
        "y_digest": scene.facts.digests["y"],
        "versions": _libs(scene, key),
        **about,
    }


def _plug(scene: Scene, name: str) -> dict[str, Any]:
    """Return use and resolved params of a model or blend, columns under the names the recipe gives them."""
    stage = scene.plan.of(scene.plan.oofs[name])
    spec = stage.ingredients.get("stacker") or _fit_ingredients(scene, stage.key)["model"]
    return {"use": spec["use"], "params": _renamed(spec["params"], scene.plan.names)}


def _fit_ingredients(scene: Scene, oof_key: str) -> Mapping[str, Any]:
    return scene.plan.of(scene.plan.of(oof_key).ingredients["fits"][0][0]).ingredients


def _features(scene: Scene, key: str) -> list[Any]:
    if scene.plan.of(key).verb == "blend":
        return []
    features = _fit_ingredients(scene, key)["design"]["features"]
    return [{"use": f["use"], **_renamed(f["params"], scene.plan.names)} for f in features]


def _libs(scene: Scene, key: str) -> Mapping[str, Any]:
    own = scene.plan.of(key).ingredients
    libs: Mapping[str, Any] = own["libs"] if "libs" in own else _fit_ingredients(scene, key)["libs"]
    return libs


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {k: _renamed(v, names) for k, v in value.items() if not (k == "native" and not v)}
    return [_renamed(v, names) for v in value] if isinstance(value, list) else value


def _shown(column: str, names: Mapping[str, str]) -> str:
    for alias, name in names.items():
        column = column.replace(alias, name)
    return column


# -- the files


def _write(scene: Scene, name: str, folder: Path, card: Mapping[str, Any]) -> None:
    stored = scene.store.open(scene.plan.oofs[name])
    oof = load_oof(stored)
    rows = scene.store.open(scene.facts.rows_key)
    _parquet(oof_frame(oof, scene.facts, rows), folder / "oof.parquet")
    if scene.facts.n_test:
        ids = table.series_from_arrow(rows.blob("ids/test"))
        _parquet(_with_pred({scene.facts.id_name: ids}, oof.test_mean(), scene.facts.task), folder / "test.parquet")
    folds = folds_of(scene.store.open(scene.facts.folds_key))
    held = _long(table.series_from_arrow(rows.blob("ids/train")), folds.held, scene.facts.id_name)
    _parquet(_frame(held), folder / "folds.parquet")
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
    _copy_models(scene, name, folder)


def _copy_models(scene: Scene, name: str, folder: Path) -> None:
    """Copy the models there are to models/fold<k>-seed<s>/."""
    stage = scene.plan.of(scene.plan.oofs[name])
    for k, seeds in enumerate(stage.ingredients.get("fits", [])):
        for s, key in enumerate(seeds):
            if not scene.store.has(key, needs=("model",)):
                continue
            stored = scene.store.open(key)
            for file in (f for f in stored.files if f.startswith("model/")):
                target = folder / "models" / f"fold{k}-seed{s}" / file.removeprefix("model/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(stored.path(file), target)


def oof_frame(oof: Oof, facts: Facts, rows: Stored) -> pl.DataFrame:
    """Return the table of oof.parquet: id, (repeat,) fold, y in original labels, pred or pred_<class>, std."""
    import polars as pl

    ids = table.series_from_arrow(rows.blob("ids/train"))
    columns = _long(ids, oof.fold, facts.id_name)
    repeats = oof.fold.shape[0]
    y = labels.original(facts.task, oof.y)
    columns["y"] = pl.concat([pl.Series("y", y)] * repeats)
    mean = oof.pred.reshape(-1, oof.pred.shape[2])
    pred = Pred(mean, None if oof.std is None else oof.std.reshape(-1))
    return _with_pred(columns, pred, facts.task)


def _long(ids: pl.Series, fold: Any, id_name: str) -> dict[str, Any]:
    import polars as pl

    repeats = fold.shape[0]
    columns: dict[str, Any] = {id_name: pl.concat([ids] * repeats)}
    if repeats > 1:
        columns["repeat"] = np.repeat(np.arange(repeats, dtype=np.int16), fold.shape[1])
    columns["fold"] = fold.reshape(-1)
    return columns


def _with_pred(columns: Mapping[str, Any], pred: Pred, task: Task) -> pl.DataFrame:
    names: Sequence[str] = ["pred"] if task.n_out == 1 else [f"pred_{c}" for c in task.classes]
    preds = {name: np.ascontiguousarray(pred.mean[:, i]) for i, name in enumerate(names)}
    std = {} if pred.std is None else {"std": pred.std}
    return _frame({**columns, **preds, **std})


def _frame(columns: Mapping[str, Any]) -> pl.DataFrame:
    """Return a table; NaN (never held) becomes null."""
    import polars as pl

    frame = pl.DataFrame({k: v if isinstance(v, pl.Series) else pl.Series(k, v) for k, v in columns.items()})
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def _parquet(frame: pl.DataFrame, path: Path) -> None:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    path.write_bytes(buffer.getvalue())
