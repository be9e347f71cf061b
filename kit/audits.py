"""audit: the findings about OOF folders, each recipe's among themselves; and about one that is being imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit import archive, auditing, intact, lineup, oofdir, pool, registry
from kit._audit.common import Severity
from kit.archive import Kept
from kit.auditing import Finding, Suspect
from kit.errors import DataError, KitError, Problem
from kit.given import several
from kit.lineup import Lineup
from kit.oof import Oof
from kit.paired import Truth
from kit.panel import Panel
from kit.reference import Reference
from kit.store import Store
from kit.types import Floats32

MOST_BESIDE = 40
"""Results that a new one is compared with when it is imported; `kit audit` and `kit blend` look at all of them."""


def audit(sources: str | Sequence[str] = (), *, root: str | Path = ".") -> list[dict[str, Any]]:
    """Return what is to be said about OOFs, worst first: source, check, severity, reason, next.

    `sources`: recipe:model, a recipe, patterns as `blend` takes them, or folders; all results where none is named.
    Sources are compared with those of the same recipe only. Blends of results that are looked at are looked at by
    themselves unless they are named: that they are combinations of these is no news.

    Raises:
        DataError: there is no such result.
    """
    base = Path(root).resolve()
    folders, named = _folders(several(sources), base)
    sound = [p for p in folders if _is_readable(p)]
    alone = {*sound} - {*lineup.without_blends(sound, named)}
    groups: dict[str, list[Path]] = {}
    for folder in folders:
        groups.setdefault(_recipe(folder), []).append(folder)
    found = [f for together in groups.values() for f in of_folders(together, alone, Store(base))]
    return [asdict(f) for f in sorted(found, key=lambda f: auditing.ORDER.index(f.severity))]


def of_folders(folders: Sequence[Path], alone: Set[Path], store: Store) -> list[Finding]:
    """Return the findings about OOF folders that are to be used together, but for those `alone`.

    They are read one after the other, and no more is kept of one than is compared: 350 of a million rows are many.
    """
    first: Kept | None = None
    suspects: list[Suspect] = []
    found: list[Finding] = []
    for folder in folders:
        try:
            each = archive.read(folder)
        except DataError as error:
            problem = error.problems[0]
            found.append(Finding(str(folder), "file", "error", f"{problem.rule} {problem.got}".strip(), problem.next))
            continue
        found += _altered(each.name, folder, each.card)
        if first is None:
            first = each
            truth = replace(pool.truth_of(first, store), metric=_metric(first))
        suspect, said = _suspect(first, each, suspects)
        found += said
        if suspect is not None and folder in alone:
            found += auditing.findings(truth, [suspect])
        elif suspect is not None:
            suspects.append(suspect)
    return found if first is None else [*found, *auditing.findings(truth, suspects)]


def of_new(ref: Reference, name: str, made: Oof, fold: NDArray[np.int16] | None, root: Path) -> list[Finding]:
    """Return the findings about an OOF that is being imported, beside the results its recipe has already."""
    truth = Truth(ref.task, ref.metric, ref.y, ref.v, ref.group)
    test = made.test_mean().mean if made.test.shape[1] else None
    new = Suspect(name, made.pooled().mean, None if fold is None else _one(fold), test)
    beside = []
    for folder in _beside(ref, name, root):
        try:
            beside.append(_aligned(archive.read(folder), ref))
        except KitError:
            continue
    return [f for f in auditing.findings(truth, [*filter(None, beside), new]) if f.source == name]


def of_panel(panel: Panel, metric: str, lined: Lineup) -> list[Finding]:
    """Return the findings about sources that are to be blended.

    What kit itself made has the rows and columns that it says: there an error is a warning, so that one failed model
    among fifty does not end a blend.
    """
    truth = Truth(panel.task, metric, panel.y, panel.v, panel.group)
    sides = zip(lined.sources, panel.preds(None), panel.sources, lined.rows.folds, strict=True)
    suspects = []
    # Most have one and the same: 350 copies of a million folds would be 700 MB.
    ones = {id(fold): None if fold is None else _one(fold) for fold in lined.rows.folds}
    for source, pred, oof, fold in sides:
        test = oof.test[0] if len(oof.test) == 1 else np.asarray(oof.test.mean(axis=0), np.float32)
        here = source.card.get("use") != "import"
        suspects.append(Suspect(source.name, pred, ones[id(fold)], test if len(test) else None, here))
    own = {s.name for s in suspects if s.made_here}
    found = auditing.findings(truth, suspects)
    told = [replace(f, severity="warning") if f.severity == "error" and f.source in own else f for f in found]
    return told + [f for s in lined.sources for f in _altered(s.name, s.folder, s.card)]


def _altered(name: str, folder: Path, card: Mapping[str, Any]) -> list[Finding]:
    """Return the finding that files of a folder are not what its card says."""
    files = intact.altered(folder, card)
    advice = "run its recipe again, which makes it anew; kit import takes what was altered by hand"
    severity: Severity = "error" if set(files) - {intact.CARD} else "warning"
    return [Finding(name, "altered", severity, f"{', '.join(files)}: {intact.WHOLE}", advice)] if files else []


def refuse(found: Sequence[Finding], anyway: bool, advice: str) -> None:
    """Raise DataError with every finding that makes an OOF useless, unless it is to be used `anyway`."""
    errors = [f for f in found if f.severity == "error"]
    if errors and not anyway:
        raise DataError.many([Problem(f"{f.check}: {f.reason}", f.source, next=f"{f.next}; {advice}") for f in errors])


def _beside(ref: Reference, name: str, root: Path) -> list[Path]:
    """Return the folders of a recipe's other results, the MOST_BESIDE best of them: an import is to take seconds."""
    ranked = []
    for folder in archive.folders(root):
        if folder.parent.name == ref.recipe and folder.name != name:
            score = (oofdir.read_card(folder) or {}).get("score")
            ranked.append((float("inf") if score is None else registry.metric(ref.metric).sign * score, folder))
    return [folder for _, folder in sorted(ranked)[:MOST_BESIDE]]


def _metric(kept: Kept) -> str:
    """Return the metric of a result; another of its task for one that is a file of its own, for that is not run."""
    metric, usual = str(kept.card["metric"]), "logloss" if kept.task.classes else "rmse"
    return usual if metric.endswith(".py") else metric


def _recipe(folder: Path) -> str:
    return str(archive.read_card(folder)["recipe"]) if _is_readable(folder) else folder.parent.name


def _folders(sources: Sequence[str], root: Path) -> tuple[list[Path], set[Path]]:
    """Return the folders that are meant, and those of them that are named one by one."""
    every = list(archive.folders(root))
    named: list[Path] = []
    found = [] if sources else every
    for source in sources:
        many = [p for p in every if p.parent.name == source]
        if not many and lineup.is_pattern(source):
            many = lineup.expanded(source, root)
        named += [] if many else [archive.find(source, root)]
        found = [*found, *(many or named[-1:])]
    return list(dict.fromkeys(found)), {*named}


def _is_readable(folder: Path) -> bool:
    try:
        return bool(archive.read_card(folder))
    except DataError:
        return False


def _suspect(first: Kept, other: Kept, before: Sequence[Suspect]) -> tuple[Suspect | None, list[Finding]]:
    """Return a result in the rows of the first one, or what keeps it from that; it shares its folds with those before
    it that have the same."""
    try:
        order = pool.order_of(first, other)
    except DataError as error:
        problem = error.problems[0]
        return None, [Finding(other.name, "rows", "error", f"{problem.rule}: {problem.got}", problem.next)]
    fold = None if other.fold is None else _one(other.fold[:, order])
    if fold is not None:
        fold = next((s.fold for s in before[:1] if s.fold is not None and np.array_equal(s.fold, fold)), fold)
    here = other.card.get("use") != "import"
    test, said = other.test, []
    if test is not None and first.test_ids is not None and other.test_ids is not None:
        rows = archive.positions(first.test_ids, other.test_ids)
        if len(rows) != len(test) or (rows < 0).any():
            reason = f"its test rows are not those of {first.name}"
            said.append(Finding(other.name, "test_ids", "error", reason, "make its test predictions again"))
            test = None
        else:
            test = test[rows]
    return Suspect(other.name, other.pooled()[order], fold, test, here), said


def _aligned(kept: Kept, ref: Reference) -> Suspect | None:
    """Return a result in the rows of the reference, or None where it is of others."""
    order = archive.positions(ref.ids, kept.ids)
    if (order < 0).any() or kept.task.classes != ref.task.classes:
        return None
    test: Floats32 | None = None
    if kept.test is not None and kept.test_ids is not None and ref.test_ids is not None:
        rows = archive.positions(ref.test_ids, kept.test_ids)
        test = kept.test[rows] if (rows >= 0).all() else None
    fold = None if kept.fold is None else _one(kept.fold[:, order])
    return Suspect(kept.name, kept.pooled()[order], fold, test, kept.card.get("use") != "import")


def _one(fold: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return (n,) the folds of the first repeat, -1 where a row was not held in every one."""
    return np.where((fold >= 0).all(axis=0), fold[0], -1).astype(np.int16)
