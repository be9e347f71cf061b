"""OOF folders side by side: found by what a person writes, matched by id, refused with the reason where they differ."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import archive, registry
from kit.archive import Kept
from kit.canon import digest_file, key_of
from kit.errors import DataError
from kit.matching import Matched, matched

if TYPE_CHECKING:
    import polars as pl

FILES = ("oof", "test", "test_folds", "folds")
SAID = ("classes", "positive", "kind", "peeked", "transductive")
"""What a card says that shapes a blend."""


@dataclass(frozen=True)
class Source:
    """An OOF folder that a person named. `digest`: of its content; `name`: recipe:model, or the folder."""

    name: str
    folder: Path
    card: Mapping[str, Any]
    digest: str


@dataclass(frozen=True)
class Lineup:
    """Sources whose rows are matched; `notes`: what a person should know of how."""

    sources: tuple[Source, ...]
    rows: Matched
    id_name: str
    notes: tuple[str, ...] = ()

    @property
    def ids(self) -> pl.Series:
        """(n,) the ids of the training rows."""
        return self.rows.first.ids

    @property
    def test_ids(self) -> pl.Series | None:
        """(t,) the ids of the test rows, or None where there are none."""
        return self.rows.first.test_ids


def sources(refs: Sequence[str], root: Path, skip: Path | None = None) -> list[Source]:
    """Return the sources that are named, in that order, each once. `skip`: a folder that no pattern finds.

    A reference is recipe:model, recipe:model@key of one in history, either with * or ?, an OOF folder, a folder of OOF
    folders, or a path with * or ?.

    Raises:
        DataError: a reference names nothing, or `skip`, or nothing is named.
    """
    found: dict[Path, None] = {}
    for ref in refs:
        folders = expanded(ref, root)
        if not folders:
            advice = "kit ls lists the results there are; kit import makes one of a file"
            raise DataError("no result goes by this name", place="SRC", got=ref, next=advice)
        found |= dict.fromkeys(p.resolve() for p in folders)
    named = {p.resolve() for ref in refs if _is_plain(ref) for p in expanded(ref, root)}
    if skip is not None and skip.resolve() in named:
        rule, advice = "a blend is no source of itself", "choose another --name"
        raise DataError(rule, place="SRC", got=_address(skip), next=advice)
    left = without_blends([p for p in found if skip is None or p != skip.resolve()], named)
    if not left:
        advice = "name results as recipe:model, as a folder or as a pattern; kit ls lists them"
        raise DataError("a blend needs a source", place="SRC", got="none", next=advice)
    cards = [archive.read_card(p) for p in left]
    names = [_name(p, c) for p, c in zip(left, cards, strict=True)]
    shown = [n if names.count(n) == 1 else str(p) for n, p in zip(names, left, strict=True)]
    return [Source(n, p, c, _digest(p, c)) for n, p, c in zip(shown, left, cards, strict=True)]


def line_up(found: Sequence[Source], *, mixed: bool = False) -> Lineup:
    """Return the sources with their rows matched by id.

    Raises:
        DataError: they differ in task, classes, ids, target or folds (unless `mixed`); it says which go together.
    """
    rows = matched([(s.name, s.folder) for s in found], mixed=mixed)
    for source in found:
        _same(source)
    return Lineup(tuple(found), rows, rows.first.ids.name, rows.notes)


def read_again(source: Source) -> Kept:
    """Return what the folder of a source holds, which is still what it was when it was named.

    Raises:
        DataError: it is another, as where a run has published meanwhile.
    """
    kept = archive.read(source.folder)
    _same(source)
    return kept


def _same(source: Source) -> None:
    if _digest(source.folder, archive.read_card(source.folder)) != source.digest:
        rule, advice = "a source changed while it was read", "let the other command end, then blend again"
        raise DataError(rule, place=source.name, next=advice)


def _is_plain(ref: str) -> bool:
    """Return whether a reference names one result."""
    return not is_pattern(ref) and (":" in ref or (Path(ref) / "card.json").is_file())


def without_blends(folders: Sequence[Path], named: Set[Path]) -> list[Path]:
    """Return the folders less those blends that only a pattern has found, beside all their sources.

    A blend's OOF is made with other weights in each fold, its test predictions with one set: beside its own sources it
    is a difference of weights, which tells of y, times a large number. Who wants it all the same names it.
    """
    stackers = set(registry.names("stackers"))
    cards = {p: archive.read_card(p) for p in folders}
    known = {f"{c.get('recipe')}:{c.get('model')}" for c in cards.values()}

    def is_made_of_them(path: Path) -> bool:
        card = cards[path]
        made_of = [s if ":" in s else f"{card.get('recipe')}:{s}" for s in card.get("sources") or ()]
        return path not in named and card.get("use") in stackers and bool(made_of) and set(made_of) <= known

    return [p for p in folders if not is_made_of_them(p)]


def expanded(ref: str, root: Path) -> list[Path]:
    """Return the OOF folders that a reference names, none where a pattern finds none."""
    pattern = is_pattern(ref)
    bases = [p for p in dict.fromkeys((Path(ref), root / ref)) if p.is_dir()]
    if bases:
        return _inside(bases[0], ref)
    if ":" in ref and pattern:
        known = archive.folders(root, history="@" in ref)
        return [p for p in known if fnmatchcase(_address(p), ref)]
    if ":" in ref:
        return [archive.find(ref, root)]
    matches = glob.glob(ref) or glob.glob(str(root / ref)) if pattern else []
    return [p for m in sorted(matches) if Path(m).is_dir() for p in _inside(Path(m), "")]


def is_pattern(ref: str) -> bool:
    """Return whether a reference may name several results by * or ?."""
    return any(c in ref for c in "*?[")


def _inside(folder: Path, ref: str) -> list[Path]:
    """Return the folder itself where it is a result, else the results in it."""
    if (folder / "card.json").is_file():
        return [folder]
    inner = [p for p in sorted(folder.iterdir()) if not p.name.startswith(("_", ".")) and (p / "card.json").is_file()]
    if ref and not inner and (folder / "oof.parquet").is_file():
        advice = "kit import writes it of an OOF made elsewhere"
        raise DataError("the folder has no card.json", place=str(folder), got="oof.parquet alone", next=advice)
    return inner


def _address(folder: Path) -> str:
    """Return recipe:model of a folder under oof/, or recipe:model@key of one in history."""
    recipe = folder.parent.parent if folder.parent.name == archive.HISTORY else folder.parent
    return f"{recipe.name}:{folder.name}"


def _name(folder: Path, card: Mapping[str, Any]) -> str:
    shown = f"{card.get('recipe')}:{card.get('model')}"
    return f"{shown}@{str(card.get('key'))[:8]}" if folder.parent.name == archive.HISTORY else shown


def _digest(folder: Path, card: Mapping[str, Any]) -> str:
    """Return what changes with the content of a folder, not with its place or its scores."""
    files = {f: digest_file(p) for f in FILES if (p := folder / f"{f}.parquet").is_file()}
    said = [card.get(name) for name in SAID] + ["unscaled"] * bool(card.get("unscaled"))
    return key_of({"files": files, "card": said})
