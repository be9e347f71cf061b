"""New rows read as the training rows were: the same kinds and levels, numbers and dates written in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import alike, asarray, forms, sides, table
from kit.errors import DataError, nearest
from kit.forms import Coded, Form
from kit.types import Array, Column, Rows
from kit.wording import listed, plural

if TYPE_CHECKING:
    import polars as pl


def read(frame: pl.DataFrame, columns: Mapping[str, Mapping[str, Any]], levels: Path) -> tuple[Rows, list[str]]:
    """Return the rows of a frame, without y, and notes on values that training did not know.

    `columns`: name -> kind, width, dtype, form and file of levels (in the folder `levels`), as a bundle says. Levels
    never seen are appended to those of training: features that read words read them, all others take them as missing.

    Raises:
        DataError: a column is lacking, or holds vectors of another length.
    """
    x: dict[str, Array] = {}
    header: dict[str, Column] = {}
    notes: list[str] = []
    for name, spec in columns.items():
        if name not in frame.columns:
            advice = nearest(name, frame.columns) or "add the column; it may be empty"
            rule = "the new data lack a column that the model uses"
            raise DataError(rule, got=f"columns {', '.join(frame.columns)}", allowed=name, next=advice)
        known = table.levels_from_arrow((levels / spec["levels"]).read_bytes()) if "levels" in spec else ()
        values, lost = forms.read(frame[name], Form(**spec["form"]))
        if lost:
            notes.append(f"{name}: not to be read as {Form(**spec['form'])}, so missing: {plural(lost, 'value')}")
        header[name], x[name], unseen = _column(values, spec, known, name, frame[name].dtype.is_numeric())
        if unseen:
            notes.append(
                f"{name}: {plural(unseen, 'level')} unknown to training; only features that read words know them"
            )
    return Rows(np.arange(len(frame)), x, header), notes


def joined(frame: pl.DataFrame, joins: Sequence[Mapping[str, Any]], folder: Path) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows with the columns of further tables, as a bundle keeps these in `folder`, and notes on the keys.

    Raises:
        DataError: a column of a key is lacking, or one that is added is there already.
    """
    notes: list[str] = []
    for join in joins:
        side = sides.of(join, (folder / join["rows"]).read_bytes())
        before, (made, found) = side.before, sides.attach(frame, side)
        lacking = int((found < 0).sum())
        if lacking and (side.whole or lacking == len(found)):
            named = listed([key.column for key in side.keys])
            notes.append(f"{named}: the table joined by it has nothing for {plural(lacking, 'row')}")
        if before is not None and (lost := forms.read(frame[before.column], before.form)[1]):
            notes.append(f"{before.column}: not to be read as {before.form}, so missing: {plural(lost, 'value')}")
        frame = made
    return frame, notes


def _column(
    values: pl.Series | Coded, spec: Mapping[str, Any], known: tuple[str, ...], name: str, numbers: bool
) -> tuple[Column, Array, int]:
    """Return header entry, array and the number of levels that training did not know; `numbers`: they were read so."""
    kind, family = spec["kind"], spec["form"]["family"]
    if kind == "vector":
        return _vector(values, spec, name)
    if kind in ("numeric", "date"):
        x = asarray.array_of(values, family).astype(spec["dtype"])
        return Column(kind), np.where(np.isinf(x), np.nan, x).astype(spec["dtype"]), 0
    if family == "true/false":
        return Column(kind, known), asarray.array_of(values, family), 0
    coded = values if isinstance(values, Coded) else forms.code(forms.as_text(values))
    found = coded.levels.to_list()
    place = dict(zip(found, alike.places(found, known, numbers=numbers), strict=True))
    extra = [level for level in found if place[level] is None]
    place |= {level: len(known) + i for i, level in enumerate(extra)}
    codes = np.array([*place.values(), -1], np.int32)[coded.codes]
    return Column(kind, (*known, *extra)), codes, 0 if kind == "text" else len(extra)


def _vector(values: Any, spec: Mapping[str, Any], name: str) -> tuple[Column, Array, int]:
    if values.null_count() == len(values):
        return Column("vector", width=spec["width"]), np.full((len(values), spec["width"]), np.nan, np.float32), 0
    made = asarray.vector(values)
    if made is None or made[0].width != spec["width"]:
        got = "lists of other things" if made is None else f"{made[0].width} numbers each"
        raise DataError("the lists have another form than in training", place=name, got=got, allowed=spec["width"])
    return made[0], made[1], 0
