"""Learn-only rows from further files (`data.extra`): read as the training columns are, known rows dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import alike, forms
from kit.asarray import array_of, narrow, vector
from kit.errors import DataError, nearest
from kit.forms import Coded
from kit.infer import Table
from kit.types import Array, Bools, Column, Floats

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Extra:
    """A file of learn-only rows: how errors name it, its rows, and how much one of them weighs."""

    place: str
    rows: pl.DataFrame
    weight: float


@dataclass(frozen=True, eq=False)
class Added:
    """A table with the learn-only rows below train and test.

    Shape: targets: one series per file, as read; weight (e,) float64. `about`: what became of each file.
    """

    table: Table
    targets: tuple[pl.Series, ...]
    weight: Floats
    about: tuple[dict[str, Any], ...]


def add(built: Table, files: Sequence[Extra], target: str, features: Sequence[str]) -> Added:
    """Return the table with the rows of the files below it.

    Dropped are rows without a target, and rows that equal a training or test row in every one of `features` that the
    file has: they would be learnt from twice, or give away what is to be predicted.

    Raises:
        DataError: a file has no target, or none of the features.
    """
    n = built.n_train + built.n_test
    parts = [_with_target(f, target) for f in files]
    read = {name: [_read(f.rows, name, built) for f in parts] for name in built.header}
    merged = {name: _merged(built, name, [values for values, _ in found]) for name, found in read.items()}
    starts = n + np.cumsum([0, *(len(f.rows) for f in parts)])
    keep, about = [], []
    for i, (part, given) in enumerate(zip(parts, files, strict=True)):
        shared = _shared(part, features)
        known = _known([merged[c][1] for c in shared], n, slice(int(starts[i]), int(starts[i + 1])))
        keep.append(~known)
        about.append(
            {
                "file": given.place,
                "rows": len(given.rows),
                "without_target": len(given.rows) - len(part.rows),
                "duplicates": int(known.sum()),
                "missing": [c for c in features if c not in shared],
                "unreadable": {c: found[i][1] for c, found in read.items() if found[i][1]},
            }
        )
    kept = np.concatenate([np.ones(n, np.bool_), *keep])
    header, x = {c: column for c, (column, _) in merged.items()}, {c: array[kept] for c, (_, array) in merged.items()}
    table = replace(built, header=header, x=x)
    targets = tuple(f.rows[target].filter(mask) for f, mask in zip(parts, keep, strict=True))
    weight = np.concatenate([np.full(int(m.sum()), f.weight) for f, m in zip(parts, keep, strict=True)])
    return Added(table, targets, weight, tuple(about))


def _with_target(file: Extra, target: str) -> Extra:
    """Return the rows that have a target."""
    known = file.rows.columns
    if target not in known:
        advice = nearest(target, known) or "rename its column as in the training data"
        raise DataError("the extra rows lack the target", place=file.place, got=target, allowed=known, next=advice)
    return replace(file, rows=file.rows.filter(file.rows[target].is_not_null()))


def _shared(file: Extra, features: Sequence[str]) -> list[str]:
    shared = [name for name in features if name in file.rows.columns]
    if not shared:
        rule, advice = "the extra rows share no feature with the training data", "name the columns as in training"
        raise DataError(rule, place=file.place, got=f"columns {', '.join(file.rows.columns)}", next=advice)
    return shared


def _read(rows: pl.DataFrame, name: str, built: Table) -> tuple[Array | Coded, int]:
    """Return a column of the extra rows in the kind it has in the table, and how many values could not be read."""
    import polars as pl

    column, form = built.header[name], built.forms[name]
    if name not in rows.columns:
        rows = pl.DataFrame({name: pl.Series([None] * len(rows), dtype=pl.String)})
    values, lost = forms.read(rows[name], form)
    if column.kind in ("category", "text", "key") and form.family != "true/false":
        coded = values if isinstance(values, Coded) else forms.code(forms.as_text(values))
        return _named_alike(coded, column, numbers=rows[name].dtype.is_numeric()), lost
    if column.kind == "vector":
        made = vector(values) if isinstance(values, pl.Series) and values.dtype.is_nested() else None
        if made is not None and made[0].width == column.width:
            return made[1], lost
        return np.full((len(rows), column.width), np.nan, np.float32), len(rows) - rows[name].null_count()
    if form.family == "true/false" and not isinstance(values, Coded):
        values = values.cast(pl.Boolean)
    x = array_of(values, form.family)
    return (np.where(np.isinf(x), np.nan, x) if x.dtype.kind == "f" else x), lost


def _named_alike(coded: Coded, column: Column, *, numbers: bool) -> Coded:
    """Return the values under the levels that the table has for them: 1.0 is its 1."""
    import polars as pl

    found, known = coded.levels.to_list(), list(column.levels)
    places = alike.places(found, known, numbers=numbers)
    names = [level if at is None else known[at] for level, at in zip(found, places, strict=True)]
    return coded if names == found else forms.code(forms.spread(pl.Series(names, dtype=pl.String), coded))


def _merged(built: Table, name: str, parts: Sequence[Array | Coded]) -> tuple[Column, Array]:
    """Return the column and the array of train, test and extra rows, its levels those of all of them."""
    import polars as pl

    column, base = built.header[name], built.x[name]
    coded = [part for part in parts if isinstance(part, Coded)]
    if not coded:
        joined = np.concatenate([base, *(part for part in parts if not isinstance(part, Coded))])
        return column, narrow(joined) if column.kind == "numeric" else joined
    known = Coded(pl.Series(tuple(column.levels), dtype=pl.String), base)
    levels = pl.concat([part.levels.alias("") for part in (known, *coded)]).unique().sort()
    codes = []
    for part in (known, *coded):
        place = part.levels.cast(pl.Enum(levels)).to_physical().cast(pl.Int32).to_numpy()
        codes.append(np.append(place, np.int32(-1))[part.codes])
    return replace(column, levels=tuple(levels.to_list())), np.concatenate(codes)


def _known(columns: Sequence[Array], n: int, rows: slice) -> Bools:
    """Return (e,) whether an extra row equals one of the first n in all these columns; missing equals missing."""
    import polars as pl

    flat = [c if c.ndim == 1 else c[:, j] for c in columns for j in range(1 if c.ndim == 1 else c.shape[1])]
    frame = pl.DataFrame({str(i): c.astype(np.float64) for i, c in enumerate(flat)})
    first = frame[:n].unique().with_columns(known=True)
    extra = frame[rows.start : rows.stop]
    found = extra.join(first, on=frame.columns, how="left", maintain_order="left", nulls_equal=True)
    return found["known"].is_not_null().to_numpy()
