"""The columns that a recipe names: their roles, and whether the data have them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from kit import further, grouped, rowgroups
from kit.errors import DataError, nearest
from kit.recipe import Recipe
from kit.sections import JoinSection
from kit.wording import At, placed

if TYPE_CHECKING:
    import polars as pl

RESULT_COLUMNS = ("repeat", "fold", "y", "pred", "std", "v", "group")
"""What stands beside the id in the files of a result."""


def split_columns(recipe: Recipe) -> tuple[str, ...]:
    """Return the columns the splitter reads: they say which fold a row is in and are no features."""
    column = getattr(recipe.split.params, "column", None)
    return (str(column),) if column else ()


def groupings(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Return the columns whose values together make the groups of its metrics, by their text."""
    metrics = (recipe.metric, *recipe.also, *([recipe.tune.metric] if recipe.tune.metric else []))
    return {by.text: by.columns for name in metrics if (by := grouped.split(name)[1]) is not None}


def metric_columns(recipe: Recipe) -> tuple[str, ...]:
    """Return the columns whose values make the groups of a metric; they may be features as well."""
    return tuple(dict.fromkeys(column for columns in groupings(recipe).values() for column in columns))


def with_role(recipe: Recipe) -> set[str]:
    """Return the columns with a role beside target and id."""
    data = recipe.data
    return {c for c in (data.groups, data.weight, data.time, *split_columns(recipe)) if c is not None}


def categories(recipe: Recipe) -> set[str]:
    """Return the columns of joined data frames whose categorical type says that their numbers are names."""
    return _categories(recipe, recipe.data.join, further.TOP)


def _categories(recipe: Recipe, sections: Sequence[JoinSection], at: At) -> set[str]:
    found = set()
    for i, section in enumerate(sections):
        if section.take is None:
            parts = [file.part for file in further.of(recipe, section, (*at, i))]
            names = {
                recipe.data.rename.get(c, c) for p in parts if p in recipe.frames for c in recipe.frames[p].categories
            }
            names |= _categories(recipe, section.join, (*at, i, "join"))
            found |= {f"{section.prefix}{name}" for name in names}
    return found


def check(recipe: Recipe, train: pl.DataFrame, test: pl.DataFrame | None, joined: Collection[str] = ()) -> None:
    """Raise DataError for a column that the recipe names and the data lack, or that has another role.

    `joined`: columns of further tables, which may be renamed, and be said to be of a kind, whatever is taken of them.
    """
    data = recipe.data
    basic: list[tuple[At, str | None, str]] = [
        (("data", "target"), data.target, "target"),
        (("data", "id"), data.id, "id"),
        *((("data", "targets", i), name, "target") for i, name in enumerate(data.targets)),
    ]
    others: list[tuple[At, str | None, str]] = [
        *((("data", role), getattr(data, role), role) for role in ("groups", "weight", "time")),
        *((("split", "column"), name, "split") for name in split_columns(recipe)),
        *((("data", "kinds", name), name, kind) for name, kind in data.kinds.items()),
    ]
    drop: list[tuple[At, str | None, str]] = [(("data", "drop"), name, "dropped") for name in data.drop]
    lost = [old for old, new in data.rename.items() if new not in train.columns and new not in joined]
    renamed: list[tuple[At, str | None, str]] = [(("data", "rename", old), old, "renamed") for old in lost]
    for at, name, role in (*renamed, *basic, *others, *drop):
        if at[1] == "kinds" and name in joined:
            continue
        _require_column(name, train.columns, at, f"{role} column", recipe)
    for at, name, role in others:
        if name is not None and name in (*data.together, data.id):
            rule = f"the {'id' if name == data.id else 'target'} cannot be the {role} column as well"
            raise placed(DataError(rule, got=name, next="name another column"), recipe.document, at)
    if data.id in data.together:
        at = ("data", "targets", data.targets.index(data.id)) if data.targets else ("data", "target")
        error = DataError("the id cannot be the target as well", got=data.id, next="name another column")
        raise placed(error, recipe.document, at)
    if data.id in (*RESULT_COLUMNS, *(f"{rowgroups.PREFIX}{text}" for text in groupings(recipe))):
        rule, advice = "results have a column of this name beside the id", f"rename: {{{data.id}: row_id}}, id: row_id"
        raise placed(DataError(rule, got=data.id, next=advice), recipe.document, ("data", "id"))
    if test is not None and data.id is not None and data.id not in test.columns:
        rule, advice = "the test file lacks the id column", "check data.id, or rename the column of the test file"
        error = DataError(rule, got=f"columns {', '.join(test.columns)}", allowed=f"a column {data.id}", next=advice)
        raise placed(error, recipe.document, ("data", "test"))


def _require_column(name: str | None, known: list[str], at: At, named: str, recipe: Recipe) -> None:
    if name is not None and name not in known:
        advice = nearest(name, known) or "name one of the columns there are"
        error = DataError(f"the {named} is not in the training data", got=name, allowed=known, next=advice)
        raise placed(error, recipe.document, at)
