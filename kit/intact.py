"""Whether the files of an OOF folder are what its card says: damaged ones are told, not followed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def fault(card: Any) -> str:
    """Return what is wrong with a card's form, or nothing."""
    if not isinstance(card, dict):
        return "no mapping"
    texts = [name for name in ("recipe", "model", "key", "metric") if not isinstance(card.get(name), str)]
    lists = [name for name in ("classes", "sources") if not isinstance(card.get(name) or [], list)]
    number = [] if isinstance(card.get("format", 0), int) else ["format"]
    return ", ".join(f"{name}: {card.get(name)}" for name in [*texts, *lists, *number])


def repeats_of(frame: pl.DataFrame, path: Path) -> int:
    """Return how often each row stands in the file, repeat after repeat."""
    if not len(frame):
        raise DataError("the file holds no rows", place=str(path), next="make it again")
    whole = [name for name in ("repeat", "fold") if name in frame.columns and not _is_whole(frame[name])]
    if whole:
        got = f"{whole[0]}: {frame[whole[0]].dtype} values"
        raise DataError("folds and repeats are whole numbers", place=str(path), got=got, next="make it again")
    found = frame["repeat"].n_unique() if "repeat" in frame.columns else 1
    if len(frame) % found:
        got = f"{len(frame)} rows, {found} repeats"
        raise DataError("every row must stand in every repeat", place=str(path), got=got, next="make it again")
    return found


def _is_whole(values: pl.Series) -> bool:
    return values.dtype.is_integer() or values.null_count() == len(values)


def check_y(y: pl.Series, card: Mapping[str, Any], path: Path) -> None:
    """Raise DataError for a target that is not what the card says."""
    classes = card.get("classes") or ()
    wrong = not y.dtype.is_numeric() if not classes else bool(set(y.unique().to_list()) - set(classes))
    if wrong:
        got, allowed = f"{y.dtype} values as {y.head(3).to_list()}", [str(c) for c in classes] or "numbers"
        raise DataError("y is not what the card says", place=str(path), got=got, allowed=allowed, next="make it again")


def require(frame: pl.DataFrame, names: list[str], path: Path) -> None:
    """Raise DataError for a file that lacks a column, or holds words where predictions are to be."""
    lost = [name for name in names if name not in frame.columns]
    if lost:
        rule = f"the file lacks the column {lost[0]}"
        raise DataError(rule, place=str(path), got=f"columns {', '.join(frame.columns)}", allowed=names)
    words = [name for name in names if name != "y" and not (frame[name].dtype.is_numeric() or not len(frame))]
    if words:
        got = f"{words[0]}: {frame[words[0]].dtype} values"
        raise DataError("predictions must be numbers", place=str(path), got=got, next="make them again")
