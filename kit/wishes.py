"""The kind a person says a column has (`data.kinds`), and hints where saying one would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from kit import amounts, clocks, dates, dateshapes, forms
from kit.errors import DataError
from kit.forms import Coded, Form, Found

if TYPE_CHECKING:
    import polars as pl

Wish = Literal["numeric", "category", "text", "key", "date", "date dmy", "date mdy"]
"""Kinds a person may name; the last two say which of two numbers of a date is the day."""


def order_of(wish: Wish | None) -> str:
    """Return "dmy" or "mdy" where the wish says it, else ""."""
    return wish.partition(" ")[2] if wish else ""


def grant(found: Found, values: pl.Series, wish: Wish, name: str) -> Found:
    """Return the values as a column of that kind; what cannot be read so becomes missing and is counted.

    Raises:
        DataError: nothing can be read so, or the kind does not exist for such values.
    """
    family = found.form.family
    if family in ("lists", "other"):
        raise DataError(
            f"{name} cannot be read as {wish}", got=str(values.dtype), next=f"take {name} out of data.kinds"
        )
    if family == "nothing":
        return found
    if wish == "numeric":
        return _numeric(found, name)
    if wish.startswith("date"):
        return _dates(found, name, order_of(wish))
    coded = found.values if isinstance(found.values, Coded) else forms.code(forms.as_text(values))
    return Found(coded, Form("text"))


def nearly(levels: pl.Series) -> list[tuple[str, str]]:
    """Return what distinct strings are but for a few, and how to read them so: at most one pair of texts."""
    import polars as pl

    if (when := dates.several(levels)) is not None and when.doubt:
        ways = when.shape.replace(dateshapes.AND, ", ")
        return [(f"dates read as text, for {when.doubt}: {ways}", "say kinds: {<column>: date dmy}, or date mdy")]
    few = len(levels) / 20
    nones = (
        ("numbers", "numeric", levels.filter(levels.cast(pl.Float64, strict=False).is_null())),
        ("times of day", "numeric", _no_times(levels)),
        ("dates", "date", _no_dates(levels)),
    )
    for what, kind, words in nones:
        if 0 < len(words) <= few:
            shown = ", ".join(map(repr, words.head(3)))
            return [(f"{what} but for {shown}", f"name these in `nulls`, or say kinds: {{<column>: {kind}}}")]
    return []


def _numeric(found: Found, name: str) -> Found:
    import polars as pl

    if not isinstance(found.values, Coded):
        values = found.values.cast(pl.Float64)
        return Found(values, Form("numbers", found.form.style, found.form.unit), found.note)
    levels = found.values.levels
    plain = levels.cast(pl.Float64, strict=False)
    known = levels.filter(plain.is_null())
    most = next((s for s in clocks.STYLES if clocks.read(known, s).count() > len(levels) / 2), "")
    most = most or next((s for s in amounts.STYLES if amounts.read(known, amounts.Amounts(s)).count()), "")
    form = Form("numbers", most)
    return _lost(found.values, form, name, "numeric")


def _dates(found: Found, name: str, order: str) -> Found:
    if not isinstance(found.values, Coded):
        if found.form.family == "dates":
            return found
        if found.form.family != "numbers" or found.form.style in clocks.STYLES:
            raise DataError(f"{name} cannot be read as dates", got=found.form.family, next="leave it out of data.kinds")
        values, what = dates.epoch(found.values)
        return Found(values, Form("dates", what), f"read as dates: {what}")
    levels, one = found.values.levels, (*dateshapes.SHAPES, *dateshapes.MONTHLY)
    met = [name for name, pattern in dateshapes.SHAPES.items() if levels.str.contains(pattern).any()]
    shapes = (*one, dateshapes.AND.join(met)) if len(met) > 1 else one  # one shape where it reads as many
    best = max(((s, o) for s in shapes for o in _orders(s, order)), key=lambda pair: _count(found.values, *pair))
    return _lost(found.values, Form("dates", " ".join(best).strip()), name, "date")


def _orders(shape: str, order: str) -> tuple[str, ...]:
    if not dateshapes.EITHER.intersection(shape.split(dateshapes.AND)):
        return ("",)
    return (order,) if order else dateshapes.ORDERS


def _count(coded: object, shape: str, order: str) -> int:
    assert isinstance(coded, Coded)
    return dates.read(coded.levels, dates.Dates(shape, order)).count()


def _lost(coded: Coded, form: Form, name: str, kind: str) -> Found:
    """Return the values under a form; tell how many are none."""
    levels = forms.under(coded.levels, form)
    values = forms.spread(levels, coded)
    lost = values.null_count() - int((coded.codes < 0).sum())
    words = ", ".join(map(repr, coded.levels.filter(levels.is_null()).head(3)))
    if not levels.count():
        raise DataError(f"no value of {name} can be read as {kind}", got=words, next=f"take {name} out of data.kinds")
    return Found(values, form, f"{lost} values are no {kind} and read as missing: {words}" if lost else "")


def _no_dates(levels: pl.Series) -> pl.Series:
    """Return the strings that are no dates where most are, else nothing."""
    sample = levels.sample(min(len(levels), 200), seed=0)
    if dates.begin(sample).sum() < len(sample) * 0.9:
        return levels.clear()
    best = max(
        dateshapes.SHAPES, key=lambda s: dates.read(sample, dates.Dates(s, "dmy" if s[0] == "a" else "")).count()
    )
    order = "dmy" if best[0] == "a" else ""
    if dates.read(sample, dates.Dates(best, order)).count() < len(sample) * 0.9:
        return levels.clear()
    return levels.filter(dates.read(levels, dates.Dates(best, order)).is_null())


def _no_times(levels: pl.Series) -> pl.Series:
    """Return the strings that are no times of day, in the style that most are in; all where most lack the colon."""
    if levels.str.contains(":", literal=True).sum() < len(levels) / 2:
        return levels
    return min((levels.filter(clocks.read(levels, s).is_null()) for s in clocks.STYLES), key=len)
