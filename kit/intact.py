"""Whether the files of an OOF folder are what its card says: damaged ones are told, not followed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.canon import digest_file
from kit.errors import DataError

if TYPE_CHECKING:
    import polars as pl


CARD = "card.json"

WHOLE = "the file is not as kit wrote it: damaged, or altered since"


def seal(folder: Path) -> dict[str, Any]:
    """Put into the card of a folder the sha256 of every file beside it, and of the card itself; return the card."""
    path = folder / CARD
    card: dict[str, Any] = json.loads(path.read_text("utf-8"))
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != path)
    card["files"] = {CARD: _digest(card)} | {p.relative_to(folder).as_posix(): digest_file(p) for p in files}
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return card


def altered(folder: Path, card: Mapping[str, Any], under: str = "") -> list[str]:
    """Return the files of a folder that are gone or have another content than its card says; older cards say nothing.

    `under`: a folder in it; without one it is the card and the files right beside it that are looked at.
    """
    files = card.get("files")
    if not isinstance(files, Mapping):
        return []
    own = [CARD] if not under and files.get(CARD) != _digest(card) else []
    names = [n for n in files if n != CARD and (n.startswith(under) if under else "/" not in n)]
    return own + [n for n in names if not (folder / n).is_file() or digest_file(folder / n) != files[n]]


def _digest(card: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in card.items() if name != "files"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


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
