"""Numbers among names: strings that spell one number in several ways, as 1 and 1.0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kit.forms import as_text

if TYPE_CHECKING:
    import polars as pl

_PADDED = r"^[+-]?0[0-9]"
_WHOLE = "^[+-]?[0-9]+$"

MOST_DIGITS = 18
"""Digits of a whole number that int64 surely holds."""


def respelt(texts: pl.Series) -> pl.Series:
    """Return the strings, plain numbers as `forms.as_text` spells numbers; what is a name to `as_numbers` stays.

    >>> import polars as pl
    >>> respelt(pl.Series(["1.0", "2.50", "007", "x", None])).to_list()
    ['1', '2.5', '007', 'x', None]
    """
    import polars as pl

    numbers = texts.cast(pl.Float64, strict=False)
    beyond = texts.str.contains(_WHOLE) & texts.cast(pl.Int64, strict=False).is_null()
    plain = numbers.is_finite() & ~beyond & ~texts.str.contains(_PADDED)
    frame = pl.DataFrame({"text": texts, "number": as_text(numbers), "plain": plain})
    return frame.select(pl.when("plain").then("number").otherwise("text")).to_series().alias(texts.name)


def unpadded(texts: pl.Series) -> pl.Series:
    """Return the strings without leading zeros, as numbers have none."""
    return texts.str.replace("^0+([0-9])", "${1}")


def places(found: Sequence[str], known: Sequence[str], *, numbers: bool) -> list[int | None]:
    """Return where each string stands in `known`: itself, else the only one that spells the same number, else None.

    `numbers`: the strings were numbers in a data frame, which has no leading zeros: 7 is the only one of 007 and 012.

    >>> places(["1.0", "x", "7"], ["1", "007"], numbers=False), places(["7"], ["1", "007"], numbers=True)
    ([0, None, None], [1])
    """
    import polars as pl

    at = {level: i for i, level in enumerate(known)}
    if all(level in at for level in found):
        return [at[level] for level in found]
    alike = respelt(pl.Series(known, dtype=pl.String))
    if numbers:
        alike = unpadded(alike)
    times = Counter(alike)
    only = {level: i for i, level in enumerate(alike) if times[level] == 1}
    spelt = respelt(pl.Series(found, dtype=pl.String))
    return [at.get(level, only.get(same)) for level, same in zip(found, spelt, strict=True)]


def form_of(numbers: pl.Series, texts: pl.Series) -> str:
    """Return how whole numbers are written in `texts`, as `format` takes it; "" where they are none, or in no one way.

    >>> import polars as pl
    >>> [form_of(pl.Series([7, 12]), pl.Series(texts)) for texts in (["7", "12"], ["007", "012"], ["7.0", "12.0"])]
    ['d', '03d', '.1f']
    """
    if not numbers.dtype.is_integer():
        return ""
    spelt, values = texts.to_list(), numbers.to_list()
    forms = ("d", f"0{max(map(len, spelt), default=0)}d", ".1f")
    return next((form for form in forms if spelt == [format(n, form) for n in values]), "")


def written(values: pl.Series, form: str) -> pl.Series:
    """Return numbers, or strings that spell them, in the form that `form_of` found; what is no whole number stays.

    >>> import polars as pl
    >>> written(pl.Series(["7.0", "0012", "x"]), "03d").to_list(), written(pl.Series([7.0]), "d").to_list()
    (['007', '012', 'x'], [7])
    """
    import polars as pl

    if not form:
        return values
    plain = as_text(values) if values.dtype.is_numeric() else respelt(unpadded(values.cast(pl.String)))
    whole = plain.str.contains(_WHOLE)
    if form == "d" and whole.all():
        return plain.cast(pl.Int64, strict=False) if plain.str.len_chars().max() <= MOST_DIGITS else plain  # type: ignore[operator]
    found = [format(int(text), form) if is_whole else text for text, is_whole in zip(plain, whole, strict=True)]
    return pl.Series(values.name, found, pl.String)
