"""Constraints by column name, turned into what the libraries want: positions in the matrix."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kit.errors import RecipeError, nearest


def directions(wanted: Mapping[str, int], names: Sequence[str], categories: Collection[int]) -> list[int]:
    """Return (d,) -1, 0 or 1 per matrix column.

    Raises:
        RecipeError: a name is no column of the matrix, or a category, which has no order.
    """
    where = {name: i for i, name in enumerate(names)}
    out = [0] * len(names)
    for name, way in wanted.items():
        i = _position(name, where, "monotone")
        if i in categories and way:
            raise RecipeError("a category has no order", place="monotone", got=name, next="leave it out")
        out[i] = way
    return out


def groups(wanted: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[int]]:
    """Return the positions of each group; a column in no group becomes one of its own, so that it counts alone.

    Raises:
        RecipeError: a name is no column of the matrix.
    """
    where = {name: i for i, name in enumerate(names)}
    found = [[_position(name, where, "interactions") for name in group] for group in wanted]
    named = {i for group in found for i in group}
    return found + [[i] for i in range(len(names)) if i not in named]


def _position(name: str, where: Mapping[str, int], place: str) -> int:
    if name not in where:
        hint = nearest(name, where) or "kit check prints the columns; a vector's are name[0], name[1], ..."
        raise RecipeError("no such column in the matrix", place=place, got=name, allowed=list(where), next=hint)
    return where[name]
