"""The files of further tables (`data.join`): where the recipe names them, and their rows as one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kit import forms
from kit.errors import DataError, few
from kit.recipe import Recipe
from kit.sections import JoinSection
from kit.wording import At, placed

if TYPE_CHECKING:
    import polars as pl

TOP: At = ("data", "join")
Rows = Callable[[str, str, Recipe, At, Sequence[str]], "pl.DataFrame"]
"""Reads a part of the data by its path; columns that are text even where all their values are numbers."""


class File(NamedTuple):
    """A file of a further table: the part whose frame may be handed over, its path, and where the recipe has it."""

    part: str
    path: str
    at: At


def of(recipe: Recipe, section: JoinSection, at: At) -> list[File]:
    """Return the files of one table; `at`: where the recipe has it."""
    head = ".".join(map(str, at[1:]))
    if len(section.path) == 1 and f"{head}.path.0" not in recipe.frames:
        return [File(head, section.path[0], (*at, "path"))]
    return [File(f"{head}.path.{i}", path, (*at, "path", i)) for i, path in enumerate(section.path)]


def every(recipe: Recipe, sections: Sequence[JoinSection] | None = None, at: At = TOP) -> Iterator[File]:
    """Yield the files of all tables, those joined to another table included."""
    for i, section in enumerate(recipe.data.join if sections is None else sections):
        yield from of(recipe, section, (*at, i))
        yield from every(recipe, section.join, (*at, i, "join"))


def ingredients(
    recipe: Recipe, digest: Callable[[str, str, Recipe, At], str], sections: Sequence[JoinSection], at: At = TOP
) -> list[object]:
    """Return what tables are made of: digests of their files, how they are joined, and the tables joined to them."""
    made: list[object] = []
    for i, section in enumerate(sections):
        files = [digest(*file[:2], recipe, file.at) for file in of(recipe, section, (*at, i))]
        inner = ingredients(recipe, digest, section.join, (*at, i, "join"))
        made.append([files, section.model_dump(exclude={"path", "join"}), inner])
    return made


def read(rows: Rows, recipe: Recipe, section: JoinSection, at: At, texts: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a table, of one file after the other; what is text in one is text in all.

    Raises:
        DataError: a file cannot be read, or two have columns that the other lacks.
    """
    import polars as pl

    files = of(recipe, section, at)
    parts = [rows(*file[:2], recipe, file.at, texts) for file in files]
    if len(parts) == 1:
        return parts[0]
    for file, part in zip(files[1:], parts[1:], strict=True):
        _check_columns(recipe, files[0], parts[0], file, part)
    mixed = {c for part in parts for c in part.columns if part[c].dtype == pl.String}
    for i, (file, part) in enumerate(zip(files, parts, strict=True)):
        if other := [c for c in part.columns if c in mixed and part[c].dtype != pl.String]:
            again = part if file.part in recipe.frames else rows(*file[:2], recipe, file.at, [*texts, *other])
            parts[i] = again.with_columns(forms.as_text(again[c]).alias(c) for c in other)
    try:
        return pl.concat(parts, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        rule, advice = "the files of a table hold other things under one name", "rename or drop the column in one"
        got = str(error).partition("\n")[0]
        raise placed(DataError(rule, got=got, next=advice), recipe.document, (*at, "path")) from error


def _check_columns(recipe: Recipe, first: File, ours: pl.DataFrame, file: File, theirs: pl.DataFrame) -> None:
    """Raise where each of two files has columns that the other lacks: the same ones under two names, most likely."""
    lacks = [c for c in ours.columns if c not in theirs.columns]
    more = [c for c in theirs.columns if c not in ours.columns]
    if lacks and more:
        got = f"{first.path}: {few(lacks)}; {file.path}: {few(more)}"
        rule = "the files of a table have columns that the other lacks"
        error = DataError(rule, got=got, next=f"rename: {{{more[0]}: {lacks[0]}}}, if they are the same")
        raise placed(error, recipe.document, file.at)
