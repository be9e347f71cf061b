"""Fitted boosters: the trees in their library's own format, and the constant where there is nothing to learn."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from kit.contracts import Run
from kit.models import _ranking as ranking
from kit.models._boosting import Sample
from kit.models._losses import Loss
from kit.types import Array, Bools, Design, Floats, Floats32, Pred, Task


@dataclass(frozen=True, eq=False)
class Trees:
    """A boosted model: the library's own bytes plus what is needed to read its predictions.

    Shape: curve (steps,) float64; seen: position of a category -> the codes met in learning, where the library cannot
    tell new ones from old.
    """

    FILE: ClassVar[str] = "model"

    model: bytes
    objective: str
    n_columns: int
    best_step: int
    curve: Floats
    seen: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    facts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    threads: int = 1
    device: str = "cpu"
    notes: tuple[str, ...] = ()

    def ran_on(self, run: Run, device: str, library: str) -> Self:
        """Return the model with its threads and the device it was trained on; a note where that is not the run's."""
        fell = run.device != "cpu" and device.lower() == "cpu"
        notes = (f"{library} has no GPU support here: trained on the CPU",) if fell else ()
        return replace(
            self, threads=run.threads, device="cpu" if device.lower() == "cpu" else "cuda", notes=(*self.notes, *notes)
        )

    def placed_by(self, task: Task, probe: Sample | None) -> Self:
        """Return the model with its scores brought to a scale by some learning rows, where queries are ranked."""
        if probe is None:
            return self
        return replace(self, facts={**self.facts, "rank": ranking.placing(task, self.raw(probe.x)[:, 0], probe)})

    def placed(self, raw: Floats) -> Floats:
        """Return what the library predicts (n, m), scores on their scale."""
        return ranking.placed(raw, self.facts["rank"]) if "rank" in self.facts else raw

    @abstractmethod
    def raw(self, x: Floats32) -> Floats:
        """Return what the library predicts (n, m) for a matrix (n, d)."""

    @abstractmethod
    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""

    @abstractmethod
    def importance(self) -> Floats | None:
        """Return (d,) the gain per matrix column."""

    def save(self, folder: Path) -> None:
        """Write the model in the library's format, the rest as JSON."""
        (folder / self.FILE).write_bytes(self.model)
        meta = {
            "objective": self.objective,
            "n_columns": self.n_columns,
            "best_step": self.best_step,
            "curve": self.curve.tolist(),
            "seen": {str(k): v for k, v in self.seen.items()},
            "facts": {k: list(v) for k, v in self.facts.items()},
            "device": self.device,
            "notes": self.notes,
        }
        (folder / "meta.json").write_text(json.dumps(meta), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self | Constant:
        """Return what `save` wrote, or the `Constant` written in its stead."""
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        if "constant" in meta:
            return Constant(np.array(meta["constant"], np.float32), meta["std"], meta["n_columns"])
        return cls(
            (folder / cls.FILE).read_bytes(),
            meta["objective"],
            meta["n_columns"],
            meta["best_step"],
            np.array(meta["curve"], np.float64),
            {int(k): tuple(v) for k, v in meta["seen"].items()},
            meta["facts"],
            device=meta["device"],
            notes=tuple(meta["notes"]),
        )


@dataclass(frozen=True, eq=False)
class Constant:
    """A model that says the same for every row: for one class or value in y, or columns that never vary.

    Shape: mean (m,) float32.
    """

    mean: Floats32
    std: float | None
    n_columns: int
    best_step: int = 0
    curve: Floats = field(default_factory=lambda: np.empty(0))

    def predict(self, design: Design) -> Pred:
        """Return the constant for each row."""
        n = len(design)
        std = None if self.std is None else np.full(n, self.std, np.float32)
        return Pred(np.tile(self.mean, (n, 1)), std)

    def importance(self) -> Floats:
        """Return (d,) zeros."""
        return np.zeros(self.n_columns)

    def save(self, folder: Path) -> None:
        """Write the constant as JSON."""
        meta = {"constant": self.mean.tolist(), "std": self.std, "n_columns": self.n_columns}
        (folder / "meta.json").write_text(json.dumps(meta), "utf-8")


def is_flat(sample: Sample) -> bool:
    """Return whether there is nothing to learn: one value in y, or in each query, or no column that varies. The
    libraries fail there."""
    x, y = sample.x, sample.y
    if sample.sizes is not None and not ranking.teaches(sample):
        return True
    return bool((y == y[0]).all()) or not any(_varies(x[:, i]) for i in range(x.shape[1]))


def constant_of(loss: Loss, task: Task, sample: Sample) -> Constant:
    """Return the best constant under a loss (of those without a closed form, the mean)."""
    y, w = sample.y, sample.weight
    mean = float(np.average(y, weights=w))
    std = math.sqrt(float(np.average((y - mean) ** 2, weights=w))) if loss.name == "gaussian" else None
    if task.kind == "multiclass":
        out = np.bincount(y.astype(int), w, task.n_out) / w.sum()
    elif loss.name in ("absolute", "mape", "quantile"):
        order = np.argsort(y, kind="stable")
        share = loss.level if loss.name == "quantile" else 0.5
        out = y[order][[min(int(np.searchsorted(np.cumsum(w[order]), share * w.sum())), len(y) - 1)]]
    else:
        out = np.array([mean])
    return Constant(np.asarray(out, np.float32), std, sample.x.shape[1])


def pred_of(mean: Floats, std: Floats | None = None) -> Pred:
    """Return the prediction of float64 outputs (n, m) and std (n,)."""
    return Pred(mean.astype(np.float32), None if std is None else std.astype(np.float32))


def _varies(column: Array) -> bool:
    return bool(((column != column[0]) & ~(np.isnan(column) & np.isnan(column[0]))).any())


def seen_codes(x: Floats32, categories: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    """Return position of a category -> its distinct codes, sorted."""
    return {i: tuple(np.unique(x[~np.isnan(x[:, i]), i]).astype(int).tolist()) for i in categories}


def without_new(x: Floats32, seen: Mapping[int, tuple[int, ...]]) -> Floats32:
    """Return x with category codes that learning never met set to NaN; x itself where there is none."""
    copied = False
    for i, codes in seen.items():
        new = _is_new(x[:, i], codes)
        if new.any():
            x = x if copied else x.copy(order="K")
            copied = True
            x[new, i] = np.nan
    return x


def _is_new(column: Array, codes: tuple[int, ...]) -> Bools:
    known = np.zeros(max(codes, default=-1) + 1, np.bool_)
    known[list(codes)] = True
    new = ~np.isnan(column)
    inside = column < len(known)
    new[inside] = ~known[column[inside].astype(int)]
    return new
