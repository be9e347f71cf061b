"""Which columns a feature takes: names, patterns, kinds and exclusions become names, before any key is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import get_args

from kit.errors import RecipeError, nearest
from kit.types import ColumnKind

KIND = "kind:"
NOT = "!"
WILD = "*?["


def is_pattern(item: str, known: Mapping[str, str]) -> bool:
    """Return whether an item stands for columns in general; the exact name of a column never does.

    >>> is_pattern("num_*", {}), is_pattern("!age", {}), is_pattern("kind:date", {}), is_pattern("a*b", {"a*b": "text"})
    (True, True, True, False)
    """
    return item not in known and (item.startswith((NOT, KIND)) or any(c in item for c in WILD))


def select(
    use: str, items: Sequence[str], usable: Mapping[str, str], accepts: Sequence[str], kinds: Sequence[str]
) -> list[str]:
    """Return the names that `items` stand for, in the order of `usable` (name -> kind) within each pattern.

    A pattern (`num_*`) and a kind (`kind:numeric`) choose among the columns the feature `accepts`. What `!name`,
    `!pattern` and `!kind:date` match is taken away, wherever it stands; alone they are taken from the columns of
    `kinds`, which a bare feature takes. Plain names are passed on, known or not.

    Raises:
        RecipeError: an item matches no column, or nothing is left.
    """
    fit = {name: kind for name, kind in usable.items() if kind in accepts or not accepts}
    wanted: list[str] = []
    away: set[str] = set()
    for item in items:
        if is_pattern(item, usable) and item.startswith(NOT):
            away.update(_matches(use, item[1:], usable, item))
        elif is_pattern(item, usable):
            wanted += _matches(use, item, fit, item)
        else:
            wanted.append(item)
    if all(is_pattern(item, usable) and item.startswith(NOT) for item in items):
        wanted = [name for name, kind in usable.items() if kind in kinds]
    left = [name for name in dict.fromkeys(wanted) if name not in away]
    if items and not left:
        got = ", ".join(items)
        raise RecipeError(f"{use} is left without a column", got=got, allowed=list(fit), next="exclude fewer columns")
    return left


def _matches(use: str, pattern: str, among: Mapping[str, str], item: str) -> list[str]:
    """Return the names a pattern, a kind or a name matches."""
    if pattern in among:
        return [pattern]
    if pattern.startswith(KIND):
        kind = pattern.removeprefix(KIND)
        known = get_args(ColumnKind)
        found = [name for name, its in among.items() if its == kind]
        if kind not in known:
            raise RecipeError(f"unknown kind of column in {use}", got=item, allowed=known, next=nearest(kind, known))
    else:
        found = [name for name in among if fnmatchcase(name, pattern)]
    if not found:
        plain = "".join(c for c in pattern if c not in "*?[]")
        near = nearest(plain, among) or "kit check prints the columns and their kinds"
        rule = f"{item} matches no column that {use} can take"
        raise RecipeError(rule, got=item, allowed=[f"{n} ({k})" for n, k in among.items()], next=near)
    return found
