"""predict: what a recipe's kept models say of new rows, as a table; and export: a fold's matrices for other tools."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from kit import (
    alike,
    archive,
    exporting,
    forms,
    frames,
    intervals,
    oofdir,
    sample,
    siblings,
    strictyaml,
    table,
    targets,
)
from kit.errors import DataError, RecipeError, nearest
from kit.folding import task_of
from kit.opening import Sets, open_recipe
from kit.predicting import Replay, labels
from kit.types import Pred
from kit.wording import plural

if TYPE_CHECKING:
    import polars as pl

Layout = Literal["oof", "submission"]

log = logging.getLogger("kit")


def predict(  # noqa: PLR0913 - one keyword per option of `kit predict`
    path: str | Path,
    data: str | Path | Any,
    *,
    output: str | Path | None = None,
    model: str | None = None,
    layout: Layout = "oof",
    interval: float | None = None,
    root: str | Path = ".",
    trust: bool = False,
) -> Any:
    """Return the predictions for new rows as a table: id, then pred (or pred_<class>) and std where there is one.

    `path`: the recipe or its name under oof/; its models must have been kept (`kit run --keep-models`). `data`: a
    file, a DataFrame of pandas or polars, whose kind the answer has, a mapping of columns or a list of rows. `model`: a
    model or blend, by default what the recipe submits. `layout`: "submission" gives the columns of the sample instead.
    `interval`: the share of truths, as 0.9, that further columns lower and upper are to hold. `output`: csv or parquet
    to write. Values that cannot be read as in training, and levels it did not have, are logged, a line per column.
    Of a recipe of several targets each column but the id begins with its target, as in price_pred.

    Raises:
        KitError: no models were kept, the new data lack a column, the file cannot be written.
    """
    base, wish = Path(root).resolve() / "oof", _Wish(model, layout, interval, trust)
    parts, header = _parts(path, base)
    if parts:
        made = _beside(
            {target: _predicted(base / recipe, data, wish) for target, recipe in parts.items()}, header, wish
        )
    else:
        made = _predicted(base / _recipe_name(path), data, wish)
    if output is not None:
        frames.save(made, Path(output))
    return _like(made, data) if _is_pandas(data) else made


class _Wish(NamedTuple):
    """What is to be predicted by: the options of `kit predict` beside where from and where to."""

    model: str | None
    layout: Layout
    interval: float | None
    trust: bool


def _predicted(folder: Path, data: Any, wish: _Wish) -> pl.DataFrame:
    """Return what the kept models under `folder` (oof/<recipe>) say of new rows."""
    model, layout, interval, trust = wish
    bundles = sorted(folder.glob("*/models/replay.json"))
    if not bundles:
        there = sorted(p.parent.parent.parent.name for p in folder.parent.glob("*/*/models/replay.json"))
        rule, advice = "this recipe has no kept models", "kit run RECIPE --keep-models"
        raise DataError(rule, place=str(folder), allowed=sorted(set(there)) or "none is kept yet", next=advice)
    known = [p.parent.parent.name for p in bundles]
    name = model or str(_read(bundles[0])["submit"])
    if name not in known:
        advice = nearest(name, known) or "kit run RECIPE --keep-models keeps all of a recipe"
        raise RecipeError("no kept model or blend of this name", got=name, allowed=known, next=advice)
    about = _read(folder / name / "models" / "replay.json")
    texts = {c for bundle in bundles for c in _texts(_read(bundle))}
    frame = _frame(data, about, texts)
    replay = Replay(folder, frame, trust)
    import polars as pl

    found = replay.of(name)
    for note in [*replay.notes, *_id_notes(frame, about)]:
        log.warning("predict: %s", note)
    pred = found.test_mean()
    made = _submission(frame, about, pred) if layout == "submission" else _as_test(frame, about, pred)
    if interval is not None:
        lower, upper = intervals.ends_of(archive.read(folder / name), found, interval)
        made = made.with_columns(pl.Series("lower", lower), pl.Series("upper", upper))
    return made


def _parts(path: str | Path, base: Path) -> tuple[dict[str, str], list[str]]:
    """Return target -> name of its results, and the columns of their submission, of a recipe of several targets."""
    file = Path(path)
    document = strictyaml.load(file) if file.is_file() else None
    about = siblings.read(base / (str(path) if document is None else targets.named(document)))
    if document is None:
        return about["targets"], about["header"]
    return {part.target: part.recipe for part in targets.parts(document)}, about["header"]


def _beside(made: Mapping[str, pl.DataFrame], header: Sequence[str], wish: _Wish) -> pl.DataFrame:
    """Return the predictions of several targets as one table."""
    import polars as pl

    first = next(iter(made.values()))
    if wish.layout == "submission":
        columns: dict[str, pl.Series] = {}
        for target, frame in made.items():
            named = {name: name if name in header else f"{target}_{name}" for name in frame.columns}
            columns |= {new: frame[name].alias(new) for name, new in named.items()}
        return pl.DataFrame(
            [columns[c] for c in (*(c for c in header if c in columns), *(c for c in columns if c not in header))]
        )
    own = [frame[name].alias(f"{target}_{name}") for target, frame in made.items() for name in frame.columns[1:]]
    return pl.DataFrame([first.to_series(0), *own])


def export(  # noqa: PLR0913 - one keyword per option of `kit export`
    path: str | Path,
    *,
    model: str,
    fold: int | Literal["all"] = 0,
    output: str | Path,
    form: exporting.Form = "npy",
    set: Sets = (),
    root: str | Path = ".",
    trust: bool = False,
) -> dict[str, Any]:
    """Write the matrices of one fold's model into the folder `output`; return the shape of each.

    `fold`: "all" for the model of all rows that `refit: true` makes. `form`: npy or parquet.

    Raises:
        KitError: there is no such model or fold, or the folder cannot be written.
    """
    opened = open_recipe(path, set, root, trust=trust)
    return exporting.export(opened, model, None if fold == "all" else fold, Path(output), form)


def _recipe_name(path: str | Path) -> str:
    file = Path(path)
    if not file.is_file():
        return str(path)
    return targets.single(strictyaml.load(file))


def _read(bundle: Path) -> dict[str, Any]:
    """Return what a bundle says of itself."""
    try:
        about: dict[str, Any] = json.loads(bundle.read_text("utf-8"))
    except (OSError, ValueError) as error:
        rule, advice = "a kept model cannot be read", "run the recipe again with --keep-models"
        raise DataError(rule, place=str(bundle), got=str(error), next=advice) from error
    return about


def _is_pandas(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "pandas"


def _like(made: pl.DataFrame, given: Any) -> Any:
    """Return a pandas frame on the index of another: pandas puts columns side by side by index, not by place."""
    answer = made.to_pandas().set_index(given.index)
    return answer.rename_axis([None if name in answer.columns else name for name in given.index.names])


def _texts(about: Mapping[str, Any]) -> list[str]:
    """Return the columns to read as text: 12 among words stays a word where a new file has numbers alone."""
    columns = [name for name, spec in about["columns"].items() if forms.is_spelled(forms.Form(**spec["form"]))]
    keys = [key["column"] for join in about.get("joins", ()) for key in join["keys"] if key["mode"] == "text"]
    return [*columns, *keys, *([about["id"]] if about.get("id_text") else [])]


def _frame(data: Any, about: Mapping[str, Any], texts: Collection[str]) -> pl.DataFrame:
    """Return the new rows as training rows are read, columns under the names that the recipe has for them."""
    renamed, nulls = about.get("rename", {}), about["nulls"]
    if isinstance(data, str | Path):
        names = table.unnamed(texts, renamed)
        return table.renamed(table.read(Path(data), nulls, about.get("encoding"), names), renamed)
    return table.renamed(table.plain(frames.frame_of(data, "of new rows").rows, nulls), renamed)


def _ids(frame: pl.DataFrame, about: Mapping[str, Any]) -> pl.Series:
    import polars as pl

    if about["id"] is None:
        return pl.Series(about["id_name"], np.arange(len(frame)))
    if about["id"] not in frame.columns:
        advice = nearest(about["id"], frame.columns) or "add the column"
        got = f"columns {', '.join(frame.columns)}"
        raise DataError("the new data lack the id column", got=got, allowed=about["id"], next=advice)
    return frame[str(about["id"])]


def _id_notes(frame: pl.DataFrame, about: Mapping[str, Any]) -> list[str]:
    """Return what keeps the ids of new rows from naming each row once: each row is predicted all the same."""
    if about["id"] is None:
        return []
    ids = _ids(frame, about)
    missing, again = ids.null_count(), int((ids.is_duplicated() & ids.is_not_null()).sum())
    found = [f"{plural(missing, 'row')} without an id"] if missing else []
    found += [f"{plural(again, 'row')} whose id stands more than once"] if again else []
    return [f"{about['id']}: {', '.join(found)}"] if found else []


def _as_test(frame: pl.DataFrame, about: Mapping[str, Any], pred: Pred) -> pl.DataFrame:
    """Return the columns of a test.parquet."""
    return oofdir.with_pred({about["id_name"]: _ids(frame, about)}, pred, task_of(about["task"]))


def _submission(frame: pl.DataFrame, about: Mapping[str, Any], pred: Pred) -> pl.DataFrame:
    """Return the columns of the sample submission, in the order of the new rows."""
    task, layout = task_of(about["task"]), sample.from_meta(about["layout"])
    decided = labels(about, about["metric"], pred)
    named = layout.header[layout.id_at]
    # A recipe that names no id: the new file may have the column that the sample names rows by.
    own = frame[named] if about["id"] is None and named in frame.columns else _ids(frame, about)
    ids = alike.written(own, layout.ids)
    made = sample.filled(layout, task, np.arange(len(frame)), ids, pred.mean, decided)
    numbers = all(type(c) in (int, float) for c in task.classes) and layout.spelling == tuple(map(str, task.classes))
    if layout.shows != "label" or not task.classes or not numbers:
        return made
    return made.with_columns(made[:, i].cast(type(task.classes[0])) for i in range(made.width) if i != layout.id_at)
