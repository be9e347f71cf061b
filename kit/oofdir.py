"""The OOF folder that people keep: oof.parquet, test.parquet, folds.parquet, card.json; written whole, history kept."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import intact, labels
from kit.oof import Oof
from kit.paths import discard, move
from kit.rowgroups import PREFIX, codes_of
from kit.types import Array, Floats, Ints, Pred, Task

if TYPE_CHECKING:
    import polars as pl

LAYOUT = 3
"""Number of the folder's layout. 2 added test_folds.parquet, v and group to folds.parquet, 3 w; readers take all.
Columns `by ...`, the groups of metrics, need no number: who does not know them leaves them out."""

HISTORY = "_history"


@dataclass(frozen=True)
class Content:
    """What a folder shows of an OOF: the ids of its rows beside it. `v` (n,) and `group` (n,) count where given.

    `w` (n,): what rows count by the data's own weights, where a declared distribution makes `v` another.
    """

    oof: Oof
    task: Task
    id_name: str
    ids: pl.Series
    test_ids: pl.Series | None = None
    v: Floats | None = None
    group: Ints | None = None
    w: Floats | None = None


def write(folder: Path, content: Content, card: Mapping[str, Any]) -> None:
    """Write the files of an OOF folder into an existing empty one."""
    oof, task, name = content.oof, content.task, content.id_name
    parquet(_oof(content), folder / "oof.parquet")
    if content.test_ids is not None:
        ids = content.test_ids
        parquet(with_pred({name: ids}, oof.test_mean(), task), folder / "test.parquet")
        if len(oof.test) > 1:
            parquet(_layers(content, ids), folder / "test_folds.parquet")
    held = _long(content.ids, oof.fold, name)
    counted = {k: a for k, a in (("v", content.v), ("w", content.w)) if a is not None and (a != 1).any()}
    groups = {} if content.group is None else {"group": content.group}
    groups |= {f"{PREFIX}{text}": codes for text, codes in codes_of(content.v).items()} if content.v is not None else {}
    held |= {k: np.tile(a, oof.fold.shape[0]) for k, a in (counted | groups).items()}
    parquet(_frame(held), folder / "folds.parquet")
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


def replace(target: Path, temp: Path, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """Move `temp` to `target`, its card sealed, and return that.

    A different former result moves to history under its own key.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new = intact.seal(temp)
    if target.exists():
        grave = temp.parent / f"{temp.name}-old"
        if old is not None and old.get("key") != new["key"]:
            retire(target, old)
        else:
            discard(target, grave)
    move(temp, target)
    return new


def retire(target: Path, card: Mapping[str, Any]) -> None:
    """Move an OOF folder to the history."""
    history = target.parent / HISTORY
    kept = history / f"{target.name}@{str(card.get('key'))[:8]}"
    history.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    target.rename(kept)


def read_card(folder: Path) -> dict[str, Any] | None:
    """Return the card of an OOF folder, or None where there is none that can be read."""
    try:
        card: dict[str, Any] = json.loads((folder / "card.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return card


def complete(folder: Path, card: Mapping[str, Any]) -> bool:
    """Return whether the files that every result has are there, and all are what the card says."""
    there = all((folder / f"{name}.parquet").is_file() for name in ("oof", "folds"))
    return there and not intact.altered(folder, card)


# -- tables


def _oof(content: Content) -> pl.DataFrame:
    """Return the table of oof.parquet: id, (repeat,) fold, y in original labels, pred or pred_<class>, std."""
    import polars as pl

    oof = content.oof
    columns = _long(content.ids, oof.fold, content.id_name)
    y = labels.original(content.task, oof.y)
    columns["y"] = pl.concat([pl.Series("y", y)] * oof.fold.shape[0])
    mean = oof.pred.reshape(-1, oof.pred.shape[2])
    pred = Pred(mean, None if oof.std is None else oof.std.reshape(-1))
    return with_pred(columns, pred, content.task)


def _layers(content: Content, ids: pl.Series) -> pl.DataFrame:
    """Return the table of test_folds.parquet: id, fold (the number of the fold model), pred or pred_<class>, std."""
    import polars as pl

    test, std = content.oof.test, content.oof.test_std
    fold = np.repeat(np.arange(len(test), dtype=np.int16), test.shape[1])
    columns = {content.id_name: pl.concat([ids] * len(test)), "fold": fold}
    return with_pred(
        columns, Pred(test.reshape(-1, test.shape[2]), None if std is None else std.reshape(-1)), content.task
    )


def _long(ids: pl.Series, fold: Array, id_name: str) -> dict[str, Any]:
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


def parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as parquet."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    path.write_bytes(buffer.getvalue())
