"""The columns with a role: ids, weights, groups and times, checked and as numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kit import table
from kit.errors import DataError, nearest
from kit.grouped import COMMA
from kit.recipe import Recipe
from kit.rowgroups import PREFIX
from kit.store import Stored
from kit.types import Array, Floats, Ints
from kit.wishes import Wish
from kit.wording import column_of, placed, plural, rows_of

if TYPE_CHECKING:
    import polars as pl


def kinds(recipe: Recipe, named: Collection[str]) -> dict[str, Wish]:
    """Return what columns are said to be: by the recipe, else by their categorical type in the training frame.

    `named`: columns with a role, of which the type says nothing.
    """
    data, frame = recipe.data, recipe.frames.get("train")
    typed = {data.rename.get(name, name) for name in frame.categories} if frame else set()
    return {**dict.fromkeys(sorted(typed.difference(named)), "category"), **data.kinds}


def ids(stored: Stored, recipe: Recipe, part: str, size: int) -> pl.Series | None:
    """Return the ids of the train or test rows: the id column, or row numbers (test continues after train).

    Training rows that were left out, as they lack the target, are counted.

    Raises:
        DataError: an id is missing or stands twice.
    """
    import polars as pl

    name = recipe.data.id
    if part == "test" and size == 0:
        return None
    if name is None:
        if part == "train" and "numbers" in stored:
            return pl.Series("row", stored.array("numbers"))
        start = 0 if part == "train" else stored.meta.get("n_rows", stored.meta["n_train"])
        return pl.Series("row", np.arange(start, start + size))
    found = table.series_from_arrow(stored.blob(f"{part}/{name}"))
    place, advice = column_of(recipe, name, part), "name another id column, or leave data.id out to number the rows"
    if found.null_count():
        got = rows_of(recipe, found.is_null().to_numpy(), "without an id")
        raise DataError(f"{part} rows without an id", place=place, got=got, next=f"fill them, {advice}")
    rising = found.dtype.is_integer() and bool((found[1:] > found[:-1]).all())
    if not rising and found.n_unique() < len(found):
        values = found.filter(found.is_duplicated())
        got = f"{plural(values.n_unique(), 'id')} more than once: {', '.join(map(str, values.unique().sort()[:3]))}"
        raise DataError(f"an id stands twice in {part}", place=place, got=got, allowed="one row per id", next=advice)
    return found


def weights(stored: Stored, recipe: Recipe) -> Array:
    """Return (n,) float64, the weights of the training rows.

    Raises:
        DataError: they are no numbers, or none that can weigh.
    """
    name, n = recipe.data.weight, stored.meta["n_train"]
    if name is None:
        return np.ones(n)
    place, advice = column_of(recipe, name), "mend the column, or leave data.weight out"
    kind = stored.meta["header"][name]["kind"]
    if kind != "numeric":
        raise DataError("row weights must be numbers", place=place, got=f"a {kind} column", next=advice)
    w = np.asarray(stored.array(f"x/{name}")[:n], np.float64)
    for wrong, what in ((~np.isfinite(w), "missing or infinite"), (w < 0, "negative")):
        if wrong.any():
            got = rows_of(recipe, wrong, what)
            raise DataError("row weights must be finite and not negative", place=place, got=got, next=advice)
    if not w.sum() > 0:
        raise DataError("row weights must have a positive sum", place=place, got="all are 0", next=advice)
    return w


def of_learning(v: Floats) -> Floats:
    """Return the weights (n,) as learners get them: of mean 1 over the rows that teach, whatever their unit is.

    Boosters count weight against bounds and penalties (least weight of a leaf, L2): days of exposure would learn
    otherwise than years, and weights that sum to 1 nothing.
    """
    mean = _mean(v)
    return v if mean == 1 else np.asarray(v / mean)


def _mean(v: Floats) -> float:
    return float(v[v > 0].mean())


def group_and_time(stored: Stored, recipe: Recipe) -> dict[str, Array]:
    """Return `group` (n,) int64 and `time` (n,) float64 of the training rows, each where it is declared.

    Raises:
        DataError: a row has none, times are no numbers, or groups are vectors.
    """
    data, n = recipe.data, stored.meta["n_train"]
    found: dict[str, Array] = {}
    if data.groups is not None:
        if stored.meta["header"][data.groups]["kind"] == "vector":
            place, advice = column_of(recipe, data.groups), "name a column of single values"
            raise DataError("a group must be one value", place=place, got="a vector column", next=advice)
        values = stored.array(f"x/{data.groups}")[:n]
        _refuse_nulls(values, data.groups, "group", recipe)
        found["group"] = np.unique(values, return_inverse=True)[1].astype(np.int64)
    if data.time is not None:
        kind = stored.meta["header"][data.time]["kind"]
        if kind not in ("numeric", "date"):
            place, advice = column_of(recipe, data.time), "write times as numbers or as dates like 2024-12-31"
            advice += "; months such as 2024-12 are dates where data.kinds says so"
            raise DataError("times must be numbers or dates", place=place, got=f"a {kind} column", next=advice)
        values = np.asarray(stored.array(f"x/{data.time}")[:n], np.float64)
        _refuse_nulls(values, data.time, "time", recipe)
        found["time"] = values
    return found


def of_metrics(stored: Stored, recipe: Recipe, groupings: Mapping[str, Sequence[str]]) -> dict[str, Array]:
    """Return (n,) int64 codes of the training rows for each grouping of the metrics, as `by era`.

    Raises:
        DataError: a row has no value of one of the columns, or they are no columns of single values.
    """
    found: dict[str, Array] = {}
    for text, columns in groupings.items():
        code = np.zeros(stored.meta["n_train"], np.int64)
        for name in columns:
            known = [n for n, column in stored.meta["header"].items() if column["kind"] != "vector"]
            if name not in known:
                rule = f"no column of single values that the metric could be grouped by: {recipe.metric}"
                error = DataError(rule, got=name, allowed=known, next=nearest(name, known) or "name one of the columns")
                raise placed(error, recipe.document, ("metric",))
            values = stored.array(f"x/{name}")[: len(code)]
            _refuse_nulls(values, name, "metric's group", recipe)
            _, own = np.unique(values, return_inverse=True)
            code = np.unique(code * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1].astype(np.int64)
        found[f"{PREFIX}{text}"] = code
    return found


def further(stored: Stored, recipe: Recipe, y: Floats, v: Floats, by: Mapping[str, Ints]) -> dict[str, Array]:
    """Return row numbers, y, w, group and time of the learn-only rows that have a target: y (e,) is NaN where not.

    `by`: the codes (n,) of the training rows for each grouping of the metrics.

    Their weights are in the unit of the training rows' `v` (n,); a row without one weighs as much as these do on
    average. Their groups are those of the training rows; a row without one is a group of its own. Times may be NaN.
    """
    data, n = recipe.data, stored.meta["n_train"]
    start = n + stored.meta["n_test"]
    kept = np.flatnonzero(np.isfinite(y))
    rows = start + kept
    w = np.asarray(stored.array("extra/weight"), np.float64)[kept]
    if data.weight is not None:
        own = np.asarray(stored.array(f"x/{data.weight}")[rows], np.float64)
        w = np.where(np.isfinite(own) & (own >= 0), w * own / _mean(v), w)
    found: dict[str, Array] = {"extra_row": rows, "extra_y": y[kept], "extra_w": w}
    if data.groups is not None:
        values = stored.array(f"x/{data.groups}")
        codes = np.unique(values[:n], return_inverse=True)[1].astype(np.int64)
        found["extra_group"] = _grouped_alike([values], codes, rows)
    for name, codes in by.items():
        columns = [stored.array(f"x/{c}") for c in name.removeprefix(PREFIX).split(COMMA)]
        found[f"extra_{name}"] = _grouped_alike(columns, codes, rows)
    if data.time is not None:
        found["extra_time"] = np.asarray(stored.array(f"x/{data.time}")[rows], np.float64)
    return found


def _grouped_alike(columns: Sequence[Array], codes: Ints, rows: Array) -> Ints:
    """Return the groups of learn-only rows: those of the training rows, coded by `codes` (n,), or new ones."""
    n = len(codes)
    at = np.concatenate([np.arange(n), rows])
    joint, empty = np.zeros(len(at), np.int64), np.zeros(len(at), np.bool_)
    for values in columns:
        here = values[at]
        empty |= np.isnan(here) if here.dtype.kind == "f" else here < 0
        own = np.unique(here, return_inverse=True)[1]
        joint = np.unique(joint * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1].astype(np.int64)
    start = int(codes.max(initial=-1)) + 1
    of = start + np.arange(int(joint.max(initial=0)) + 1)
    of[joint[:n]] = codes
    return np.where(empty[n:], start + len(of) + np.arange(len(rows)), of[joint[n:]]).astype(np.int64)


def _refuse_nulls(values: Array, name: str, role: str, recipe: Recipe) -> None:
    empty = np.isnan(values) if values.dtype.kind == "f" else values < 0
    if empty.any():
        got = rows_of(recipe, empty, f"without a {role}")
        raise DataError(f"rows without a {role}", place=column_of(recipe, name), got=got, next="fill or drop them")
