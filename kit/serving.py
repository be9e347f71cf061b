"""predict: what a recipe's kept models say of new rows, as a table; and export: a fold's matrices for other tools."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kit import archive, exporting, frames, intervals, oofdir, sample, strictyaml, table
from kit.errors import DataError, RecipeError, nearest
from kit.folding import task_of
from kit.opening import Sets, open_recipe
from kit.predicting import Replay, labels
from kit.types import Pred

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

    `path`: the recipe or its name under oof/; its models must have been kept (`kit run --keep-models`). `data`: a file
    or a DataFrame of pandas or polars, whose kind the answer has. `model`: a model or blend, by default what the
    recipe submits. `layout`: "submission" gives the columns of the sample instead. `interval`: the share of truths, as
    0.9, that further columns lower and upper are to hold. `output`: csv or parquet to write. Values that cannot be read
    as in training, and levels it did not have, are logged, a line per column.

    Raises:
        KitError: no models were kept, the new data lack a column, the file cannot be written.
    """
    folder = Path(root).resolve() / "oof" / _recipe_name(path)
    bundles = sorted(folder.glob("*/models/replay.json"))
    if not bundles:
        there = sorted(p.parent.parent.parent.name for p in folder.parent.glob("*/*/models/replay.json"))
        rule, advice = "this recipe has no kept models", "kit run RECIPE --keep-models"
        raise DataError(rule, place=str(folder), allowed=sorted(set(there)) or "none is kept yet", next=advice)
    known = [p.parent.parent.name for p in bundles]
    name = model or str(json.loads(bundles[0].read_text("utf-8"))["submit"])
    if name not in known:
        advice = nearest(name, known) or "kit run RECIPE --keep-models keeps all of a recipe"
        raise RecipeError("no kept model or blend of this name", got=name, allowed=known, next=advice)
    about = json.loads((folder / name / "models" / "replay.json").read_text("utf-8"))
    frame = table.renamed(_frame(data, about), about.get("rename", {}))
    replay = Replay(folder, frame, trust)
    import polars as pl

    found = replay.of(name)
    for note in replay.notes:
        log.warning("predict: %s", note)
    pred = found.test_mean()
    made = _submission(frame, about, pred) if layout == "submission" else _as_test(frame, about, pred)
    if interval is not None:
        lower, upper = intervals.ends_of(archive.read(folder / name), found, interval)
        made = made.with_columns(pl.Series("lower", lower), pl.Series("upper", upper))
    if output is not None:
        frames.save(made, Path(output))
    return made.to_pandas() if _is_pandas(data) else made


def export(  # noqa: PLR0913 - one keyword per option of `kit export`
    path: str | Path,
    *,
    model: str,
    fold: int = 0,
    output: str | Path,
    set: Sets = (),
    root: str | Path = ".",
    trust: bool = False,
) -> dict[str, Any]:
    """Write the matrices of one fold of a model as .npy files into the folder `output`; return what was written.

    Raises:
        KitError: there is no such model or fold, or the folder cannot be written.
    """
    opened = open_recipe(path, set, root, trust=trust)
    return exporting.export(opened, model, fold, Path(output))


def _recipe_name(path: str | Path) -> str:
    file = Path(path)
    if not file.is_file():
        return str(path)
    document = strictyaml.load(file)
    return str(document.value.get("name", file.name.removesuffix(".yaml").removesuffix(".yml")))


def _is_pandas(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "pandas"


def _frame(data: Any, about: Mapping[str, Any]) -> pl.DataFrame:
    import polars as pl

    if isinstance(data, str | Path):
        return table.read(Path(data), about["nulls"], about.get("encoding"))
    return pl.DataFrame(pl.from_pandas(data) if _is_pandas(data) else data)


def _ids(frame: pl.DataFrame, about: Mapping[str, Any]) -> pl.Series:
    import polars as pl

    if about["id"] is None:
        return pl.Series(about["id_name"], np.arange(len(frame)))
    if about["id"] not in frame.columns:
        advice = nearest(about["id"], frame.columns) or "add the column"
        raise DataError("the new data lack the id column", got=frame.columns, allowed=about["id"], next=advice)
    return frame[str(about["id"])]


def _as_test(frame: pl.DataFrame, about: Mapping[str, Any], pred: Pred) -> pl.DataFrame:
    """Return the columns of a test.parquet."""
    return oofdir.with_pred({about["id_name"]: _ids(frame, about)}, pred, task_of(about["task"]))


def _submission(frame: pl.DataFrame, about: Mapping[str, Any], pred: Pred) -> pl.DataFrame:
    """Return the columns of the sample submission, in the order of the new rows."""
    import polars as pl

    task, layout = task_of(about["task"]), sample.from_meta(about["layout"])
    csv = sample.write(
        layout, task, np.arange(len(frame)), _ids(frame, about), pred.mean, labels(about, about["metric"], pred)
    )
    return pl.read_csv(io.BytesIO(csv), infer_schema_length=None)
