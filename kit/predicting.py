"""What kept models say of new rows, without the training data: every step of a run is replayed from the bundles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import intact, newrows, oofdir, registry, saving
from kit.bundle import FORMAT
from kit.computed import computed
from kit.crossfit import BlendSpec, tests_of
from kit.design import Use, block_of, decoded
from kit.errors import DataError, RecipeError
from kit.folding import task_of
from kit.oof import Oof, average, carried, taught
from kit.types import Array, Column, Design, Floats32, Ints, Pred, PredKind, Rows, Task
from kit.vectors import Costly

if TYPE_CHECKING:
    import polars as pl


@dataclass
class Replay:
    """The bundles of a recipe under `folder` (oof/<recipe>), applied to the rows of `frame`; what was made is kept.

    `trust`: whether plug-in files of the user's own, which lie in the bundle, may be run. `notes`: on the new data.
    """

    folder: Path
    frame: pl.DataFrame
    trust: bool = False
    notes: dict[str, None] = field(default_factory=dict)
    _made: dict[str, Oof] = field(default_factory=dict)

    def about(self, name: str) -> Mapping[str, Any]:
        """Return what a bundle says of itself.

        Raises:
            DataError: there is none, or one that this kit cannot read.
        """
        path = self.folder / name / "models" / "replay.json"
        try:
            about: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            rule = f"the models of {name} were not kept"
            advice = "kit run RECIPE --keep-models"
            raise DataError(rule, place=str(path.parent), got=type(error).__name__, next=advice) from error
        if about["format"] > FORMAT:
            raise DataError("written by a later kit", place=str(path), got=about["format"], next="update kit")
        for source, key in about["source_keys"].items():
            if (found := self.about(source)["key"]) != key:
                rule, advice = f"{name} was made of another {source}", "run the recipe again with --keep-models"
                raise DataError(rule, place=str(path.parent), got=found[:8], allowed=key[:8], next=advice)
        return about

    def of(self, name: str) -> Oof:
        """Return the predictions of a model or blend for the new rows, one per fold model: an OOF without OOF rows."""
        if name not in self._made:
            about = self.about(name)
            for file in intact.altered(self.folder / name, oofdir.read_card(self.folder / name) or {}, "models/"):
                place, advice = str(self.folder / name / file), "run the recipe again with --keep-models"
                raise DataError(intact.WHOLE, place=place, next=advice)
            self._made[name] = self._blend(name, about) if about["kind"] == "blend" else self._model(name, about)
        return self._made[name]

    def _blend(self, name: str, about: Mapping[str, Any]) -> Oof:
        own = self._own(name, about)
        use = own.get(about["stacker"]["use"], about["stacker"]["use"])
        stacker = Use("stackers", use, registry.load("stackers", use).Params.model_validate(about["stacker"]["params"]))
        metric = own.get(about["metric"], about["metric"])
        spec = BlendSpec(stacker, metric, task_of(about["task"]), about["seed"], tuple(about["sources"]))
        kept = saving.load(self.folder / name / "models", "combiner", own)
        sources = [self.of(source) for source in about["sources"]]
        group = None if kept["keys"] is None else self._groups(name, about, kept["keys"])
        test, std = tests_of(spec, kept["combiner"], sources, group)
        return _oof(test, std, registry.load("stackers", use).RETURNS or sources[0].kind)

    def _groups(self, name: str, about: Mapping[str, Any], keys: Array) -> Ints:
        """Return (t,) the group of each new row: the place of its key among those of training, or one past the last."""
        rows = self._rows(name, about)
        values = rows.x[about["stacker"]["params"]["key"]]
        place = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
        return np.where(keys[place] == values, place, len(keys)).astype(np.int64)

    def _model(self, name: str, about: Mapping[str, Any]) -> Oof:
        folder, own = self.folder / name / "models", self._own(name, about)
        rows = self._rows(name, about)
        rows = self._with_computed(rows, about, folder, own)
        parts = [f"refit-seed{s}" for s in range(about["seeds"])]
        groups = [parts] if about["refit"] else _parts(about)
        task, use = task_of(about["task"]), own.get(about["use"], about["use"])
        preds = [
            _averaged([_fold(folder / part, use, task, rows, own) for part in group], about["average"])
            for group in groups
        ]
        preds = preds if about["refit"] else taught(preds, about.get("untaught", ()))
        stds = [p.std for p in preds if p.std is not None]
        kind: PredKind = "value" if task.kind == "regression" else "proba"
        test = np.stack([p.mean for p in preds])
        if about.get("over"):
            test = carried(test, self.of(about["over"]).test)
        return _oof(test, np.stack(stds) if len(stds) == len(preds) else None, kind)

    def _rows(self, name: str, about: Mapping[str, Any]) -> Rows:
        """Return the new rows as a bundle reads them, with the columns of the further tables that it keeps."""
        folder = self.folder / name / "models"
        frame, told = newrows.joined(self.frame, about.get("joins", ()), folder / "joins")
        rows, notes = newrows.read(frame, about["columns"], folder / "levels")
        self.notes |= dict.fromkeys([*told, *notes])
        return rows

    def _with_computed(self, rows: Rows, about: Mapping[str, Any], folder: Path, own: Mapping[str, str]) -> Rows:
        """Return the rows with the predictions of sources and the computed columns beside the data's own."""
        x: dict[str, Array] = dict(rows.x)
        header = dict(rows.header)
        for alias, source in about["sources"].items():
            found = self.of(source).test_mean()
            x[alias] = found.mean if found.std is None else np.column_stack([found.mean, found.std])
            header[alias] = Column("vector", width=x[alias].shape[1])
        for alias in about["computed"]:
            learnt = saving.load(folder / "columns" / alias, "learnt", own)
            if isinstance(learnt, Costly):
                learnt = learnt.placed(self.folder.parent.parent / ".kit" / "embeddings", "cpu")
            header[alias], x[alias] = computed(alias, learnt, Rows(rows.row, x, dict(header)))
        return Rows(rows.row, x, header)

    def _own(self, name: str, about: Mapping[str, Any]) -> dict[str, str]:
        """Return code -> file of the user's own plug-ins in a bundle."""
        own = {code: str(self.folder / name / "models" / file) for code, file in about.get("own", {}).items()}
        if own and not self.trust:
            rule, advice = "the model runs code of the recipe's own, which must be trusted", "add --trust"
            raise RecipeError(rule, place=name, got=", ".join(own.values()), next=advice)
        return own


def labels(about: Mapping[str, Any], metric: str, pred: Pred) -> Array | None:
    """Return (t,) the decided class codes, or whole ratings, where the metric wants labels, else None."""
    module = registry.load("metrics", metric)
    task: Task = task_of(about["task"])
    if module.WANTS != "label":
        return None
    found = np.asarray(module.decide(task, pred.mean))
    return np.clip(found, *about["y_range"]) if task.kind == "regression" and "y_range" in about else found


def _parts(about: Mapping[str, Any]) -> list[list[str]]:
    return [[f"fold{k}-seed{s}" for s in range(about["seeds"])] for k in range(about["folds"])]


def _fold(folder: Path, use: str, task: Task, rows: Rows, own: Mapping[str, str]) -> Pred:
    """Return the prediction of one kept fit."""
    learnt = saving.load(folder, "replay", own)
    fitted = registry.load("models", use).load(folder)
    design = Design(tuple(block_of(feature, rows) for feature in learnt["features"]), None, rows.w, rows.v)
    return decoded(learnt["codec"], fitted, design, rows, task)


def _averaged(preds: list[Pred], space: str) -> Pred:
    stds = [p.std for p in preds if p.std is not None]
    std: Floats32 | None = np.stack(stds) if len(stds) == len(preds) else None
    return average(np.stack([p.mean for p in preds]), std, spread=True, space=space)


def _oof(test: Floats32, std: Floats32 | None, kind: PredKind) -> Oof:
    none = np.empty((1, 0), np.float32)
    pred = np.empty((1, 0, test.shape[2]), np.float32)
    return Oof(none.astype(np.int16), np.empty(0), pred, test, None if std is None else none, std, kind)
