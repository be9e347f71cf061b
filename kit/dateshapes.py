"""The shapes that dates are written in, as patterns."""

from __future__ import annotations

import re

_CLOCK = (
    r"(?:(?:[T ]|, ?| at )\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r" ?(?P<half>[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|UTC|GMT|(?P<off_hour>[+-]\d{2}):?(?P<off_minute>\d{2})))?)?$"
)
_DAY = r"^(?:(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]? +)?"
_MONTH = r"(?P<month>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?"
_ORDINAL = r"(?P<day>\d{1,2})(?i:st|nd|rd|th)?"
_FIRST, _LAST = r"(?P<first>\d{1,2})", r"(?P<second_>\d{1,2})"

SHAPES = {
    "y-m-d": rf"^(?P<year>\d{{4}})-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}}){_CLOCK}",
    "y/m/d": rf"^(?P<year>\d{{4}})/(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}}){_CLOCK}",
    "y.m.d": rf"^(?P<year>\d{{4}})\.(?P<month>\d{{1,2}})\.(?P<day>\d{{1,2}}){_CLOCK}",
    "a/b/y": rf"{_DAY}{_FIRST}/{_LAST}/(?P<year>\d{{4}}|\d{{2}}){_CLOCK}",
    "a-b-y": rf"{_DAY}{_FIRST}-{_LAST}-(?P<year>\d{{4}}|\d{{2}}){_CLOCK}",
    "a.b.y": rf"{_DAY}{_FIRST}\.{_LAST}\.(?P<year>\d{{4}}|\d{{2}}){_CLOCK}",
    "d mon y": rf"{_DAY}{_ORDINAL}[ -/.] ?{_MONTH}[ -/,.] ?(?P<year>\d{{4}}|\d{{2}}){_CLOCK}",
    "mon d y": rf"{_DAY}{_MONTH} +{_ORDINAL},? +(?P<year>\d{{4}}){_CLOCK}",
    "y-w": r"^(?P<year>\d{4})-?W(?P<week>\d{2})(?:-?(?P<weekday>[1-7]))?$",
}
"""Name -> pattern; no string fits two of them. In a/b/y it must be told from the values which of a and b is the day.
y-w is a week of ISO 8601, whose Monday counts where no day is named."""

AND = "|"
"""Between the names of the shapes of a column whose dates are written in several ways."""

MONTHLY = {
    "y-m": rf"^(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}}){_CLOCK}",
    "mon y": rf"^{_MONTH}[ -/,.]*(?P<year>\d{{4}}|\d{{2}}){_CLOCK}",
}
"""Months, whose first day counts. Read only where a person says that they are dates: 2010-11 may be a season."""

ORDERS = ("dmy", "mdy")
EITHER = frozenset(("a/b/y", "a-b-y", "a.b.y"))
"""Shapes whose order of day and month the values must tell."""

BEGINNING = r"^(?:[0-9]|(?i-u:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))"
"""How every date of SHAPES begins."""

ANY = "|".join(re.sub(r"\?P<\w+>", "?:", pattern) for pattern in SHAPES.values())
"""What every date of SHAPES fits."""
