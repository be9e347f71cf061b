"""What imported predictions are held against: the rows, the target and the folds of a recipe, or of the file itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kit import datafolder, facts, grouped, incoming, opening, registry, table
from kit.canon import key_of
from kit.errors import DataError, nearest
from kit.folding import folds_of
from kit.incoming import Incoming, Wanted
from kit.rowgroups import weights_of
from kit.store import Store
from kit.types import Floats, Ints, Task

if TYPE_CHECKING:
    import polars as pl

ALONE = "imported"
"""Name of the folder of OOFs that belong to no recipe."""


@dataclass(frozen=True)
class Reference:
    """Rows of a recipe's data. `names`: its models and blends; `fold` and `test_ids` are None where there are none.

    Shape: ids, y, v, group (n,); fold (R, n) int16; test_ids (t,).
    """

    recipe: str
    names: tuple[str, ...]
    task: Task
    metric: str
    id_name: str
    target: str
    ids: pl.Series
    y: Floats
    v: Floats
    group: Ints | None
    fold: NDArray[np.int16] | None
    test_ids: pl.Series | None
    table_key: str | None
    rows_key: str
    folds_key: str | None
    y_digest: str

    def wanted(self, id_column: str | None, columns: tuple[str, ...]) -> Wanted:
        """Return what is to be looked for in a file."""
        task = self.task
        return Wanted(self.id_name, self.target, task.classes, task.n_out, task.positive, id_column, columns)


def of_recipe(path: str | Path, root: Path, trust: bool = False, set: opening.Sets = ()) -> Reference:
    """Return the reference of a recipe. Its data is read where the store has not seen it; nothing is fitted."""
    recipe = datafolder.filled(opening.read_recipe(path, set, trust))
    store = Store(root)
    found = facts.gather(recipe, store)
    rows = store.open(found.rows_key)
    return Reference(
        recipe=recipe.name,
        names=tuple(e.name for e in recipe.ordered()),
        task=found.task,
        metric=recipe.metric,
        id_name=found.id_name,
        target=found.target,
        ids=table.series_from_arrow(rows.blob("ids/train")),
        y=rows.array("y"),
        v=weights_of(rows),
        group=rows.array("group") if "group" in rows else None,
        fold=folds_of(store.open(found.folds_key)).held,
        test_ids=table.series_from_arrow(rows.blob("ids/test")) if found.n_test else None,
        table_key=found.table_key,
        rows_key=found.rows_key,
        folds_key=found.folds_key,
        y_digest=found.digests["y"],
    )


def of_file(source: Incoming, metric: str | None, id_column: str | None, test: Incoming) -> Reference:
    """Return the file's own rows as reference: it must hold ids and the target.

    Raises:
        DataError: it lacks one of them, or no metric is given.
    """
    if metric is not None and grouped.split(metric)[1] is not None:
        rule = "the file does not say which rows belong together"
        raise DataError(rule, got=metric, next="give --recipe, whose data do, or a metric without `by`")
    if metric not in registry.names("metrics") or getattr(registry.load("metrics", metric), "NEEDS_BY", False):
        rule = "without a recipe the metric must be given" if metric is None else "unknown metric"
        advice = "say --metric, or --recipe" if metric is None else nearest(str(metric), registry.names("metrics"))
        raise DataError(rule, got=metric or "", allowed=registry.names("metrics"), next=advice)
    frame = incoming.frame_of(source, "oof")
    truth = None if frame is None else incoming.first(frame, incoming.TRUTH)
    key = None if frame is None else (id_column or incoming.first(frame, ("id", *incoming.INDEX)))
    if frame is None or truth is None or key is None or key not in frame.columns:
        got = "an array" if frame is None else f"columns {', '.join(frame.columns)}"
        rule, allowed = "without a recipe the file must hold ids and the target", "columns id, y and pred"
        raise DataError(rule, got=got, allowed=allowed, next="give --recipe, whose data say both")
    frame = frame.unique(key, keep="first", maintain_order=True)
    task, y = _task(frame[truth], metric)
    tested = None if test is None else incoming.frame_of(test, "test")
    digest = hashlib.sha256(np.ascontiguousarray(y).data).hexdigest()
    ids = table.series_to_arrow(frame[key])
    return Reference(
        recipe=ALONE,
        names=(),
        task=task,
        metric=metric,
        id_name=key,
        target=truth,
        ids=frame[key],
        y=y,
        v=np.ones(len(y)),
        group=None,
        fold=None,
        test_ids=tested[key].unique(maintain_order=True) if tested is not None and key in tested.columns else None,
        table_key=None,
        rows_key=key_of({"imported": hashlib.sha256(ids).hexdigest(), "y": digest}),
        folds_key=None,
        y_digest=digest,
    )


def _task(y: pl.Series, metric: str) -> tuple[Task, Floats]:
    """Return the task of a target as the metric sees it, and y as it says."""
    module = registry.load("metrics", metric)
    if y.null_count():
        raise DataError("rows without a target", place=f"column {y.name}", got=f"{y.null_count()} rows")
    if y.dtype.is_float() and "regression" not in module.TASKS and not (y == y.round()).all():
        raise DataError(f"the metric {metric} wants classes", place=f"column {y.name}", got=f"{y.dtype} values")
    if "regression" in module.TASKS and y.dtype.is_numeric():
        return Task("regression", module.OBJECTIVE["regression"]), y.to_numpy().astype(np.float64)
    classes = tuple(y.unique().sort().to_list())
    kind = "binary" if len(classes) == 2 else "multiclass"
    if len(classes) < 2 or kind not in module.TASKS:
        allowed = ", ".join(module.TASKS)
        raise DataError(f"the metric {metric} does not fit the target", got=f"{len(classes)} classes", allowed=allowed)
    codes = y.replace_strict(list(classes), list(range(len(classes)))).to_numpy()
    if kind == "binary":
        return Task("binary", "logloss", classes, classes[-1]), (codes == 1).astype(np.float64)
    return Task("multiclass", "softmax", classes), codes.astype(np.float64)
