"""Which kind of column values make: category, text or key for strings, numeric or key for numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np

from kit.asarray import LOOK
from kit.forms import Coded
from kit.types import Array, Column
from kit.wishes import Wish

if TYPE_CHECKING:
    import polars as pl

MANY_LEVELS = 50
"""Short strings are text, not a category, where they have more levels than this and repeat less than twice."""
LONG_WORDS = 4.0
LONG_CHARS = 30.0
"""Strings are long with so many words per level, or so many characters (some scripts do not space their words)."""
PLAIN = "[A-Za-z0-9._:/@#+-]+"
"""How names are written that are no words of a language."""
KEY_ROWS = 50
"""A column can be told to be a key, different in every row, from so many rows on."""
KEY_RANGE = 1.5
"""Whole numbers that are all different are a key where they lie in a range of so many numbers per row."""


def of_text(coded: Coded, wish: Wish | None, *, key: bool) -> Literal["category", "text", "key"]:
    """Return the kind of strings: what a person says it is, or what they look like; `key`: whether they may be one."""
    if wish in ("category", "text", "key"):
        return wish
    if key and _is_text_key(coded):
        return "key"
    return "text" if _is_text(coded.levels, len(coded.codes)) else "category"


def _is_text(levels: pl.Series, n: int) -> bool:
    """Return whether strings with these levels over n rows are text.

    So are those that mostly differ (more than n / 2 levels) and are many or long, and long ones that are many.
    """
    words = (levels.str.count_matches(r"\s+") + 1).mean()
    chars = levels.str.len_chars().mean()
    long = _are_long(float(words), float(chars))  # type: ignore[arg-type]
    many = len(levels) > MANY_LEVELS
    return (len(levels) > n / 2 and (many or long)) or (long and len(levels) > max(MANY_LEVELS, n / 20))


def _are_long(words: float, chars: float) -> bool:
    """Return whether strings of so many words and characters on average are long."""
    return words >= LONG_WORDS or chars >= LONG_CHARS


def reads_as_text(column: Column) -> bool:
    """Return whether a column holds texts: of that kind, or a category of long strings that are no mere names."""
    levels = column.levels
    if column.kind != "category" or all(re.fullmatch(PLAIN, level) for level in levels):
        return column.kind == "text"
    words = sum(len(level.split()) for level in levels) / len(levels)
    return _are_long(words, sum(map(len, levels)) / len(levels))


def _is_text_key(coded: Coded) -> bool:
    """Return whether strings name rows: all different, none with a blank, nearly all with a digit."""
    n, levels = int((coded.codes >= 0).sum()), coded.levels
    if n < KEY_ROWS or len(levels) < n:
        return False
    plain = levels.str.contains(f"^{PLAIN}$").all()
    return bool(plain) and float(levels.str.contains(r"\d").mean()) >= 0.9  # type: ignore[arg-type]


def may_number_rows(head: Array) -> bool:
    """Return whether the first numbers may be a key's: whole and all different. Most columns are told by this look."""
    if head.dtype.kind == "f" and (not np.isfinite(head).all() or (head % 1 != 0).any()):
        return False
    ordered = np.sort(head)  # np.unique loads numpy.ma first, longer than a small table takes
    return not (ordered[1:] == ordered[:-1]).any()


def counts_rows(x: Array, n_train: int) -> bool:
    """Return whether numbers count the rows of train, and again those of test, as an index saved with the tables."""
    counted = all(bool((np.diff(part) == 1).all()) for part in (x[:n_train], x[n_train:]))
    return n_train >= KEY_ROWS and counted and bool(np.isfinite(x).all() and (x % 1 == 0).all())


def is_number_key(x: Array) -> bool:
    """Return whether numbers number the rows: whole, all different, and close together."""
    if len(x) < KEY_ROWS or not may_number_rows(x[:LOOK]):
        return False
    low, high = x.min(), x.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return False
    if float(high) - float(low) + 1 > KEY_RANGE * len(x) or (x.dtype.kind == "f" and (x % 1 != 0).any()):
        return False
    seen = np.zeros(int(high - low) + 1, np.bool_)
    seen[(x - low).astype(np.int64)] = True
    return int(seen.sum()) == len(x)
