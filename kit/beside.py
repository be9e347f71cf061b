"""Further tables in a competition's folder: which of its files can be joined to the rows, and by what."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit import datafolder, meeting, sides, table
from kit.errors import DataError, KitError
from kit.forms import Form
from kit.spelling import spelt
from kit.wording import listed

if TYPE_CHECKING:
    import polars as pl

LARGEST = 200 * 2**20
"""Bytes of a file beyond which it is not looked into."""
MOST, HALF = 0.9, 0.5
"""Shares of the rows that must have their key in a table of one row per key, and in one of several."""
PAIRED = 0.05
"""The former share where the table lies in a file for train and one for test: their names say what they are for."""
OTHERS = ("submission", "truth", "solution")
"""Words in the names of files that are not to be learnt from: they are not even opened."""
PARTS = re.compile("train|test")
"""What tells the files of one table apart."""
TOGETHER = 3
"""Columns that may be a key together."""


class Join(NamedTuple):
    """An item of `data.join`, why, and whether each key has one row in the table."""

    value: str
    why: str
    single: bool


class Rows(NamedTuple):
    """Train and test rows, and what is to be predicted."""

    train: pl.DataFrame
    test: pl.DataFrame | None
    targets: tuple[str, ...]


def suggested(folder: Path, used: Collection[Path], rows: Rows, named: Callable[[Path], str]) -> list[Join]:
    """Return how the tables of a folder can be joined to the rows; `used`: files that are something else.

    A file that has a target is no such table, nor is one named after one of OTHERS. `named`: a file in the recipe.
    """
    taken = {*rows.train.columns, *(() if rows.test is None else rows.test.columns)}
    others, joins = {path.resolve() for path in used}, []
    files = [f for f in sorted(folder.iterdir()) if f.resolve() not in others and datafolder.is_data(f)]
    for parts in _tables([f for f in files if not any(w in f.name.lower() for w in OTHERS)]):
        try:
            found = (
                None if sum(f.stat().st_size for f in parts) > LARGEST else _beside(parts, _read(parts), rows, taken)
            )
        except KitError:
            continue
        if found is not None:
            joins.append(_join(_path([named(file) for file in parts]), found))
            taken |= set(found.adds)
    return joins


def _tables(files: Sequence[Path]) -> list[list[Path]]:
    """Return the files of each table: two that are called alike but for train and test are one, train first."""
    tables: dict[str, list[Path]] = {}
    for file in files:
        tables.setdefault(PARTS.sub("*", file.name.lower()), []).append(file)
    found = ([parts[::-1]] if len(parts) == 2 else [[part] for part in parts] for parts in tables.values())
    return sorted(files for each in found for files in each)


def _read(files: Sequence[Path]) -> pl.DataFrame:
    """Return the rows of a table.

    Raises:
        DataError: its files cannot be read, or hold other columns.
    """
    import polars as pl

    parts = [table.read(file) for file in files]
    if any(set(part.columns) != set(parts[0].columns) for part in parts):
        raise DataError("the files hold other columns")
    return pl.concat(parts, how="diagonal_relaxed")


def lines(joins: Sequence[Join]) -> list[tuple[str, str]]:
    """Return lines of a recipe with their reasons: joins of several rows per key are left to the person."""
    if not joins:
        return []
    head = "" if any(join.single for join in joins) else "# "
    return [(f"  {head}join:", ""), *((f"    {'' if j.single else '# '}- {j.value}", j.why) for j in joins)]


class _Beside(NamedTuple):
    """How a table can be joined: its key, the columns it adds (none where keys repeat), the share of rows it has.

    `before`: where keys repeat and both sides have dates, what takes only rows of the table that are earlier.
    """

    on: tuple[str, ...]
    prefix: str
    adds: tuple[str, ...]
    share: float
    before: str = ""


def _path(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _join(name: str, found: _Beside) -> Join:
    on, single = listed([spelt(c) for c in found.on]), bool(found.adds)
    key = spelt(found.on[0]) if len(found.on) == 1 else f"[{', '.join(map(spelt, found.on))}]"
    parts = [f"path: {name}", f"on: {key}"]
    parts += [] if single else ["take: auto"]
    parts += [f"prefix: {spelt(found.prefix)}"] if found.prefix else []
    parts += [f"before: {found.before}"] if found.before else []
    one = f"one row for each {on}, which {found.share:.0%} of the rows have"
    several = f"several rows for each {on}; "
    several += "before takes only what was known by then" if found.before else "take only what is known when predicting"
    return Join(f"{{{', '.join(parts)}}}", one if single else several, single)


def _beside(files: Sequence[Path], side: pl.DataFrame, rows: Rows, taken: Collection[str]) -> _Beside | None:
    parts = [rows.train] if rows.test is None else [rows.train, rows.test]
    shared = [c for c in side.columns if all(c in part.columns for part in parts) and _is_key(side[c])]
    if not shared or not set(rows.targets).isdisjoint(side.columns):
        return None
    most = MOST if len(files) == 1 else PAIRED
    stem = "".join(c if c.isalnum() else "_" for c in files[0].name.partition(".")[0])
    for size in range(1, TOGETHER + 1):
        for on in combinations(shared, size):
            if set(on) < set(side.columns) and (share := _share(side, parts, on, single=True)) >= most:
                adds = [c for c in side.columns if c not in on]
                begin = "" if not set(adds) & set(taken) else f"{stem}_"
                return _Beside(on, begin, tuple(f"{begin}{c}" for c in adds), share)
    likely = max(shared, key=lambda c: rows.train[c].n_unique())
    share = _share(side, parts, (likely,), single=False)
    return _Beside((likely,), f"{stem}_", (), share, _before(side, rows.train, likely)) if share >= HALF else None


def _before(side: pl.DataFrame, rows: pl.DataFrame, on: str) -> str:
    """Return the dates of rows and table by which only earlier rows of it are taken; "" where a side has none."""
    ours, theirs = (next((c.name for c in part if c.name != on and meeting.is_date(c)), None) for part in (rows, side))
    if ours is None or theirs is None:
        return ""
    return spelt(ours) if ours == theirs else f"{{{spelt(ours)}: {spelt(theirs)}}}"


def _is_key(values: pl.Series) -> bool:
    import polars as pl

    if values.dtype.is_float():  # whole numbers of which one is missing are often written 7.0
        return bool((values == values.round()).all())
    return values.dtype.is_integer() or values.dtype in (pl.String, pl.Date)


def _share(side: pl.DataFrame, parts: Sequence[pl.DataFrame], on: Sequence[str], *, single: bool) -> float:
    """Return the least share of train or test rows that have their key in the table; 0 where one must not repeat."""
    keys = [_keys(frame, on, [side, *parts]) for frame in (side, *parts)]
    known = keys[0].drop_nulls()
    if single and known.is_duplicated().any():
        return 0.0
    known = known.unique()
    return min(len(part.join(known, on=part.columns, how="semi")) / len(part) for part in keys[1:])


def _keys(frame: pl.DataFrame, on: Sequence[str], all: Sequence[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    found = []
    for i, name in enumerate(on):
        numbers = any(other[name].dtype.is_numeric() for other in all)
        found.append(sides.as_key(frame[name], "number" if numbers else "text", Form("text")).alias(str(i)))
    return pl.DataFrame(found)
