"""OOF folders as people keep them: found by name or key, read into arrays, rows known by their ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit import intact
from kit.canon import FORMAT
from kit.errors import DataError, nearest
from kit.oof import average
from kit.types import Floats, Floats32, Ints, Task

if TYPE_CHECKING:
    import polars as pl

HISTORY = "_history"

MOST_TRIES = 5
"""So often a folder is read anew that another command has replaced meanwhile."""

log = logging.getLogger("kit")


@dataclass(frozen=True)
class Kept:
    """An OOF folder in memory, its rows in the order of the file.

    Shape:
        ids: (n,).  y: (n,) as the data spelt it.  fold: (R, n) int16, -1 = never held; None = nobody knows the folds.
        pred: (R, n, m) float32, NaN where never held.  test: (t, m) float32 or None, with test_ids (t,).
        std: (R, n) float32 and test_std: (t,), or None.
    """

    folder: Path
    card: Mapping[str, Any]
    ids: pl.Series
    y: pl.Series
    fold: NDArray[np.int16] | None
    pred: Floats32
    test_ids: pl.Series | None
    test: Floats32 | None
    std: Floats32 | None = None
    test_std: Floats32 | None = None

    @property
    def name(self) -> str:
        """How a person names it: recipe:model."""
        return f"{self.card['recipe']}:{self.card['model']}"

    @property
    def key(self) -> str:
        """The key of the result."""
        return str(self.card["key"])

    @property
    def task(self) -> Task:
        """The task, as far as the card tells it (the objective is not in it)."""
        classes = tuple(self.card.get("classes") or ())
        if not classes:
            return Task("regression")
        if len(classes) == 2:
            return Task("binary", "logloss", classes, self.card.get("positive"))
        return Task("multiclass", "softmax", classes)

    def codes(self) -> Floats:
        """Return y (n,) float64 as `Task` says."""
        task = self.task
        if task.kind == "regression":
            return np.asarray(self.y.to_numpy(), np.float64)
        if task.kind == "binary":
            return np.asarray((self.y == task.positive).to_numpy(), np.float64)
        places = {c: i for i, c in enumerate(task.classes)}
        return np.array([places[value] for value in self.y.to_list()], np.float64)

    def pooled(self) -> Floats32:
        """Return (n, m) float32, averaged over repeats; NaN where a row was never held."""
        return np.asarray(self.pred.mean(axis=0, dtype=np.float64), np.float32)

    def pooled_std(self) -> Floats32 | None:
        """Return (n,) float32, the std of `pooled`, None where there is none."""
        return average(self.pred, self.std).std


def folders(root: Path, *, history: bool = False) -> Iterator[Path]:
    """Yield the OOF folders under oof/ that hold a card, sorted; with `history` also what they replaced."""
    for card in sorted((root / "oof").glob("*/*/card.json")):
        if not card.parent.parent.name.startswith(("_", ".")) and not card.parent.name.startswith(("_", ".")):
            yield card.parent
    if history:
        yield from (card.parent for card in sorted((root / "oof").glob(f"*/{HISTORY}/*/card.json")))


def find(ref: str, root: Path) -> Path:
    """Return the folder that `recipe:model`, `recipe:model@key8` or a path names.

    Raises:
        DataError: there is none.
    """
    if ":" not in ref or Path(ref).is_dir():
        if (Path(ref) / "card.json").is_file():
            return Path(ref)
    else:
        recipe, _, rest = ref.partition(":")
        name, _, key = rest.partition("@")
        folder = root / "oof" / recipe / name
        if (folder / "card.json").is_file() and str(read_card(folder).get("key")).startswith(key):
            return folder
        older = [p for p in (root / "oof" / recipe / HISTORY).glob(f"{name}@{key}*") if key]
        if older:
            return older[0]
    known = [f"{p.parent.name}:{p.name}" for p in folders(root)]
    advice = nearest(ref, known) or "kit ls lists the results there are"
    raise DataError("there is no such result", got=ref, allowed=known or "recipe:model, or a folder", next=advice)


def index(root: Path) -> dict[str, Path]:
    """Return key -> folder of every result that can be read, current ones before those in history."""
    found: dict[str, Path] = {}
    for folder in folders(root, history=True):
        try:
            found.setdefault(str(read_card(folder).get("key")), folder)
        except DataError:
            continue
    return found


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of a folder.

    Raises:
        DataError: it cannot be read, or a newer kit wrote it.
    """
    path = folder / "card.json"
    try:
        card: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("the card cannot be read", place=str(path), got=str(error), next="make it again") from error
    if wrong := intact.fault(card):
        raise DataError("the card is damaged", place=str(path), got=wrong, next="make it again")
    if int(card.get("format", 0)) > FORMAT:
        got, allowed = f"format {card['format']}", f"up to {FORMAT}"
        raise DataError("a newer kit wrote this result", place=str(path), got=got, allowed=allowed, next="update kit")
    return card


def read(folder: Path) -> Kept:
    """Return what a folder holds: one result, also where a run replaces it meanwhile.

    Raises:
        DataError: a file is missing, damaged, or holds infinities or columns that do not fit the card.
    """
    card = read_card(folder)
    for _ in range(MOST_TRIES):
        kept, fault = None, None
        altered = intact.altered(folder, card)
        try:
            kept = _read(folder, card, altered)
        except DataError as error:
            fault = error
        now = read_card(folder)
        if now.get("files") != card.get("files") or now["key"] != card["key"]:
            card = now
            continue
        if kept is None:
            raise fault or AssertionError(folder)
        for name in altered:
            log.warning("%s: %s", folder / name, intact.WHOLE)
        return kept
    raise DataError("the result changes while it is read", place=str(folder), next="let the other command end first")


def _read(folder: Path, card: Mapping[str, Any], altered: Sequence[str]) -> Kept:
    for name in altered:
        if not (folder / name).is_file():
            raise DataError("the file is gone", place=str(folder / name), next="make it again")
    frame = parquet(folder / "oof.parquet")
    names = columns(card)
    intact.require(frame, ["y", *names], folder / "oof.parquet")
    repeats = intact.repeats_of(frame, folder / "oof.parquet")
    intact.check_y(frame["y"], card, folder / "oof.parquet")
    n = len(frame) // repeats
    pred = _matrix(frame, names, folder / "oof.parquet").reshape(repeats, n, len(names))
    known = "fold" in frame.columns and frame["fold"].null_count() == 0
    fold = frame["fold"].to_numpy().astype(np.int16).reshape(repeats, n) if known else None
    std = _matrix(frame, ["std"], folder / "oof.parquet").reshape(repeats, n) if "std" in frame.columns else None
    test_ids = test = test_std = None
    if (folder / "test.parquet").is_file():
        other = parquet(folder / "test.parquet")
        intact.require(other, names, folder / "test.parquet")
        test_ids, test = other.to_series(0), _matrix(other, names, folder / "test.parquet")
        test_std = _matrix(other, ["std"], folder / "test.parquet")[:, 0] if "std" in other.columns else None
    return Kept(folder, card, frame.to_series(0)[:n], frame["y"][:n], fold, pred, test_ids, test, std, test_std)


def layers(folder: Path, card: Mapping[str, Any], test_ids: pl.Series, names: Sequence[str] = ()) -> Floats32 | None:
    """Return what each fold model predicts for test, (K, t, m) in the order of `test_ids`; None where that is not kept.

    `names`: other columns of the file than the predictions, such as std.

    Raises:
        DataError: the file is damaged, or of other test rows.
    """
    path = folder / "test_folds.parquet"
    if not path.is_file():
        return None
    frame = parquet(path)
    if any(name not in frame.columns for name in names):
        return None
    names = list(names) or columns(card)
    intact.require(frame, ["fold", *names], path)
    n_layers, ids = int(frame["fold"].max()) + 1, frame.columns[0]  # type: ignore[arg-type]
    if len(frame) != n_layers * len(test_ids):
        got, allowed = f"{len(frame)} rows", f"{n_layers} folds of {len(test_ids)} rows"
        raise DataError("the file is of other rows than test.parquet", place=str(path), got=got, allowed=allowed)
    made = _matrix(frame, names, path).reshape(n_layers, len(test_ids), len(names))
    if not frame[ids].head(len(test_ids)).equals(test_ids, check_names=False):
        made = made[:, places(test_ids, frame[ids].head(len(test_ids)), path)]
    return made


def fold_variance(kept: Kept) -> float:
    """Return by how much averaging its fold models lowers a mean squared error on test: (1 - 1 / K) of their variance.

    Where the fold models' own predictions are not kept it is what the smaller spread of their average lets guess.
    """
    if kept.test is None or kept.test_ids is None:
        return 0.0
    found = layers(kept.folder, kept.card, kept.test_ids)
    if found is None:
        return float(max(0.0, np.nanvar(kept.pooled()) - kept.test.var()))
    return float(found.astype(np.float64).var(axis=0).mean())


def places(wanted: pl.Series, there: pl.Series, path: Path) -> Ints:
    """Return (n,) where each of the wanted ids stands among those there.

    Raises:
        DataError: one does not.
    """
    at = positions(wanted, there)
    if (at < 0).any():
        got = f"{int((at < 0).sum())} of {len(at)} ids are missing"
        raise DataError("the file is of other rows", place=str(path), got=got, next="make the result again")
    return at


def positions(wanted: pl.Series, there: pl.Series) -> Ints:
    """Return (n,) int64, where each of the `wanted` ids stands among those `there`; -1 where it does not."""
    import polars as pl

    if wanted.equals(there, check_names=False):
        return np.arange(len(wanted))
    plain = pl.String if wanted.dtype != there.dtype else wanted.dtype
    left = pl.DataFrame({"id": wanted.cast(plain)})
    right = pl.DataFrame({"id": there.cast(plain), "at": np.arange(len(there))}).unique("id", keep="first")
    return left.join(right, "id", "left", maintain_order="left")["at"].fill_null(-1).to_numpy().astype(np.int64)


def columns(card: Mapping[str, Any]) -> list[str]:
    """Return the names of the prediction columns: `pred`, or `pred_<class>` for more than two classes."""
    classes = card.get("classes") or ()
    return ["pred"] if len(classes) <= 2 else [f"pred_{c}" for c in classes]


def parquet(path: Path) -> pl.DataFrame:
    """Return the table of a file.

    Raises:
        DataError: it cannot be read.
    """
    import polars as pl

    try:
        return pl.read_parquet(path, glob=False)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        got = str(error).partition("\n")[0]
        raise DataError("the file cannot be read", place=str(path), got=got, next="make it again") from error


def _matrix(frame: pl.DataFrame, names: list[str], path: Path) -> Floats32:
    made: Floats32 = frame.select(names).to_numpy().astype(np.float32).reshape(len(frame), len(names))
    if np.isinf(made).any():
        got = f"{int(np.isinf(made).any(axis=1).sum())} rows"
        raise DataError("predictions must be finite", place=str(path), got=got, next="make the predictions again")
    return made
