"""How the values of a column are written, found from the values; and reading more values written like that."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from kit import amounts, clocks, dates, dateshapes
from kit.types import Array

if TYPE_CHECKING:
    import polars as pl

Family = Literal["numbers", "true/false", "dates", "text", "lists", "nothing", "other"]

TIMES = "times of day, as seconds"
"""What is told of a column of times; they are seconds since midnight."""

_FIRST = 100
_SAMPLE = 1000
_FEW = 100
"""Columns of so few levels in a sample are likely to have no more of them."""


@dataclass(frozen=True)
class Form:
    """What values are and how text spells them.

    `style`: "" where polars reads them, else the style of amounts or times or the shape and order of dates.
    `unit`: "$", "%".
    """

    family: Family
    style: str = ""
    unit: str = ""

    def __str__(self) -> str:
        """Return the form in words, as `kit check` shows it."""
        return " ".join(part for part in (self.family, f"as {self.style}" if self.style else "", self.unit) if part)


class Coded(NamedTuple):
    """Text as codes: sorted distinct strings (blanks around them cut off), and int32 codes, -1 = missing."""

    levels: pl.Series
    codes: Array


class Found(NamedTuple):
    """Values in the plainest type that holds them all, their form, and what a person should know or ""."""

    values: pl.Series | Coded
    form: Form
    note: str = ""


def interpret(series: pl.Series, order: str = "", *, comma: bool = False) -> Found:
    """Return what the values of a column are; `order` decides between day and month where the values do not.

    `comma`: other columns of the table have decimal commas.
    """
    import polars as pl

    dtype = series.dtype
    if series.null_count() == len(series):
        return Found(pl.Series(series.name, [], pl.Float64).extend_constant(None, len(series)), Form("nothing"))
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return interpret_text(code(series), order, comma=comma)
    if isinstance(dtype, pl.Struct) or dtype == pl.List(pl.String):
        return Found(code(as_text(series)), Form("text"))
    if dtype.is_numeric():
        return Found(series, Form("numbers"))
    if dtype == pl.Boolean:
        return Found(series, Form("true/false"))
    if isinstance(dtype, pl.Time):
        return Found(series.cast(pl.Int64) / 1e9, Form("numbers", "h:mm"), TIMES)
    if dtype.is_temporal():
        return Found(days(series), Form("numbers" if isinstance(dtype, pl.Duration) else "dates"))
    return Found(series, Form("lists" if isinstance(dtype, pl.List | pl.Array) else "other"))


def interpret_text(coded: Coded, order: str = "", *, comma: bool = False) -> Found:
    """Return what strings spell: numbers, amounts, times of day, true and false, dates; else the text itself."""
    import polars as pl

    levels = coded.levels
    if not len(levels):
        return Found(pl.Series([None], dtype=pl.Float64).new_from_index(0, len(coded.codes)), Form("nothing"))
    for numbers in as_numbers([levels]):
        return Found(spread(numbers, coded), Form("numbers"))
    if len(levels) <= 6 and levels.str.to_lowercase().is_in(["true", "false"]).all():
        return Found(spread(levels.str.to_lowercase() == "true", coded), Form("true/false"))
    if (when := dates.find(levels, order)) is not None:
        note = (
            f"written in several ways: {when.shape.replace(dateshapes.AND, ', ')}"
            if dateshapes.AND in when.shape
            else when.doubt
        )
        return Found(spread(dates.read(levels, when), coded), Form("dates", f"{when.shape} {when.order}".strip()), note)
    if style := clocks.find(levels):
        return Found(spread(clocks.read(levels, style), coded), Form("numbers", style), TIMES)
    if (sums := amounts.find(levels, comma=comma)) is not None:
        note = "; ".join(
            part for part in (f"amounts{f' in {sums.unit}' if sums.unit else ''} read as numbers", sums.doubt) if part
        )
        return Found(spread(amounts.read(levels, sums), coded), Form("numbers", sums.style, sums.unit), note)
    return Found(coded, Form("text"))


def read(series: pl.Series, form: Form) -> tuple[pl.Series | Coded, int]:
    """Return values read under a form that is known already, and how many could not be and are null now."""
    import polars as pl

    if form.family == "text":
        return code(as_text(series)), 0
    if form.style in amounts.COMMAS and series.dtype == pl.String:
        text = code(series)  # 2.500 is 2500 here, whatever stands beside it
        values = spread(under(text.levels, form), text)
        return values, values.null_count() - int((text.codes < 0).sum())
    found = interpret(series, dates.order_of(form.style), comma=form.style in amounts.COMMAS)
    # 9:05 among plain numbers, or 930 among times, is a mistake in the new values and no number.
    clock = form.style != found.form.style and not clocks.STYLES.keys().isdisjoint((form.style, found.form.style))
    # 13/1/2021 is no date where the month comes first, not even alone.
    turned = dates.turned(form.style, found.form.style)
    if found.form.family == "nothing" or (found.form.family == form.family and not clock and not turned):
        return found.values, 0
    if {form.family, found.form.family} == {"numbers", "true/false"} and not clock:
        return _switched(found.values, form)
    if form.family in ("lists", "other", "nothing") or found.form.family in ("lists", "other"):
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, len(series)), len(series) - series.null_count()
    text = found.values if isinstance(found.values, Coded) else code(as_text(series))
    values = spread(under(text.levels, form), text)
    return values, values.null_count() - int((text.codes < 0).sum())


def _switched(values: pl.Series | Coded, form: Form) -> tuple[pl.Series, int]:
    """Return true and false as 1 and 0, or 1 and 0 as true and false, and how many values are neither."""
    import polars as pl

    assert isinstance(values, pl.Series)
    numbers = values.cast(pl.Float64)
    if form.family == "true/false":
        numbers = numbers.to_frame().select(pl.when(pl.first().is_in([0.0, 1.0])).then(pl.first())).to_series()
        return numbers.cast(pl.Boolean), numbers.null_count() - values.null_count()
    return numbers, 0


def code(text: pl.Series) -> Coded:
    """Return strings as sorted levels and codes; what is blank is missing."""
    import polars as pl

    text = text.cast(pl.String)
    if (soon := _code_few(text)) is not None:
        return soon
    found = text.unique().to_list()
    if any(level is not None and not _is_bare(level) for level in found):
        stripped = text.str.strip_chars()
        text = stripped.to_frame().select(pl.when(pl.first() != "").then(pl.first())).to_series()
        found = text.unique().to_list()
    levels = pl.Series(text.name, sorted(level for level in found if level is not None), dtype=pl.String)
    return Coded(levels, _codes(text.cast(pl.Enum(levels))))


def _code_few(text: pl.Series) -> Coded | None:
    """Return strings as levels and codes where a thousand rows from all over show all levels, and those are bare."""
    import polars as pl

    if len(text) < 10 * _SAMPLE:
        return None
    seen = text.gather_every(len(text) // _SAMPLE).drop_nulls().unique().to_list()
    if not seen or len(seen) > _FEW or not all(map(_is_bare, seen)):
        return None
    levels = pl.Series(text.name, sorted(seen), dtype=pl.String)
    coded = text.cast(pl.Enum(levels), strict=False)
    return Coded(levels, _codes(coded)) if coded.null_count() == text.null_count() else None


def _is_bare(level: str) -> bool:
    """Return whether a string is not blank and has no blanks around it."""
    return bool(level) and level == level.strip()


def _codes(coded: pl.Series) -> Array:
    """Return the codes of an Enum, (n,) int32, -1 = missing."""
    import polars as pl

    codes = coded.to_physical().cast(pl.Int32)
    return (codes.fill_null(-1) if codes.null_count() else codes).to_numpy()


def as_text(series: pl.Series) -> pl.Series:
    """Return strings; whole numbers are written without a point, whatever the numbers beside them are."""
    import polars as pl

    if isinstance(series.dtype, pl.Struct):
        return series.to_frame().select(pl.when(pl.first().is_not_null()).then(pl.first().struct.json_encode()))[:, 0]
    if series.dtype == pl.List(pl.String):
        return series.list.join(", ")
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
        return pl.Series(series.name, [None if v is None else str(v) for v in series.to_list()], dtype=pl.String)
    text = series.cast(pl.String)
    if not series.dtype.is_float():
        return text
    frame = pl.DataFrame({"x": series, "text": text, "whole": series.cast(pl.Int64, strict=False)})
    same = pl.col("whole") == pl.col("x")  # 1e300 is whole as well, and no int64 holds it
    found = frame.select(pl.when(same).then(pl.col("whole").cast(pl.String)).otherwise("text"))
    return found.to_series().alias(series.name)


def as_numbers(texts: Sequence[pl.Series]) -> list[pl.Series]:
    """Return, as Int64 or Float64, those text series of which every value is a plain number.

    Integers with leading zeros ("007") or beyond int64 are names, not amounts: they stay text.
    """
    import polars as pl

    # Polars takes a name like ^a$ for a pattern, so the columns go by number.
    likely = [s.alias(str(i)) for i, s in enumerate(texts) if _starts_with_number(s)]
    if not likely:
        return []
    ints = _read_all(likely, pl.Int64)
    whole = {s.name for s in ints}
    padded = _where(likely, whole, (pl.all().str.starts_with("0") & (pl.all().str.len_bytes() > 1)).any())
    floats = _read_all([s for s in likely if s.name not in whole], pl.Float64)
    beyond = _where(likely, {s.name for s in floats}, pl.all().str.contains("^[+-]?[0-9]+$").all())
    found = [s for s in ints if s.name not in padded]
    found += [s.fill_nan(None) if math.isnan(s.sum()) else s for s in floats if s.name not in beyond]
    return [s.alias(texts[int(s.name)].name) for s in found]


def _read_all(texts: Sequence[pl.Series], dtype: type[pl.Int64 | pl.Float64]) -> list[pl.Series]:
    """Return the texts of which every value can be read as that type, read so."""
    import polars as pl

    if not texts:
        return []
    read = pl.DataFrame(texts).select(pl.all().cast(dtype, strict=False))
    return [s for s, text in zip(read, texts, strict=True) if s.null_count() == text.null_count()]


def _where(texts: Sequence[pl.Series], names: Collection[str], test: pl.Expr) -> set[str]:
    """Return the names among these of which the text passes a test that gives one value."""
    import polars as pl

    asked = [s for s in texts if s.name in names]
    return {s.name for s in pl.DataFrame(asked).select(test) if s.item()} if asked else set()


def _starts_with_number(text: pl.Series) -> bool:
    """Return whether the first value is a number for Python, which takes all that polars takes."""
    first = next((v for v in text.head(_FIRST).to_list() if v is not None), None)
    if first is None:
        first = next(iter(text.drop_nulls().head(1).to_list()), None)
    try:
        return first is not None and float(first) is not None
    except ValueError:
        return False


def days(series: pl.Series) -> pl.Series:
    """Return Date, Datetime (UTC) or Duration as float64 days."""
    import polars as pl

    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    unit = pl.Duration("us") if isinstance(series.dtype, pl.Duration) else pl.Datetime("us", "UTC")
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is None:
        unit = pl.Datetime("us")
    return series.cast(unit).cast(pl.Int64) / 86.4e9


def under(levels: pl.Series, form: Form) -> pl.Series:
    """Return distinct strings read under a form, null where they are not written like that."""
    import polars as pl

    if form.family == "dates":
        shape, _, order = form.style.rpartition(" ") if form.style.endswith(dateshapes.ORDERS) else (form.style, "", "")
        return dates.read(levels, dates.Dates(shape or "y-m-d", order))
    if form.family == "true/false":
        low = levels.str.to_lowercase()
        return low.replace_strict(["true", "false"], [True, False], default=None, return_dtype=pl.Boolean)
    if form.style in clocks.STYLES:
        return clocks.read(levels, form.style)
    written = amounts.read(levels, amounts.Amounts(form.style or next(iter(amounts.STYLES))))
    return written.fill_null(levels.cast(pl.Float64, strict=False))


def is_spelled(form: Form) -> bool:
    """Return whether values are to be read as text, even where all are numbers: names, and amounts such as 2.500."""
    return form.family == "text" or form.style in amounts.COMMAS


def spread(levels: pl.Series, coded: Coded) -> pl.Series:
    """Return the value of each row from the values of the levels; null where the row has none."""
    import polars as pl

    index = pl.Series(coded.codes).to_frame().select(pl.when(pl.first() >= 0).then(pl.first())).to_series()
    return levels.gather(index.cast(pl.UInt32))
