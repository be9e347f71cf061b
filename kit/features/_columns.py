"""What the features share: the check that the columns a recipe names have the right kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kit.errors import RecipeError, nearest
from kit.types import Column


def check_columns(feature: str, names: Iterable[str], header: Mapping[str, Column], kinds: Sequence[str]) -> None:
    """Return nothing: every one of `names` is a column of one of `kinds`.

    Raises:
        RecipeError: there is no such column, or it has another kind.
    """
    fit = [name for name, column in header.items() if column.kind in kinds]
    for name in names:
        if name not in header:
            raise RecipeError(f"{feature}: unknown column", got=name, allowed=fit, next=nearest(name, fit))
        kind = header[name].kind
        if kind not in kinds:
            rule = f"{feature} takes {' and '.join(kinds)} columns"
            raise RecipeError(rule, got=f"{name}, a {kind} column", allowed=fit or f"there is no {kinds[0]} column")
