"""The further tables of a recipe (`data.join`): read, checked against the rows, and their columns added to these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kit import further, infer, meeting, sides, taking
from kit.errors import DataError, KitError, few, nearest
from kit.histories import DAY
from kit.infer import Note, Roles
from kit.recipe import Recipe
from kit.sections import JoinSection
from kit.sides import Before, Key, Mode, Side, picked
from kit.taking import GROUP, Take
from kit.types import Bools
from kit.wishes import Wish
from kit.wording import At, placed

if TYPE_CHECKING:
    import polars as pl

Read = Callable[[JoinSection, At, Sequence[str]], "pl.DataFrame"]
"""Reads the table of a join, which the recipe has there; columns that are text even where all values are numbers."""


@dataclass(frozen=True, eq=False)
class Joined:
    """Train and test rows with the columns of the further tables, the tables as joined, and what is to be known.

    `known`: the columns of all the tables, under their names in the recipe.
    """

    train: pl.DataFrame
    test: pl.DataFrame | None
    sides: tuple[Side, ...] = ()
    notes: tuple[Note, ...] = ()
    known: frozenset[str] = frozenset()


class _Rows(NamedTuple):
    """Rows that a table is joined to: those of train and test, or of a table; `file`: how errors name the latter."""

    train: pl.DataFrame
    test: pl.DataFrame | None = None
    file: str = ""


def joined(recipe: Recipe, train: pl.DataFrame, test: pl.DataFrame | None, read: Read) -> Joined:
    """Return the rows with the columns of each table of `data.join`, in their order.

    Raises:
        DataError: a table lacks a column, has a key twice, shares no key with the rows, or a name is taken already.
        RecipeError: what is to be taken is no expression over its columns.
    """
    return _all(recipe, recipe.data.join, further.TOP, _Rows(train, test), read)


def _all(recipe: Recipe, sections: Sequence[JoinSection], at: At, rows: _Rows, read: Read) -> Joined:
    made, notes, known = list[Side](), list[Note](), set[str]()
    for i, section in enumerate(sections):
        join = _Join(recipe, (*at, i), section, rows)
        train, test, side = join.added(read)
        rows = rows._replace(train=train, test=test)
        made.append(side)
        notes += join.notes
        known |= join.known
    return Joined(rows.train, rows.test, tuple(made), tuple(notes), frozenset(known))


def extended(frame: pl.DataFrame, joins: Sequence[Side]) -> pl.DataFrame:
    """Return learn-only rows with the columns of the tables: without those whose keys they lack, or that they have."""
    for side in joins:
        left = side.only([c for c in side.adds if c not in frame.columns])
        if left.adds and set(left.needs) <= set(frame.columns):
            frame, _ = sides.attach(frame, left)
    return frame


class _Join:
    """One join on its way: `at`: where the recipe has it; `place`: how errors name the table."""

    def __init__(self, recipe: Recipe, at: At, section: JoinSection, rows: _Rows) -> None:
        self.recipe, self.section, self.rows, self.at = recipe, section, rows, at
        self.place, self.notes, self.known = section.path[0], list[Note](), set[str]()
        self.dated = ""  # a column of the key that only one side has as dates
        self.before = next(iter(section.before.items())) if section.before else None
        self.pairs = dict(section.on) | (dict([self.before]) if self.before else {})

    def added(self, read: Read) -> tuple[pl.DataFrame, pl.DataFrame | None, Side]:
        """Return train and test with the columns of the table, and the table."""
        self._check_rows()
        train, test, _ = self.rows
        table = self.table = self._table(read)
        if own_names := [c for c in table.columns if c in sides.reserved(len(self.pairs))]:
            raise self._wrong("kit uses a name of this column itself", "path", got=own_names[0], next="rename it")
        for own, other in self.section.on.items():
            self._require(other, table.columns, "on", own)
        if self.before:
            self._require(self.before[1], table.columns, "before", self.before[0])
        here, there = self._read(train, test, table)
        side = self._side(table, here, there)
        if self.section.take is not None and self.before is None:
            self.notes += meeting.of_dates(self.place, there, train, self.pairs.values())
        self._check_names(side)
        days = {c: np.asarray(here.x[c], np.float64) for c in here.header if here.header[c].kind in ("date", "numeric")}
        parts = [{c: x[: len(train)] for c, x in days.items()}, {c: x[len(train) :] for c, x in days.items()}]
        train, found = sides.attach(train, side, parts[0])
        met = [found >= 0]
        if test is not None:
            if side.before is not None:
                self.notes += meeting.of_ages(self.place, side, [self.rows.train, test], parts)
            test, found = sides.attach(test, side, parts[1])
            met.append(found >= 0)
        self._tell(met, side)
        return train, test, side

    def _table(self, read: Read) -> pl.DataFrame:
        """Return the rows of the table, with the columns of those that are joined to it."""
        texts = [other for own, other in self.section.on.items() if _is_text(self.rows.train[own])]
        table = read(self.section, self.at, texts)
        self.known |= set(table.columns)
        if not self.section.join:
            return table
        inner = _all(self.recipe, self.section.join, (*self.at, "join"), _Rows(table, None, self.place), read)
        self.notes += inner.notes
        self.known |= inner.known | set(inner.train.columns)
        return inner.train

    def _check_rows(self) -> None:
        train, test, file = self.rows
        for key, pairs in (("on", self.section.on), ("before", self.section.before or {})):
            for own in pairs:
                if own in self.recipe.data.together and not file:
                    raise self._wrong("rows cannot be joined by the target", key, got=own, next="name another column")
                if own not in train.columns:
                    next = nearest(own, train.columns) or f"name a column of {file or 'the training data'}"
                    rule = f"{file} lacks a column to join by" if file else "the training data lack a column to join by"
                    raise self._wrong(rule, key, got=own, allowed=train.columns, next=next)
                if test is not None and own not in test.columns:
                    rule = "the test data lack a column to join by"
                    raise self._wrong(rule, key, got=own, allowed=test.columns, next="check the test file")

    def _require(self, name: str, known: Sequence[str], key: str, own: str) -> None:
        if name not in known:
            advice = nearest(name, known) or f"{key}: {{{own}: <column of the table>}}"
            raise self._wrong(f"{self.place} lacks the column", key, got=name, allowed=known, next=advice)

    def _read(
        self, train: pl.DataFrame, test: pl.DataFrame | None, table: pl.DataFrame
    ) -> tuple[infer.Table, infer.Table]:
        """Return the columns that rows and table are joined by, and those of the table that are taken, as read."""
        kinds = self.recipe.data.kinds
        # Days written as numbers on both sides need to be said to be dates once.
        dated = {c for c, wish in kinds.items() if wish.startswith("date")}
        wishes: dict[str, Wish] = {other: kinds[own] for own, other in self.pairs.items() if own in dated}
        wishes = {name: wish for name, wish in (wishes | dict(kinds)).items() if name in table.columns}
        own = list(dict.fromkeys(self.pairs))
        parts = picked(train, own), None if test is None else picked(test, own)
        named = list(dict.fromkeys(self.pairs.values()))
        columns = picked(table, named) if self.section.take is None else table
        # What names the rows of the table is nothing for `auto`, but a number all the same where a person asks for it.
        named = named if self.section.take == "auto" else columns.columns
        try:
            here = infer.build(*parts, Roles((), own, {c: kinds[c] for c in own if c in kinds}))
            there = infer.build(columns, None, Roles((), named, {c: w for c, w in wishes.items() if c in columns}))
        except DataError as error:
            raise placed(error, self.recipe.document, self.at) from error
        return here, there

    def _side(self, table: pl.DataFrame, here: infer.Table, there: infer.Table) -> Side:
        import polars as pl

        keys = [self._key(own, other, table, here, there) for own, other in self.section.on.items()]
        texts = []
        for i, (key, other) in enumerate(zip(keys, self.section.on.values(), strict=True)):
            is_date = key.mode == "date"
            text = sides.of_days(there.x[other]) if is_date else sides.as_key(table[other], key.mode, key.form)
            texts.append(text.alias(f"@{i}"))
        rows = pl.DataFrame(texts)
        known = np.all([s.is_not_null().to_numpy() for s in rows], axis=0)
        if self.section.take is None:
            return self._single(keys, rows.filter(known), table.filter(known))
        return self._taken(keys, rows, there, known, here)

    def _key(self, own: str, other: str, table: pl.DataFrame, here: infer.Table, there: infer.Table) -> Key:
        """Return how a column of the key is matched."""
        kinds = [t.header[c].kind if c in t.header else "other" for t, c in ((here, own), (there, other))]
        if {"vector", "other"} & set(kinds):
            raise self._wrong("a key holds single values", "on", got=f"lists in {own}", next="name another column")
        if kinds == ["date", "date"]:
            return Key(own, "date", here.forms[own])
        self.dated = self.dated or (own if "date" in kinds else "")
        parts = [self.rows.train[own], table[other], *([] if self.rows.test is None else [self.rows.test[own]])]
        mode: Mode = "number" if any(s.dtype.is_numeric() for s in parts) else "text"
        return Key(own, mode, here.forms[own])

    def _single(self, keys: Sequence[Key], rows: pl.DataFrame, table: pl.DataFrame) -> Side:
        """Return the table as one of a row per key."""
        if error := meeting.twice(self.place, list(self.section.on.values()), rows):
            raise placed(error, self.recipe.document, (*self.at, "on"))
        used = [c for c in table.columns if c not in self.section.on.values()]
        if not used:
            raise self._wrong(f"{self.place} has no column beside its key", "path", next="leave the join out")
        self._look_for_targets(used)
        return sides.single(keys, rows, picked(table, used).rename(lambda name: f"{self.section.prefix}{name}"))

    def _taken(
        self, keys: Sequence[Key], rows: pl.DataFrame, there: infer.Table, known: Bools, here: infer.Table
    ) -> Side:
        """Return what is taken of the rows of each key, or the history it is taken of."""
        import polars as pl

        takes = self._takes(there)
        self._look_for_targets([c for t in takes for c in t.columns])
        before, when = None, None
        if self.before:
            before = self._before(here, there)
            when = sides.moments(np.asarray(there.x[self.before[1]], np.float64), before.form)
            known = known & ~np.isnan(when)
        place = np.flatnonzero(known)
        distinct, number = sides.numbered(rows[place], len(keys))
        order = np.lexsort((when[place], number)) if when is not None else np.argsort(number, kind="stable")
        place, group = place[order], number.to_numpy()[order]
        read = dict.fromkeys(c for t in takes for c in t.columns)
        table = pl.DataFrame(
            [pl.Series(GROUP, group, dtype=pl.UInt32), *(sides.column_of(there, c)[place] for c in read)]
        )
        if before is not None and when is not None:
            table = pl.concat([rows[place], table.with_columns(pl.Series(DAY, when[place]))], how="horizontal")
            return Side(tuple(keys), table, before, takes)
        last = np.flatnonzero(np.append(group[1:] != group[:-1], True)) if len(group) else group
        values = pl.DataFrame(taking.taken(takes, table, pl.Series([*last.tolist(), None], dtype=pl.UInt32)))
        return sides.single(keys, distinct, values[:-1], values[-1:])

    def _takes(self, there: infer.Table) -> tuple[Take, ...]:
        """Return what is to be taken, parsed."""
        kinds = {name: column.kind for name, column in there.header.items() if column.kind != "vector"}
        take, found = self.section.take, []
        if take == "auto":
            of = {n: k for n, k in kinds.items() if n not in self.section.on.values()}
            take = taking.auto({n: k for n, k in of.items() if there.forms[n].family != "nothing"})
        for name, sql in (take or {}).items():
            try:
                found.append(taking.parsed(name, sql, kinds, ordered=self.before is not None))
            except KitError as error:
                raise placed(error, self.recipe.document, (*self.at, "take", name)) from error
        return tuple(Take(f"{self.section.prefix}{t.name}", t.sql, t.pieces) for t in found)

    def _before(self, here: infer.Table, there: infer.Table) -> Before:
        """Return how the rows' dates are read; those of the table must be of the same kind."""
        assert self.before is not None
        own, other = self.before
        kinds = [t.header[c].kind if c in t.header else "nothing" for t, c in ((here, own), (there, other))]
        if kinds[0] != kinds[1] or kinds[0] not in ("date", "numeric"):
            got = f"{own}: {kinds[0]}, {other} of {self.place}: {kinds[1]}"
            advice = f"write both as 2024-12-31, or say kinds: {{{own}: date}}"
            raise self._wrong("dates or numbers on both sides are compared", "before", got=got, next=advice)
        return Before(own, here.forms[own], self.section.delay)

    def _look_for_targets(self, used: Sequence[str]) -> None:
        if self.rows.file:  # of a table that is joined to another it is seen there
            return
        try:
            targets = [name for name in self.recipe.data.together if name in self.rows.train.columns]
            on = {} if self.before else self.section.on
            self.notes += meeting.of_targets(self.place, used, self.table, self.rows.train, targets, on)
        except DataError as error:
            raise placed(error, self.recipe.document, (*self.at, "path")) from error

    def _check_names(self, side: Side) -> None:
        taken = {*self.rows.train.columns, *(() if self.rows.test is None else self.rows.test.columns)}
        if twice := [c for c in side.adds if c in taken]:
            raise placed(meeting.again(self.place, twice), self.recipe.document, (*self.at, "path"))

    def _tell(self, met: Sequence[Bools], side: Side) -> None:
        """Note a low share of rows whose key the table has; raise where no training row has one."""
        shares = [float(part.mean()) if len(part) else 1.0 for part in met]
        parts = (self.rows.file,) if self.rows.file else ("train", "test")
        told = dict(zip(parts, shares, strict=False))
        own = list(self.section.on)
        if not met[0].any():
            sample = [part[name].drop_nulls() for part, name in ((self.rows.train, own[0]), (side.rows, "@0"))]
            error = meeting.none(self.place, own, *sample, dated=self.dated, rows=self.rows.file)
            raise placed(error, self.recipe.document, (*self.at, "on"))
        if not set(side.adds) <= {*self.recipe.data.together, *self.recipe.data.drop}:  # as a file of labels
            self.notes += meeting.of_shares(self.place, few(own), told, several=self.section.take is not None)

    def _wrong(self, rule: str, key: str, *, got: str = "", allowed: Sequence[str] = (), next: str = "") -> DataError:
        error = DataError(rule, got=got, allowed=list(allowed) or "", next=next)
        return placed(error, self.recipe.document, (*self.at, key))


def _is_text(series: pl.Series) -> bool:
    import polars as pl

    return series.dtype == pl.String
