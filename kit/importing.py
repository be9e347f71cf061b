"""import_oof: predictions that were made elsewhere become an OOF of kit, matched by id, checked and audited."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit import audits, foldspec, incoming, oofdir, placing, reference, registry, scores
from kit.auditing import Finding
from kit.canon import FORMAT, key_of
from kit.errors import DataError, writing
from kit.given import several
from kit.incoming import Incoming, Raw, Wanted
from kit.oof import Oof, partition, renumbered, same_folds
from kit.opening import Sets
from kit.placing import CLOSE, Stated
from kit.reference import Reference
from kit.store import Store
from kit.submission import lock
from kit.types import Floats, Floats32, Ints
from kit.wishing import check_name

if TYPE_CHECKING:
    import polars as pl


def import_oof(  # noqa: PLR0913 - one keyword per option of `kit import`
    oof: Incoming,
    *,
    name: str,
    recipe: str | Path | None = None,
    set: Sets = (),
    test: Incoming = None,
    folds: str | Path | None = None,
    id: str | None = None,
    columns: str | Sequence[str] = (),
    metric: str | None = None,
    anyway: bool = False,
    trust: bool = False,
    root: str | Path = ".",
) -> dict[str, Any]:
    """Make an OOF folder of predictions that were made elsewhere, and return its card.

    `oof`, `test`: a .npy, csv, parquet or json file, a folder with both, an array, or a frame. `folds`: a file, a
    column of the OOF file as column:NAME, a splitter of scikit-learn as "KFold(5, shuffle=True, random_state=1)", or
    `recipe`.
    Without a recipe the file must hold ids and the target as `y`, and `metric` be given. `anyway`: keep it in spite of
    what the audit found. `trust`: the recipe may run files of its own. `set`: changes of it, as data.target=price.

    Raises:
        DataError: another target, other ids, another length or number of classes, missing numbers, or a finding of the
            audit that makes it useless.
    """
    check_name(name)
    base = Path(root).resolve()
    store = Store(base)
    if test is None and isinstance(oof, str | Path) and any(Path(oof).glob("test.*")):
        test = oof
    ref = reference.of_file(oof, metric, id, test) if recipe is None else reference.of_recipe(recipe, base, trust, set)
    if name in ref.names:
        raise DataError(f"{name} is a model or blend of the recipe", got=name, next="choose another name")
    wanted = ref.wanted(id, tuple(several(columns)))
    raw = incoming.read(oof, wanted)
    tested = None if test is None else _test(test, wanted, ref)
    order, matched = placing.train_rows(raw, ref)
    placing.same_target(raw, ref, order)
    known = placing.folds(raw, ref, folds, order)
    tested = tested and tested.in_order_of(raw, known, order)
    made = _oof(raw, ref, known, order, tested)
    card = _card(ref, name, made, known, _origin(raw, tested, matched, known))
    found = [*_unheld(name, raw, known, order), *audits.of_new(ref, name, made, known.fold, base)]
    audits.refuse(found, anyway, "or import it in spite of that with --anyway")
    card["audit"] = [asdict(f) for f in found]
    content = oofdir.Content(made, ref.task, ref.id_name, ref.ids, _test_ids(ref, tested), ref.v, ref.group)
    card = _write(store, base / "oof" / ref.recipe / name, content, card)
    return card


@dataclass(frozen=True)
class _Tested:
    """Test predictions as they came, in the order of the test rows: pred (K, t, m) and std (K, t), if there is one.

    `layers`: the file of the fold models' own, where there is one; `told`: in words, what is known of them.
    """

    raw: Raw
    pred: Floats32
    std: Floats32 | None
    layers: Raw | None = None
    told: str = "the averages alone"

    def in_order_of(self, raw: Raw, known: Stated, order: Ints) -> _Tested:
        """Return the same with fold models in the order of the folds `known`, which the file may number otherwise."""
        if len(self.pred) == 1 or known.fold is None or raw.fold is None or raw.fold.null_count():
            return self
        values = foldspec.whole(raw.fold, raw.name)
        own = np.stack([values[rows] for rows in order])
        if not same_folds(own, known.fold):
            return self
        std = None if self.std is None else renumbered(self.std[:, :, None], own, known.fold)[:, :, 0]
        return replace(self, pred=renumbered(self.pred, own, known.fold), std=std)


def _test(source: Incoming, wanted: Wanted, ref: Reference) -> _Tested:
    raw = incoming.read(source, wanted, "test")
    if ref.test_ids is None and ref.recipe != reference.ALONE:
        raise DataError("the recipe has no test rows", got=raw.name, next="leave out --test")
    each = incoming.read(source, wanted, "test_folds") if incoming.has_layers(source) else raw
    rows = placing.test_layers(each, ref)
    layers = None if rows is None else _tested(each, rows, each, f"of each of {len(rows)} fold models")
    if layers is not None and each is raw:
        return layers
    single = _tested(raw, placing.test_rows(raw, ref)[None], None, "the averages alone")
    if layers is None:
        return single
    gap = np.abs(layers.pred.mean(axis=0, dtype=np.float64) - single.pred[0]).max(initial=0.0)
    if not gap <= CLOSE * max(float(np.abs(single.pred).max(initial=0.0)), 1e-300):
        return replace(single, told="the averages alone: those of the fold models do not average to them")
    return replace(layers, raw=raw)


def _tested(raw: Raw, rows: Ints, layers: Raw | None, told: str) -> _Tested:
    return _Tested(raw, _single(raw.pred[rows]), None if raw.std is None else _single(raw.std[rows]), layers, told)


def _single(pred: Floats) -> Floats32:
    """Return float32; what is beyond its range is infinite, and refused as such."""
    with np.errstate(over="ignore"):
        return pred.astype(np.float32)


def _test_ids(ref: Reference, tested: _Tested | None) -> pl.Series | None:
    """Return the ids of the test rows; numbers where nobody knows any."""
    import polars as pl

    if tested is None or ref.test_ids is not None:
        return None if tested is None else ref.test_ids
    return pl.Series(ref.id_name, np.arange(tested.pred.shape[1]))


# -- the result


def _oof(raw: Raw, ref: Reference, known: Stated, order: Ints, tested: _Tested | None) -> Oof:
    """Return the OOF. Rows without a prediction must be rows that were never held."""
    pred = np.stack([_single(raw.pred[rows]) for rows in order])
    fold = known.fold if known.fold is not None else np.zeros(pred.shape[:2], np.int16)
    if len(fold) != len(pred):
        if len(pred) > 1:
            got = f"{len(pred)} repeats of predictions, {len(fold)} of folds"
            raise DataError("folds and predictions have other repeats", place=raw.name, got=got)
        # Repeats that were averaged into one column: no row was held by one fold any more.
        raise DataError(
            "the folds repeat, the predictions do not",
            place=raw.name,
            got=f"{len(fold)} repeats of folds, one prediction per row",
            next="give the predictions of each repeat, with a column repeat",
        )
    missing = ~np.isfinite(pred).all(axis=2)
    wrong = missing & (fold >= 0)
    if wrong.any():
        first = ref.ids[int(np.argmax(wrong.any(axis=0)))]
        got = f"{int(wrong.sum())} held rows have no finite prediction, the first has id {first}"
        advice = "make those predictions; rows that were never held have fold -1"
        raise DataError("predictions must be there and finite", place=raw.name, got=got, next=advice)
    m = pred.shape[2]
    test = np.empty((1, 0, m), np.float32) if tested is None else tested.pred
    if not np.isfinite(test).all():
        got = f"{int((~np.isfinite(test)).any(axis=(0, 2)).sum())} rows"
        raise DataError("test predictions must be there and finite", place=tested.raw.name if tested else "", got=got)
    pred[fold < 0] = np.nan
    std, test_std = _stds(raw, fold, order, tested)
    return Oof(fold, ref.y, pred, test, std, test_std, "value" if ref.task.kind == "regression" else "proba")


def _unheld(name: str, raw: Raw, known: Stated, order: Ints) -> list[Finding]:
    """Return the finding that rows are predicted which no fold holds; one number for all of them only fills them up."""
    if known.fold is None:
        return []
    pred = np.stack([raw.pred[rows] for rows in order])[known.fold < 0]
    there = pred[np.isfinite(pred).all(axis=1)]
    if len(there) < 2 or (np.ptp(there, axis=0) == 0).all():
        return []
    reason = f"{len(there)} rows have predictions although no fold holds them; they are left out (folds {known.told})"
    advice = "was it made on other folds, which learn from later rows? say which: --folds"
    return [Finding(name, "never_held", "warning", reason, advice)]


def _stds(
    raw: Raw, fold: NDArray[np.int16], order: Ints, tested: _Tested | None
) -> tuple[Floats32, Floats32] | tuple[None, None]:
    """Return std (R, n) and test_std (K, t) where both files have one, of one output."""
    if raw.std is None or raw.pred.shape[1] > 1 or (tested is not None and tested.std is None):
        return None, None
    std = np.stack([_single(raw.std[rows]) for rows in order])
    test = np.empty((1, 0), np.float32) if tested is None or tested.std is None else tested.std
    for name, values in ((raw.name, std[fold >= 0]), (tested.raw.name if tested else "", test)):
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            got = f"{int(wrong.sum())} rows"
            raise DataError("a standard deviation is a number above 0", place=f"{name}: column std", got=got)
    std[fold < 0] = np.nan
    return std, test


def _origin(raw: Raw, tested: _Tested | None, matched: str, known: Stated) -> dict[str, Any]:
    """Return where it came from, for the card. Paths are not kept: they mean nothing elsewhere."""

    def told(each: Raw) -> dict[str, str]:
        return {"file": Path(each.name).name, "sha256": each.digest}

    return {
        "oof": told(raw),
        "test": None if tested is None else told(tested.raw),
        "test_folds": None if tested is None or tested.layers is None else told(tested.layers),
        "layers": "" if tested is None else tested.told,
        "rows": matched,
        "folds": known.told,
        "columns": "in sorted class order, as nothing names them"
        if raw.frame is None and raw.pred.shape[1] > 1
        else "",
    }


def _card(ref: Reference, name: str, made: Oof, known: Stated, origin: dict[str, Any]) -> dict[str, Any]:
    files = [origin[part] and origin[part]["sha256"] for part in ("oof", "test", "test_folds")]
    digest = {"verb": "import", "origin": files if files[2] else files[:2]}
    fold = None if known.fold is None else _digest(known.fold)
    rows = {"rows": ref.rows_key, "folds": fold, "matched": origin["rows"]}
    ours = known.fold is not None and known.fold is ref.fold
    return {
        "format": FORMAT,
        "recipe": ref.recipe,
        "model": name,
        "key": key_of({**digest, **rows}),
        "use": "import",
        "params": {},
        "features": [],
        "metric": registry.shown(ref.metric),
        "better": registry.metric(ref.metric).better,
        "score": scores.score(ref.task, ref.metric, made, ref.v),
        "fold_scores": [] if known.fold is None else scores.fold_scores(ref.task, ref.metric, made, ref.v),
        "also": {},
        "kind": made.kind,
        "classes": list(ref.task.classes),
        "positive": ref.task.positive,
        "sources": [],
        "weights": None,
        "peeked": False,
        "transductive": False,
        "truncated": False,
        "missing": [],
        "folds_known": known.fold is not None,
        "table": ref.table_key,
        "rows": ref.rows_key,
        "folds_key": ref.folds_key if ours else None if fold is None else key_of({"folds": fold, "rows": ref.rows_key}),
        "y_digest": ref.y_digest,
        "versions": {},
        "seconds": 0.0,
        "imported": origin,
    }


def _digest(fold: NDArray[np.int16]) -> str:
    """Return a digest that is the same for the same folds under other numbers."""
    return hashlib.sha256(b"".join(partition(f).tobytes() for f in fold)).hexdigest()


def _write(store: Store, target: Path, content: oofdir.Content, card: dict[str, Any]) -> dict[str, Any]:
    """Write the folder and return its card; what it replaces moves to history, but never a result that kit made."""
    with writing(str(target)), lock(store):
        old = oofdir.read_card(target)
        if old is not None and old.get("use") != "import":
            raise DataError("a result of this name was made by kit", got=target.name, next="choose another --name")
        with store.scratch() as temp:
            oofdir.write(temp, content, card)
            if not card["folds_known"]:
                _forget(temp)
            return oofdir.replace(target, temp, old)


def _forget(folder: Path) -> None:
    """Write null for every fold: an unknown fold is not fold 0."""
    import polars as pl

    for name in ("oof", "folds"):
        path = folder / f"{name}.parquet"
        oofdir.parquet(pl.read_parquet(path, glob=False).with_columns(fold=pl.lit(None, pl.Int16)), path)
