"""Rows of several OOF folders matched by id; what does not go together is told apart, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kit import archive, counts
from kit.archive import Kept, positions
from kit.errors import DataError, KitError, Problem
from kit.oof import Oof, renumbered, same_folds
from kit.types import Floats32, Ints

if TYPE_CHECKING:
    import polars as pl

MOST_LAYERS = 2 << 30
"""Bytes of the fold models' test predictions beyond which only their averages are used."""


@dataclass(frozen=True)
class Matched:
    """Sources over the rows of the first. `first` holds ids and y; `mixed`: their folds differ.

    `folds`: those that each source was made on, (R, n) int16, None = not known.
    """

    first: Kept
    oofs: tuple[Oof, ...]
    folds: tuple[NDArray[np.int16] | None, ...]
    mixed: bool
    notes: tuple[str, ...] = ()


@dataclass
class _Camp:
    """Sources that go together. `why`: what keeps them from the first camp."""

    first: Kept
    names: list[str] = field(default_factory=list)
    why: str = ""
    by_folds: bool = False


def matched(named: Sequence[tuple[str, Path]], *, mixed: bool) -> Matched:
    """Return the sources, read one after the other, with their rows in the order of the first.

    Raises:
        DataError: they do not go together; it says which do.
    """
    camps: list[_Camp] = []
    taken: list[tuple[str, Kept]] = []
    for name, folder in named:
        kept = archive.read(folder)
        _check(name, kept)
        whys = [_why_not(camp.first, kept, mixed) for camp in camps]
        at = next((i for i, why in enumerate(whys) if not why), None)
        if at is None:
            camps.append(_Camp(kept, [name], whys[0] if whys else "", bool(whys) and whys[0].startswith("its folds")))
        else:
            camps[at].names.append(name)
        if (at or 0) == 0 and len(camps) == 1:
            taken.append((name, kept if not taken else _aligned(taken[0][1], kept)))
    if len(camps) > 1:
        raise _apart(camps)
    return _side_by_side(taken, mixed)


# -- do they go together


def _check(name: str, kept: Kept) -> None:
    if kept.ids.is_duplicated().any():
        got = f"{int(kept.ids.is_duplicated().sum())} rows share an id"
        raise DataError("ids must be unique", place=name, got=got, next="make the file again with one row per id")
    gaps = ~np.isfinite(kept.pred).all(axis=2)
    wrong = gaps if kept.fold is None else gaps & (kept.fold >= 0)
    if (kept.fold is not None and wrong.any()) or gaps.all():
        got = f"{int(wrong.sum())} of {wrong.size} rows"
        raise DataError("held rows without a prediction", place=name, got=got, next="make the predictions again")
    if kept.test is not None and not np.isfinite(kept.test).all():
        got = f"{int((~np.isfinite(kept.test)).any(axis=1).sum())} of {len(kept.test)} rows"
        raise DataError("test rows without a prediction", place=name, got=got, next="make the predictions again")


def _why_not(first: Kept, other: Kept, mixed: bool) -> str:
    """Return what keeps two sources apart, or nothing."""
    a, b = first.card, other.card
    for field_, word in (("classes", "classes, or their order,"), ("positive", "positive class"), ("kind", "kind")):
        mine, its = (list(c.get(field_) or ()) if field_ == "classes" else c.get(field_) for c in (a, b))
        if mine != its:
            return f"its {word} is {_brief(its)}, not {_brief(mine)}"
    order = _order(first.ids, other.ids)
    if order is None:
        return f"its training ids are others: {_differing(first.ids, other.ids)}"
    if not _same_y(first, other, order):
        return "its y is another target"
    if (first.test_ids is None) != (other.test_ids is None):
        return f"it has {'no ' if other.test_ids is None else ''}test predictions"
    if first.test_ids is not None and other.test_ids is not None and _order(first.test_ids, other.test_ids) is None:
        return f"its test ids are others: {_differing(first.test_ids, other.test_ids)}"
    return "" if mixed else _why_not_folds(first, other, order)


def _why_not_folds(first: Kept, other: Kept, order: Ints) -> str:
    if first.fold is None or other.fold is None:
        return "its folds are not known" if other.fold is None else "its folds are known, those of the others are not"
    if first.fold.shape != other.fold.shape:
        return f"its folds are {len(other.fold)} repeats, not {len(first.fold)}"
    return "" if same_folds(first.fold, other.fold[:, order]) else "its folds are others"


def _order(wanted: pl.Series, there: pl.Series) -> Ints | None:
    """Return where each of the wanted ids stands among those there, None where the sets differ."""
    if wanted.equals(there):
        return np.arange(len(wanted))
    order = positions(wanted, there)
    return order if len(wanted) == len(there) and (order >= 0).all() else None


def _same_y(first: Kept, other: Kept, order: Ints) -> bool:
    if first.y.equals(other.y.gather(order)):
        return True
    if first.task.kind == "regression":
        return bool(np.allclose(first.codes(), other.codes()[order], rtol=1e-6, atol=0))
    return first.y.cast(str).equals(other.y.gather(order).cast(str))


def _differing(wanted: pl.Series, there: pl.Series) -> str:
    lost = int((positions(wanted, there) < 0).sum())
    return f"{len(there)} rows, {lost} of the {len(wanted)} wanted are missing"


def _brief(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:8])) or "a regression"
    return str(value)


def _apart(camps: Sequence[_Camp]) -> KitError:
    """Return the error that tells the camps apart and names the largest."""
    largest = max(camps, key=lambda c: len(c.names))
    advice = f"blend what goes together: {_few(largest.names, 12)}"
    if all(c.by_folds for c in camps[1:]):
        advice += ", or --mixed-folds"
    allowed = f"{len(largest.names)} go together: {', '.join(largest.names)}"
    problems = [
        Problem(f"{_few(c.names, 4)} cannot be blended with {camps[0].names[0]}", "SRC", c.why) for c in camps[1:]
    ]
    problems[-1] = replace(problems[-1], allowed=allowed, next=advice)
    return DataError.many(problems)


def _few(names: Sequence[str], most: int) -> str:
    return " ".join(names[:most]) + (" ..." if len(names) > most else "")


# -- side by side


def _aligned(first: Kept, other: Kept) -> Kept:
    """Return a source with its rows in the order of the first, whose ids, y and folds it shares: of 350 sources of a
    million rows their own would be 7 GB."""
    order = _order(first.ids, other.ids)
    at = None if first.test_ids is None or other.test_ids is None else _order(first.test_ids, other.test_ids)
    moved = replace(other, ids=first.ids, y=first.y)
    if order is not None and not np.array_equal(order, np.arange(len(order))):
        fold = None if other.fold is None else other.fold[:, order]
        std = None if other.std is None else other.std[:, order]
        moved = replace(moved, fold=fold, pred=other.pred[:, order], std=std)
    if moved.fold is not None and first.fold is not None and np.array_equal(moved.fold, first.fold):
        moved = replace(moved, fold=first.fold)
    if at is not None and np.array_equal(at, np.arange(len(at))):
        moved, at = replace(moved, test_ids=first.test_ids), None
    if at is None or other.test is None:
        return moved
    test_std = None if other.test_std is None else other.test_std[at]
    return replace(moved, test_ids=first.test_ids, test=other.test[at], test_std=test_std)


def _side_by_side(taken: Sequence[tuple[str, Kept]], mixed: bool) -> Matched:
    keeps = [kept for _, kept in taken]
    first = keeps[0]
    known = next((k.fold for k in keeps if k.fold is not None), None)
    if known is None:
        advice = "import one of them with its folds (kit import --folds)"
        raise DataError("no source knows its folds", place="SRC", got=taken[0][0], next=advice)
    apart = any(k.fold is None or not same_folds(known, k.fold) for k in keeps)
    preds = [k.pooled()[None] for k in keeps] if apart else [k.pred for k in keeps]
    fold = known[:1] if apart else known
    scored = np.all([np.isfinite(p).all(axis=2) for p in preds], axis=0) & (fold >= 0)
    fold = np.where(scored, fold, -1).astype(np.int16)
    tests, notes = _tests(keeps, _count(fold))
    notes += _weighed(taken)
    if not apart:
        tests = [t if k.fold is None else renumbered(t, k.fold, known) for k, t in zip(keeps, tests, strict=True)]
    y = first.codes()
    oofs = tuple(
        Oof(
            fold,
            y,
            np.where(scored[:, :, None], p, np.nan).astype(np.float32) if not scored.all() else p,
            test,
            None if apart or k.std is None or k.test_std is None else k.std,
            None if apart or k.std is None or k.test_std is None else np.repeat(k.test_std[None], len(test), axis=0),
            k.card.get("kind") or ("value" if first.task.kind == "regression" else "proba"),
            bool(k.card.get("peeked")),
            bool(k.card.get("transductive")),
            bool(k.card.get("unscaled")),
        )
        for k, p, test in zip(keeps, preds, tests, strict=True)
    )
    folds = tuple(k.fold for k in keeps) if apart else (fold,) * len(keeps)
    return Matched(replace(first, pred=preds[0], test=None), oofs, folds, apart, notes)


def _weighed(taken: Sequence[tuple[str, Kept]]) -> tuple[str, ...]:
    """Return a note where sources were scored under other weights than the first, which decides."""
    v, _ = counts.rows(taken[0][1])
    other = [name for name, kept in taken[1:] if not np.allclose(counts.rows(kept)[0], v, rtol=1e-6)]
    if not other:
        return ()
    return (f"rows count as in the scores of {taken[0][0]}; they count otherwise in those of {_few(other, 4)}",)


def _count(fold: NDArray[np.int16]) -> int:
    return int(fold.shape[0]) * (int(fold.max()) + 1)


def _tests(keeps: Sequence[Kept], n_folds: int) -> tuple[list[Floats32], tuple[str, ...]]:
    """Return the test predictions of each source: of the K fold models where all show them, else the averages."""
    first = keeps[0]
    n_out = first.pred.shape[2]
    if first.test is None or first.test_ids is None:
        return [np.empty((1, 0, n_out), np.float32) for _ in keeps], ()
    averages = [k.test[None] for k in keeps if k.test is not None]
    if len(keeps) * n_folds * len(first.test) * n_out * 4 > MOST_LAYERS:
        return averages, ("the fold models' test predictions are too many to be held; their averages are used",)
    layers: list[Floats32] = []
    for kept in keeps:
        found = archive.layers(kept.folder, kept.card, first.test_ids)
        if found is None or (layers and len(found) != len(layers[0])):
            return averages, ("not every source shows its fold models' test predictions; their averages are used",)
        layers.append(found)
    return layers, ()
