"""The terminal, as every command writes to it: lines, numbers and tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

out = Console(markup=False, highlight=False, emoji=False)
err = Console(stderr=True, markup=False, highlight=False, emoji=False)


def say(text: str, *, to: Console = out, style: str | None = None) -> None:
    """Print a line as it is: the terminal breaks it where it must, and files and pipes get it whole."""
    to.print(text, soft_wrap=True, style=style)


def lay(table: Table) -> None:
    """Print a table; where its longest words need more room than a line has, they take it and are not cut."""
    least = Measurement.get(out, out.options.update(width=100_000), table).minimum
    if least > out.width:
        table.width = least
    out.print(table, crop=False)


def columns(*names: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table of these columns; those in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def number(value: float | None, digits: int = 6) -> str:
    """Return a number for people, `-` for none; of so many digits, but thousands and millions in full.

    >>> number(4234.6, 3), number(0.123456, 3), number(None), number(2e12, 3)
    ('4235', '0.123', '-', '2e+12')
    """
    if value is None:
        return "-"
    return f"{value:.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """Return seconds as a clock shows them.

    >>> duration(75), duration(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
