"""Columns with decimal commas in one file and only such numbers as 2.500 in another, where they are no 2.5 either."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from kit import amounts, forms

if TYPE_CHECKING:
    import polars as pl

Again = Callable[[Collection[str]], "pl.DataFrame"]
"""Reads a file once more, with these columns as they are spelled."""


def alike(frame: pl.DataFrame, other: pl.DataFrame, again: Again) -> pl.DataFrame:
    """Return the rows of `frame`; columns that have decimal commas in `other` are text where they read so here, too.

    Numbers with points are left as they were read where a comma cannot be their decimal sign: 2.5 is no 25.
    """
    import polars as pl

    shared = [n for n in other.columns if n in frame.columns and frame[n].dtype.is_float()]
    found = {n: how for n in shared if other[n].dtype == pl.String and (how := _commas(other[n])) is not None}
    if not found:
        return frame
    spelt = again(list(found))
    for name, how in found.items():
        # Numbers that were no text, in parquet or in a data frame, are what they are.
        if spelt[name].dtype == pl.String and not amounts.read(forms.code(spelt[name]).levels, how).null_count():
            frame = frame.with_columns(spelt[name])
    return frame


def _commas(texts: pl.Series) -> amounts.Amounts | None:
    """Return how strings are written as amounts with decimal commas, None where they are something else."""
    if not texts.drop_nulls().head(100).str.contains(r"\d,\d").any():
        return None
    how = amounts.find(forms.code(texts).levels, comma=True)
    return how if how is not None and how.style in amounts.COMMAS else None
