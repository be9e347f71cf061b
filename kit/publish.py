"""What people see of a result: the OOF folder of a model or blend, written whole, its former self moved to history."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import bundle, labels, registry, table
from kit.canon import key_of
from kit.card import card_of, names_behind, tuned_from
from kit.facts import Facts
from kit.folding import folds_of
from kit.oof import Oof
from kit.oofobject import load_oof
from kit.recipe import Blend
from kit.scene import Scene
from kit.store import Stored
from kit.types import Pred, Task

if TYPE_CHECKING:
    import polars as pl


def publish(scene: Scene, name: str) -> dict[str, Any]:
    """Write the OOF folder of a model or blend unless it stands there already; return its card."""
    key = scene.plan.oofs[name]
    mark = key_of(
        {
            "oof": key,
            "metrics": [[m, registry.code_of("metrics", m)] for m in (scene.recipe.metric, *scene.recipe.also)],
            "rows": scene.facts.rows_key,
            "v": scene.declared,
            "names": [scene.recipe.name, name, names_behind(scene, key), list(scene.entry(name).needs)],
            "missing": scene.missing if isinstance(scene.entry(name), Blend) else (),
            "truncated": scene.truncated,
            "tuned": tuned_from(scene, name),
        }
    )
    target = scene.folder / name
    with scene.lock():
        old = read_card(target)
        if old is not None and old.get("mark") == mark and _complete(target, models=bundle.keeps(scene)):
            return old
        card = card_of(scene, name, key, mark)
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
    return files and (not models or (folder / "models" / "replay.json").is_file())


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


def _write(scene: Scene, name: str, folder: Path, card: Mapping[str, Any]) -> None:
    stored = scene.store.open(scene.plan.oofs[name])
    oof = load_oof(stored)
    rows = scene.store.open(scene.facts.rows_key)
    _parquet(oof_frame(oof, scene.facts, rows), folder / "oof.parquet")
    if scene.facts.n_test:
        ids = table.series_from_arrow(rows.blob("ids/test"))
        _parquet(with_pred({scene.facts.id_name: ids}, oof.test_mean(), scene.facts.task), folder / "test.parquet")
    folds = folds_of(scene.store.open(scene.facts.folds_key))
    held = _long(table.series_from_arrow(rows.blob("ids/train")), folds.held, scene.facts.id_name)
    _parquet(_frame(held), folder / "folds.parquet")
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if bundle.keeps(scene):
        bundle.write(scene, name, folder)


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
    return with_pred(columns, pred, facts.task)


def _long(ids: pl.Series, fold: Any, id_name: str) -> dict[str, Any]:
    import polars as pl

    repeats = fold.shape[0]
    columns: dict[str, Any] = {id_name: pl.concat([ids] * repeats)}
    if repeats > 1:
        columns["repeat"] = np.repeat(np.arange(repeats, dtype=np.int16), fold.shape[1])
    columns["fold"] = fold.reshape(-1)
    return columns


def with_pred(columns: Mapping[str, Any], pred: Pred, task: Task) -> pl.DataFrame:
    """Return a table of columns with pred (or pred_<class>) and std beside them."""
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
