"""Predictions that were made elsewhere, as they come: files and frames of many layouts, read into one form."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import arrays, frames, table
from kit.canon import digest_file
from kit.errors import DataError, nearest
from kit.types import Array, Floats, Label

if TYPE_CHECKING:
    import polars as pl

Incoming = Any
"""A path, a folder, a numpy array, or a polars or pandas frame."""

INDEX = ("__index_level_0__", "Unnamed: 0", "index", "row", "row_id")
"""What the row numbers of a frame are called when it was saved with its index."""

PRED = ("pred", "prediction", "predictions", "oof", "oof_pred", "y_pred", "proba")
FOLD = ("fold", "kfold", "fold_id")
TRUTH = ("y", "y_true", "target", "label")


@dataclass(frozen=True)
class Wanted:
    """What is looked for in a file: names of the id and the target, the classes, and what the caller says."""

    id_name: str
    target: str
    classes: tuple[Label, ...]
    n_out: int
    positive: Label | None
    id_column: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Raw:
    """Predictions as they came, row by row; what was not in the file is None.

    Shape: pred (rows, m) float64, NaN = not given; ids, y, fold, repeat: (rows,). `frame`: all of its columns.
    """

    name: str
    digest: str
    pred: Floats
    ids: pl.Series | None = None
    y: pl.Series | None = None
    fold: pl.Series | None = None
    repeat: pl.Series | None = None
    std: Floats | None = None
    frame: pl.DataFrame | None = None


def read(source: Incoming, wanted: Wanted, part: str = "oof") -> Raw:
    """Return what a file, folder, array or frame holds; `part`: "oof", "test" or "test_folds".

    Raises:
        DataError: it cannot be read, or which column is what cannot be told.
    """
    if isinstance(source, str | Path):
        path = _in_folder(Path(source), part)
        if path.suffix == ".npy":
            return _of_array(arrays.read(path), wanted, str(path), digest_file(path))
        return _of_frame(table.read(path), wanted, str(path), digest_file(path), part)
    if isinstance(source, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(source).data).hexdigest()
        return _of_array(source, wanted, f"an array {source.shape}", digest)
    frame = _to_polars(source)
    return _of_frame(frame, wanted, "a frame", frames.digest_of(frame), part)


def frame_of(source: Incoming, part: str) -> pl.DataFrame | None:
    """Return the table of a file, folder or frame; None for an array, which has no columns."""
    if isinstance(source, np.ndarray):
        return None
    if isinstance(source, str | Path):
        path = _in_folder(Path(source), part)
        return None if path.suffix == ".npy" else table.read(path)
    return _to_polars(source)


def has_layers(source: Incoming) -> bool:
    """Return whether a folder keeps what each fold model predicts for test beside the average, as kit's own do."""
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return False
    return any((Path(source) / f"test_folds.{suffix}").is_file() for suffix in ("parquet", "csv"))


def _in_folder(path: Path, part: str) -> Path:
    """Return the file of a folder that holds this part, or the path itself."""
    if not path.is_dir():
        return path
    found = [p for suffix in ("parquet", "npy", "csv") if (p := path / f"{part}.{suffix}").is_file()]
    if not found:
        there = ", ".join(sorted(p.name for p in path.iterdir())[:8])
        allowed = f"{part}.parquet, {part}.npy or {part}.csv"
        raise DataError(f"the folder has no {part} predictions", place=str(path), got=there, allowed=allowed)
    return found[0]


def _of_array(values: Array, wanted: Wanted, name: str, digest: str) -> Raw:
    values = values[:, None] if values.ndim == 1 else values
    shown = f"shape {values.shape}, {values.dtype}"
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        allowed = f"(rows,) or (rows, {wanted.n_out}) numbers"
        raise DataError(
            "predictions must be one number, or one per class, in each row", place=name, got=shown, allowed=allowed
        )
    if values.shape[1] == 2 and wanted.n_out == 1 and wanted.classes:
        values = values[:, [wanted.classes.index(wanted.positive)]]
    if values.shape[1] != wanted.n_out:
        allowed = f"{wanted.n_out} columns" + (f": {_listed(wanted.classes)}" if wanted.classes else "")
        advice = "one column per class of the target, in sorted order" if wanted.n_out > 1 else "keep one column"
        raise DataError("another number of outputs", place=name, got=shown, allowed=allowed, next=advice)
    return Raw(name, digest, values.astype(np.float64))


def _to_polars(source: Incoming) -> pl.DataFrame:
    import polars as pl

    if isinstance(source, pl.Series):
        return source.to_frame(source.name or "pred")
    if type(source).__module__.partition(".")[0] == "pandas":
        source = source.to_frame(source.name or "pred") if not hasattr(source, "columns") else source
        source = source.rename(columns=str)
        source = source.reset_index(names=INDEX[0]) if source.index.nlevels == 1 else source
    if not hasattr(type(source), "columns") and not hasattr(source, "__arrow_c_stream__"):
        got, allowed = type(source).__name__, "a path, a folder, a numpy array, a polars or pandas frame"
        raise DataError("these are no predictions", got=got, allowed=allowed)
    return frames.frame_of(source, "of predictions").rows


def _of_frame(frame: pl.DataFrame, wanted: Wanted, name: str, digest: str, part: str) -> Raw:
    stripped = [c.strip() for c in frame.columns]
    frame = (
        frame.rename(dict(zip(frame.columns, stripped, strict=True))) if len({*stripped}) == len(stripped) else frame
    )
    ids = _ids(frame, wanted, name)
    taken = {ids} if ids else set()
    fold = first(frame, FOLD)
    repeat, std = (n if n in frame.columns else None for n in ("repeat", "std"))
    taken |= {c for c in (fold, repeat, std, *INDEX) if c}
    free = [c for c in frame.columns if c not in taken]
    truth = _truth([c for c in free if c not in wanted.columns], wanted) if part == "oof" else None
    preds = _preds(frame, [c for c in free if c != truth], wanted, name)
    if not preds and truth is not None:
        # A file of id and target alone holds predictions under the target's name, as a submission does.
        preds, truth = _preds(frame, free, wanted, name), None
    if not preds:
        raise _unclear(frame, free, wanted, name)
    return Raw(
        name,
        digest,
        _matrix(frame, preds, wanted, name),
        ids=frame[ids] if ids else None,
        y=frame[truth] if truth else None,
        fold=frame[fold] if fold else None,
        repeat=frame[repeat] if repeat else None,
        std=_matrix(frame, [std], wanted, name)[:, 0] if std else None,
        frame=frame,
    )


def first(frame: pl.DataFrame, names: Sequence[str]) -> str | None:
    """Return the column that has the first of these names, in small letters, that there is."""
    small = {c.lower(): c for c in frame.columns}
    return next((small[n] for n in names if n in small), None)


def _ids(frame: pl.DataFrame, wanted: Wanted, name: str) -> str | None:
    if wanted.id_column is not None:
        if wanted.id_column not in frame.columns:
            advice = nearest(wanted.id_column, frame.columns)
            rule = "the file lacks the id column"
            raise DataError(rule, place=name, got=wanted.id_column, allowed=frame.columns, next=advice)
        return wanted.id_column
    return first(frame, [wanted.id_name.lower(), "id"]) or next((c for c in INDEX if c in frame.columns), None)


def _truth(free: Sequence[str], wanted: Wanted) -> str | None:
    small = {c.lower(): c for c in free}
    return next((small[n] for n in (wanted.target.lower(), *TRUTH) if n in small), None)


def _preds(frame: pl.DataFrame, free: Sequence[str], wanted: Wanted, name: str) -> list[str]:
    """Return the columns of predictions in class order, none where they cannot be told."""
    if wanted.columns:
        lost = [c for c in wanted.columns if c not in free]
        if lost or len(wanted.columns) not in {wanted.n_out, *((2,) if wanted.n_out == 1 and wanted.classes else ())}:
            got, allowed = ", ".join(wanted.columns), f"{wanted.n_out} of {', '.join(free)}"
            raise DataError("these cannot be the columns of predictions", place=name, got=got, allowed=allowed)
        return list(wanted.columns)
    if wanted.classes:
        by_class = [_of_class(free, c, wanted.classes) for c in wanted.classes]
        if all(by_class) and len(set(by_class)) == len(by_class):
            found = [c for c in by_class if c]
            return found if wanted.n_out > 1 else [found[wanted.classes.index(wanted.positive)]]
    small = {c.lower(): c for c in free}
    named = [small[n] for n in PRED if n in small]
    if wanted.n_out == 1:
        positive = _of_class(free, wanted.positive, wanted.classes) if wanted.classes else None
        numbers = [c for c in free if frame[c].dtype.is_numeric()]
        return named[:1] or ([positive] if positive else []) or (numbers if len(numbers) == 1 else [])
    return []


def _of_class(free: Sequence[str], label: Label | None, classes: Sequence[Label]) -> str | None:
    """Return the column that is named by a class: the class itself, or the only one ending in _class.

    Of lgb_yes and xgb_yes none is taken: a file of several models does not say which of them is meant.
    """
    text = str(label)
    exact = [c for c in free if c == text] or [c for c in free if c == f"pred_{text}"]
    longer = tuple(f"_{c}" for c in classes if str(c).endswith(f"_{text}"))
    ends = [c for c in free if c.endswith(f"_{text}") and not c.endswith(longer)]
    return next(iter(exact or (ends if len(ends) == 1 else [])), None)


def _matrix(frame: pl.DataFrame, names: Sequence[str], wanted: Wanted, name: str) -> Floats:
    import polars as pl

    for column in names:
        if not (frame[column].dtype.is_numeric() or frame[column].dtype == pl.Boolean):
            got = f"{frame[column].dtype} values as {frame[column].drop_nulls().head(3).to_list()}"
            advice = "probabilities are needed, not labels: predict_proba" if wanted.classes else "mend the column"
            raise DataError("predictions must be numbers", place=f"{name}: column {column}", got=got, next=advice)
    made = frame.select(names).cast(pl.Float64).to_numpy().reshape(len(frame), len(names))
    if len(names) == 2 and wanted.n_out == 1:
        made = made[:, [wanted.classes.index(wanted.positive)]]
    return np.asarray(made, np.float64)


def _unclear(frame: pl.DataFrame, free: Sequence[str], wanted: Wanted, name: str) -> DataError:
    if wanted.n_out > 1:
        rule, allowed = "the columns do not name the classes", f"one column per class: {_listed(wanted.classes)}"
        advice = "name them by class or ending in _class, or say --columns in class order"
    else:
        rule, allowed = "which column holds the predictions cannot be told", "a column `pred`"
        advice = "say --columns NAME"
    return DataError(rule, place=name, got=f"columns {', '.join(free) or 'none'}", allowed=allowed, next=advice)


def _listed(classes: Sequence[Label]) -> str:
    return ", ".join(map(str, classes[:12])) + (", ..." if len(classes) > 12 else "")
