"""Folds by what people say of them: a file, a column, a scikit-learn splitter and its arguments."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit import arrays, table
from kit.archive import positions
from kit.errors import DataError, nearest
from kit.types import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

SPLITTERS = (
    *("KFold", "StratifiedKFold", "GroupKFold", "StratifiedGroupKFold", "LeaveOneGroupOut", "TimeSeriesSplit"),
    *("RepeatedKFold", "RepeatedStratifiedKFold"),
)
"""Splitters of scikit-learn whose test parts make folds: no row is in two of one repeat."""


def splitter(text: str, y: Floats, group: Ints | None) -> NDArray[np.int16]:
    """Return (R, n) int16, the folds of a splitter of scikit-learn on rows in their order; -1 = in no test part.

    The text is read, never run: a name of SPLITTERS and arguments that are plain values.

    >>> splitter("KFold(2)", np.zeros(4), None).tolist()
    [[0, 0, 1, 1]]

    Raises:
        DataError: it is no such splitter, or cannot split these rows.
    """
    name, args, kwargs = _parse(text)
    from sklearn import model_selection

    if "Group" in name and group is None:
        advice = "name the groups in the recipe: split: {use: group, groups: <column>}"
        raise DataError("the splitter needs groups, and the recipe has none", got=text, next=advice)
    try:
        made = getattr(model_selection, name)(*args, **kwargs)
        _check_seed(made, text)
        parts = [test for _, test in made.split(np.zeros((len(y), 1)), y, group if "Group" in name else None)]
    except (TypeError, ValueError) as error:
        got = f"{text}: {str(error).partition(chr(10))[0]}"
        raise DataError("scikit-learn cannot split these rows so", got=got, next="check the arguments") from error
    repeats = int(getattr(made, "n_repeats", 1))
    size = len(parts) // repeats
    fold = np.full((repeats, len(y)), -1, np.int16)
    for k, rows in enumerate(parts):
        fold[k // size, rows] = k % size
    return fold


def _check_seed(made: Any, text: str) -> None:
    """Raise DataError for a splitter that draws other folds each time."""
    draws = getattr(made, "shuffle", "Repeated" in type(made).__name__)
    if draws and getattr(made, "random_state", None) is None:
        advice = "say the random_state that was used; without one the folds are not known"
        raise DataError("the splitter draws other folds each time", got=text, next=advice)


def looks_like(text: str) -> bool:
    """Return whether a text means a splitter and not a path."""
    return text.partition("(")[0].strip() in SPLITTERS or ("(" in text and not Path(text).exists())


def of_file(path: Path, ids: pl.Series, id_name: str) -> NDArray[np.int16]:
    """Return (R, n) int16, the folds that a file gives the rows `ids`: by id, or by place if it has exactly n rows.

    Raises:
        DataError: it lacks a row, or a fold.
    """
    if path.suffix == ".npy":
        values = arrays.read(path)
        if values.ndim != 1 or len(values) != len(ids) or values.dtype.kind not in "iu":
            got, allowed = f"shape {values.shape}, {values.dtype}", f"({len(ids)},) integers"
            raise DataError("these folds do not fit the training rows", place=str(path), got=got, allowed=allowed)
        return np.asarray(values.astype(np.int16)[None, :])
    frame = table.read(path)
    if "fold" not in frame.columns:
        advice = nearest("fold", frame.columns) or "name the column of folds `fold`"
        raise DataError("the file has no column `fold`", place=str(path), got=", ".join(frame.columns), next=advice)
    key = id_name if id_name in frame.columns else None
    if key is None:
        if len(frame) != len(ids):
            rule = "folds without ids must stand for all training rows"
            raise DataError(rule, place=str(path), got=f"{len(frame)} rows", allowed=f"{len(ids)} rows")
        return whole(frame["fold"], str(path))[None, :]
    repeats = frame["repeat"].unique().sort().to_list() if "repeat" in frame.columns else [None]
    parts = [frame if r is None else frame.filter(frame["repeat"] == r) for r in repeats]
    return np.stack([_by_id(part, key, ids, path) for part in parts])


def _by_id(frame: pl.DataFrame, key: str, ids: pl.Series, path: Path) -> NDArray[np.int16]:
    if frame[key].is_duplicated().any():
        twice = frame[key].filter(frame[key].is_duplicated()).unique().sort().head(3).to_list()
        raise DataError("ids stand twice in the file of folds", place=str(path), got=", ".join(map(str, twice)))
    order = positions(ids, frame[key])
    if (order < 0).any():
        lost = ids.filter(order < 0).head(3).to_list()
        got = f"{int((order < 0).sum())} training rows are not in it ({', '.join(map(str, lost))})"
        raise DataError("the file of folds lacks rows", place=str(path), got=got, allowed="a fold for every row")
    return whole(frame["fold"], str(path))[order]


def whole(values: pl.Series, place: str) -> NDArray[np.int16]:
    """Return (n,) int16, folds numbered from 0 in the order of their values; -1 stays: in no fold.

    Raises:
        DataError: a row has none, or there is only one.
    """
    import polars as pl

    if values.null_count():
        got = f"{values.null_count()} rows"
        raise DataError("rows without a fold", place=place, got=got, allowed="-1 for never held")
    if values.dtype.is_nested() or (values.dtype.is_float() and not (values == values.round()).all()):
        got = f"{values.dtype} values as {values.head(3).to_list()}"
        raise DataError("folds are whole numbers or names", place=place, got=got, next="is it another column?")
    never = (values.cast(pl.String).is_in(["-1", "-1.0"])).to_numpy()
    names = values.filter(~never).unique().sort()
    if len(names) < 2 and not (len(names) == 1 and never.any()):
        raise DataError("one fold is none", place=place, got=f"{len(names)} folds", allowed="two or more")
    if len(names) > 1000:
        raise DataError("too many folds", place=place, got=f"{len(names)} distinct values", allowed="up to 1000")
    fold = np.full(len(values), -1, np.int16)
    code = values.filter(~never).replace_strict(names, np.arange(len(names)), return_dtype=pl.Int16)
    fold[~never] = code.to_numpy()
    return fold


def _parse(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    advice = "as StratifiedKFold(5, shuffle=True, random_state=42)"
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise DataError("this names no splitter", got=text, allowed=SPLITTERS, next=advice) from error
    if isinstance(node, ast.Name):
        node = ast.Call(node, [], [])
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in SPLITTERS:
        hint = nearest(text.partition("(")[0], SPLITTERS) or advice
        raise DataError("this names no splitter", got=text, allowed=SPLITTERS, next=hint)
    try:
        args = [ast.literal_eval(a) for a in node.args]
        kwargs = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords if k.arg is not None}
    except ValueError as error:
        raise DataError("arguments of a splitter must be plain values", got=text, next=advice) from error
    if len(kwargs) != len(node.keywords):
        raise DataError("arguments of a splitter must be plain values", got=text, next=advice)
    return node.func.id, args, kwargs
