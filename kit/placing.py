"""Rows of a file that was made elsewhere, matched to the rows of the data: by id, row number or place; their folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kit import foldspec, incoming, labels
from kit.archive import positions
from kit.errors import DataError
from kit.incoming import Raw
from kit.oof import same_folds
from kit.reference import Reference
from kit.types import Ints

if TYPE_CHECKING:
    import polars as pl

CLOSE = 1e-5
"""Relative difference up to which a target read from a file is the recipe's: what float32 and csv do to numbers."""


@dataclass(frozen=True)
class Stated:
    """What is known of the folds: fold (R, n) int16 or None, and in words where that comes from."""

    fold: NDArray[np.int16] | None
    told: str


def train_rows(raw: Raw, ref: Reference) -> tuple[Ints, str]:
    """Return (R, n) the row of the file for each row of the data, and how they were matched, in words."""
    n, rows = len(ref.ids), len(raw.pred)
    if raw.ids is None:
        if rows != n:
            t = len(ref.test_ids) if ref.test_ids is not None else -1
            raise _length(raw.name, rows, n, {t: "test predictions", n + t: "train and test together"}, "training")
        return np.arange(n)[None, :], "by place: the file has no ids and as many rows as the data"
    parts = [np.arange(rows)]
    if raw.repeat is not None:
        repeats = raw.repeat.unique().sort().to_list()
        parts = [np.flatnonzero((raw.repeat == r).to_numpy()) for r in repeats]
    ids, how = _as_ids(raw, raw.ids, ref.ids)
    return np.stack([_by_id(ids[part], part, raw.name, ref.ids, "train") for part in parts]), how


def _as_ids(raw: Raw, ids: pl.Series, wanted: pl.Series) -> tuple[pl.Series, str]:
    """Return ids that can be compared with those wanted; row numbers of a frame stand for the rows they number.

    Raises:
        DataError: they may be either.
    """
    import polars as pl

    if ids.dtype.is_float() and bool((ids == ids.round()).all()):
        ids = ids.cast(pl.Int64)
    if ids.name not in incoming.INDEX or not ids.dtype.is_integer() or ids.null_count():
        return ids, f"by id ({ids.name})"
    n, here = len(wanted), positions(ids, wanted) >= 0
    inside = bool(((ids >= 0) & (ids < n)).all())
    whole = inside and ids.n_unique() == n
    if (inside and not here.any()) or (whole and not here.all()):
        return wanted[ids.to_numpy()], f"by row number ({ids.name})"
    if (
        whole
        and ids.is_sorted()
        and not ids.unique(maintain_order=True).equals(wanted.cast(ids.dtype), check_names=False)
    ):
        got = f"0 to {n - 1}, which the data have as ids in another order"
        advice = "name the column of ids `id`, or the index of the frame"
        raise DataError(
            "are these ids or the numbers of the rows?", place=f"{raw.name}: {ids.name}", got=got, next=advice
        )
    return ids, f"by id ({ids.name})"


def _by_id(ids: pl.Series, rows: Ints, place: str, wanted: pl.Series, part: str) -> Ints:
    """Return (n,) where in the file each wanted id stands."""
    twice = ids.filter(ids.is_duplicated()).unique().sort()
    if len(twice):
        got = f"{len(twice)} ids more than once: {_some(twice)}"
        raise DataError(
            "an id stands twice in the file", place=place, got=got, next="keep one row per id, or a column repeat"
        )
    order, back = positions(wanted, ids), positions(ids, wanted)
    lost, extra = wanted.filter(order < 0), ids.filter(back < 0)
    if len(lost) or len(extra):
        told = [(lost, f"of {part} not in the file"), (extra, f"in the file not in {part}")]
        got = ", ".join(f"{len(some)} ids {where} ({_some(some)})" for some, where in told if len(some))
        advice = "rows that were never held: keep them, with fold -1 and no prediction"
        advice = advice if part == "train" else "predict exactly the rows of the test file"
        if len(lost) == len(wanted):
            advice = "these are ids of other data, or another column: say --id COLUMN"
        raise DataError(f"the ids are not those of {part}", place=place, got=got, next=advice)
    return rows[order]


def _some(ids: pl.Series) -> str:
    return ", ".join(map(str, ids.head(3).to_list()))


def _length(place: str, rows: int, n: int, hints: Mapping[int, str], part: str) -> DataError:
    advice = f"without ids a file must hold exactly the {part} rows, in their order"
    advice = f"these look like {hints[rows]}" if rows in hints else advice
    return DataError(
        "another number of rows", place=place, got=f"{rows} rows, no ids", allowed=f"{n} rows", next=advice
    )


def same_target(raw: Raw, ref: Reference, order: Ints) -> None:
    """Raise DataError where the file holds another target than the data."""
    import polars as pl

    if raw.y is None:
        return
    there, ours = raw.y[order[0]], pl.Series(labels.original(ref.task, ref.y))
    if ref.task.kind != "regression":
        differs = _other_labels(there, ours, ref)
        hint = "the same ids with other labels: is it of an older version of the data?"
    else:
        values = there.cast(pl.Float64, strict=False).to_numpy()
        differs = ~np.isclose(values, ref.y, rtol=CLOSE, atol=CLOSE * max(float(np.abs(ref.y).mean()), 1e-300))
        is_log = bool((ref.y > -1).all()) and bool(np.isclose(values, np.log1p(ref.y), rtol=1e-3).mean() > 0.99)
        hint = "it holds log1p of the target: undo it in target and predictions" if is_log else "is it of other data?"
    if differs.any():
        first = int(np.argmax(differs))
        got = f"{int(differs.sum())} rows differ; id {ref.ids[first]}: {there[first]}, in the data {ours[first]}"
        raise DataError("the file was made for another target", place=raw.name, got=got, next=hint)


def _other_labels(there: pl.Series, ours: pl.Series, ref: Reference) -> NDArray[np.bool_]:
    """Return where labels of a file are others than the data's; the numbers 0, 1, ... may stand for them.

    These are their places in sorted order, as scikit-learn's LabelEncoder numbers them, or of two classes 1 for the
    positive one. Numbers that stand so in each and every row are of the same target.
    """
    import polars as pl

    differs = (_spelt(there) != _spelt(ours)).fill_null(True).to_numpy()
    if not (there.dtype.is_numeric() or there.dtype == pl.Boolean):
        return differs
    numbers = there.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if ours.dtype.is_numeric():
        return np.asarray(numbers != ours.cast(pl.Float64).to_numpy())
    places = {c: i for i, c in enumerate(ref.task.classes)}
    codes = np.array([places[c] for c in ours.to_list()])
    coded = [codes, ref.y] if ref.task.kind == "binary" else [codes]
    return next((numbers != c for c in coded if (numbers == c).all()), differs)


def _spelt(labels_: pl.Series) -> pl.Series:
    """Return labels as text, those of true and false in small letters."""
    import polars as pl

    text = labels_.cast(pl.String)
    small = text.str.to_lowercase()
    return small if small.is_in(["true", "false"]).all() else text


def test_rows(raw: Raw, ref: Reference) -> Ints:
    """Return (t,) the row of the file for each test row.

    Raises:
        DataError: the file is of other rows.
    """
    rows = len(raw.pred)
    if ref.test_ids is None:
        return np.arange(rows)
    if raw.ids is None:
        if rows != len(ref.test_ids):
            raise _length(raw.name, rows, len(ref.test_ids), {len(ref.ids): "out-of-fold predictions"}, "test")
        return np.arange(rows)
    ids, _ = _as_ids(raw, raw.ids, ref.test_ids)
    return _by_id(ids, np.arange(rows), raw.name, ref.test_ids, "test")


def test_layers(raw: Raw, ref: Reference) -> Ints | None:
    """Return (K, t) the row of the file for each fold model and test row; None where each row stands in it once.

    Raises:
        DataError: a fold model lacks a test row, or predicts others.
    """
    if raw.ids is None or raw.fold is None or not raw.ids.is_duplicated().any():
        return None
    fold = foldspec.whole(raw.fold, raw.name)
    wanted = raw.ids.unique(maintain_order=True) if ref.test_ids is None else ref.test_ids
    ids, _ = _as_ids(raw, raw.ids, wanted)
    parts = [np.flatnonzero(fold == k) for k in np.unique(fold)]
    return np.stack([_by_id(ids[part], part, raw.name, wanted, "test") for part in parts])


def folds(raw: Raw, ref: Reference, spec: str | Path | None, order: Ints) -> Stated:
    """Return the folds in the recipe's numbers where they are the recipe's, else in their own."""
    found = _stated(raw, ref, spec, order)
    if found.fold is None or ref.fold is None:
        return found
    if same_folds(found.fold, ref.fold):
        return found if found.fold is ref.fold else Stated(ref.fold, f"{found.told}: those of the recipe")
    return found


def _stated(raw: Raw, ref: Reference, spec: str | Path | None, order: Ints) -> Stated:
    text = "" if spec is None else str(spec)
    if not text:
        if raw.fold is None or raw.fold.null_count():
            return Stated(None, "unknown: nothing says which fold held which row")
        fold = foldspec.whole(raw.fold, raw.name)
        return Stated(np.stack([fold[rows] for rows in order]), f"the column {raw.fold.name} of the file")
    if text == "recipe":
        if ref.fold is None:
            raise DataError("there is no recipe whose folds these could be", got="--folds recipe", next="give --recipe")
        return Stated(ref.fold, "said to be those of the recipe")
    if text.startswith("column:"):
        column = text.partition(":")[2]
        if raw.frame is None or column not in raw.frame.columns:
            known = raw.frame.columns if raw.frame is not None else "none: an array has no columns"
            raise DataError("there is no such column of folds", place=raw.name, got=column, allowed=known)
        fold = foldspec.whole(raw.frame[column], f"{raw.name}: column {column}")
        return Stated(np.stack([fold[rows] for rows in order]), f"the column {column} of the file")
    if foldspec.looks_like(text):
        return Stated(foldspec.splitter(text, ref.y, ref.group), f"{text} on the rows of the data, as it was said")
    fold = foldspec.of_file(Path(text), ref.ids, ref.id_name)
    return Stated(fold, f"the file {Path(text).name}")
