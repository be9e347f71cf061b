"""Times of day as people write them: 9:05, 11:38:36, 2:30 pm. Read over distinct values only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_TIME = r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:[.,]\d+)?))?"

STYLES = {
    "h:mm": rf"^{_TIME}$",
    "h:mm am/pm": rf"^{_TIME} ?(?P<half>[AaPp])\.?[Mm]\.?$",
}
"""How times are written -> pattern. Both in one column would leave open which half of the day 2:30 means."""


def find(levels: pl.Series) -> str:
    """Return the name in STYLES of how these distinct strings are written, or "" unless all are times of one day.

    >>> import polars as pl
    >>> find(pl.Series(["9:05", "11:38:36"])), find(pl.Series(["9:05", "25:10"]))
    ('h:mm', '')
    """
    first = levels.head(1).to_list()
    style = next((name for name, shape in STYLES.items() if first and re.match(shape, first[0])), "")
    if not style or not levels.head(100).str.contains(STYLES[style]).all():
        return ""
    return "" if read(levels, style).null_count() else style


def read(levels: pl.Series, style: str) -> pl.Series:
    """Return float64 seconds since midnight; null where a string is no such time.

    >>> import polars as pl
    >>> read(pl.Series(["12:30 AM", "1:00:00.5 p.m.", "13:00 pm"]), "h:mm am/pm").to_list()
    [1800.0, 46800.5, None]
    """
    import polars as pl

    parts = levels.str.extract_groups(STYLES[style]).struct.unnest()
    hour = pl.col("hour").cast(pl.Float64)
    minute = pl.col("minute").cast(pl.Float64)
    second = pl.col("second").str.replace(",", ".", literal=True).cast(pl.Float64).fill_null(0.0)
    if style == "h:mm":
        passed, possible = hour * 3600, hour < 24
    else:
        passed = (hour % 12 + 12.0 * (pl.col("half").str.to_lowercase() == "p")) * 3600
        possible = hour.is_between(1, 12)
    return parts.select(pl.when(possible).then(passed + minute * 60 + second)).to_series().rename(levels.name)
