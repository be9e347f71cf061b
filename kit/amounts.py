"""Amounts written for people: "$1,234.50", "12 %", "₹ 1,200", "1.234,50 €", "(300)". Read over distinct values only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_SIGNS = r"[$€£¥₹₽₩₺₫₪฿₦₱₴₡₲₵₸]"
_WORDS = (
    r"(?i:usd|eur|gbp|inr|jpy|chf|cad|aud|nzd|cny|rmb|krw|rub|brl|mxn|zar|sek|nok|dkk|pln|czk|huf|try|sgd|hkd|rs|kr|zł)"
)
_UNIT = rf"(?:(?:US|A|C|R|HK|NZ|S)?{_SIGNS}|{_WORDS}\.?)"
_BLANK = "\u00a0\u2009\u202f"
_SHAPE = rf"^(\()?\s*([+-])?\s*({_UNIT})?\s*([+-])?\s*(\d[\d.,'\x{{2019}} ]*|\.\d+)\s*({_UNIT}|%)?\s*(\))?$"

STYLES = {
    "1,234.5": (r"^(?:[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|0|[1-9]\d*)?(?:\.\d*)?$", ",", "."),
    "1.234,5": (r"^(?:[1-9]\d{0,2}(?:\.\d{3})+|0|[1-9]\d*)?(?:,\d*)?$", ".", ","),
    "1 234.5": (r"^(?:[1-9]\d{0,2}(?: \d{3})+|0|[1-9]\d*)?(?:\.\d*)?$", " ", "."),
    "1 234,5": (r"^(?:[1-9]\d{0,2}(?: \d{3})+|0|[1-9]\d*)?(?:,\d*)?$", " ", ","),
    "1'234.5": (r"^(?:[1-9]\d{0,2}(?:'\d{3})+|0|[1-9]\d*)?(?:\.\d*)?$", "'", "."),
}
"""How numbers are written -> pattern, sign between thousands, decimal sign. The first that fits all values is meant.

Groups of two digits are those of India (1,23,456).
"""

COMMAS = ("1.234,5", "1 234,5")
"""The styles in which a comma is the decimal sign."""

FEW = 20
"""Commas as the only evidence ("1,5") are taken for decimal signs with at least so many distinct values."""


@dataclass(frozen=True)
class Amounts:
    """How a column of amounts is written: a name of STYLES, the unit, and what cannot be told for sure or ""."""

    style: str
    unit: str = ""
    doubt: str = ""


def find(levels: pl.Series, *, comma: bool = False) -> Amounts | None:
    """Return how these distinct strings are written as amounts, or None where they are something else.

    Amounts in several currencies are not one quantity; percent signs must stand at all values but zero. `comma`: other
    columns of the table have decimal commas, so that "1,5" is a number however few there are, and "1,250" is 1.25.

    >>> import polars as pl
    >>> find(pl.Series(["$1,234.50", "$7"]))
    Amounts(style='1,234.5', unit='$', doubt='')
    """

    head = levels.head(100)
    if not len(levels) or not _may_be(head[0]) or not _clean(head).str.contains(_SHAPE).all():
        return None
    parts = _parts(levels)
    if parts["digits"].null_count():
        return None
    units = parts["unit"].drop_nulls().unique().to_list()
    digits = parts["digits"]
    styles = dict.fromkeys((*COMMAS, *STYLES) if comma else STYLES)
    style = next((name for name in styles if digits.str.contains(STYLES[name][0]).all()), None)
    if style is None or len(units) > 1:
        return None
    if units == ["%"] and (parts["unit"].is_null() & digits.str.contains("[1-9]")).any():
        return None
    marks = digits.str.contains("[,' ]").any() or (style == "1.234,5" and digits.str.contains(r"\.").any())
    if not units and (not marks or not _convincing(digits, style, comma=comma)):
        return None
    several = digits.str.count_matches(",") > 1
    alike = style == "1,234.5" and digits.str.contains(r"^\d{1,3},\d{3}$").any()
    sure = bool(several.any()) or digits.str.contains(r"\.").any() or not alike
    doubt = "" if sure else "a comma before three digits is read as a sign between thousands"
    return Amounts(style, units[0] if units else "", doubt)


def read(levels: pl.Series, amounts: Amounts) -> pl.Series:
    """Return the numbers (float64) behind strings written like that; null for those that are not.

    >>> import polars as pl
    >>> read(pl.Series(["(1.200,5)", "3 %", "x"]), Amounts("1.234,5", "%")).to_list()
    [-1200.5, 3.0, None]
    """
    import polars as pl

    shape, group, decimal = STYLES[amounts.style]
    parts = _parts(levels)
    digits = pl.when(pl.col("digits").str.contains(shape)).then(pl.col("digits"))
    plain = digits.str.replace_all(group, "", literal=True).str.replace(decimal, ".", literal=True)
    sign = pl.when(pl.col("minus")).then(-1.0).otherwise(1.0)
    return parts.select((plain.cast(pl.Float64, strict=False) * sign).alias(levels.name or "x")).to_series()


def _convincing(digits: pl.Series, style: str, *, comma: bool) -> bool:
    """Return whether numbers without a unit are amounts and not codes or lists: "110 001" and "1,3" may be either.

    Where other columns have decimal commas, the latter is a number if all have one or all are halves and quarters, and
    none is written in two ways ("1,1", "1,10").
    """
    if style in ("1 234.5", "1 234,5", "1'234.5"):
        return digits.str.count_matches(r"\d").n_unique() > 1
    if style == "1.234,5" and not digits.str.contains(r"\.").any():
        plain = digits.unique().str.replace(",", ".").cast(float, strict=False)
        if comma and plain.n_unique() == len(plain):
            return digits.str.contains(",").all() or digits.str.contains(r"^\d+(,(0|5|25|75))?$").all()
        long = digits.str.contains(r"\d\d,|,\d\d").any()
        return bool(long) and len(digits) >= FEW
    return True


def _may_be(text: str) -> bool:
    """Return whether a string may be an amount: it has a digit, and no unit has more letters than three.

    The patterns of polars take a thousand times as long to ask.
    """
    return re.search(r"\d", text) is not None and sum(map(str.isalpha, text)) <= 3


def _clean(levels: pl.Series) -> pl.Series:
    return levels.str.replace_all(f"[{_BLANK}]", " ").str.replace_all("[\u2212\u2013]", "-")


def _parts(levels: pl.Series) -> pl.DataFrame:
    """Return digits (null where a value is no amount), unit and minus of each value."""
    import polars as pl

    found = _clean(levels).str.extract_groups(_SHAPE).struct.unnest()
    found.columns = ["open", "sign", "before", "inner", "digits", "after", "close"]
    both = pl.col("before").is_not_null() & pl.col("after").is_not_null()
    whole = pl.col("open").is_null() == pl.col("close").is_null()
    digits = pl.col("digits").str.strip_chars().str.replace_all("\u2019", "'")
    return found.select(
        digits=pl.when(whole & ~both).then(digits),
        unit=pl.coalesce("before", "after").str.to_uppercase().str.strip_chars_end("."),
        minus=(pl.col("sign") == "-").fill_null(False)
        | (pl.col("inner") == "-").fill_null(False)
        | pl.col("open").is_not_null(),
    )
