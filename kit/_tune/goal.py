"""What a trial is scored by: the metric of its out-of-fold predictions, or that of the blend it would be part of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit import registry
from kit._tune import blocks
from kit.canon import stream
from kit.crossfit import BlendSpec, crossfit
from kit.errors import DataError, FitError
from kit.folding import folds_of, task_of
from kit.grouped import shares, unit_of
from kit.judging import Metric
from kit.oof import Oof
from kit.oofobject import load_oof
from kit.rowgroups import weights_of
from kit.scores import score
from kit.stage import Stage, use_of
from kit.store import Store
from kit.types import Bools, Floats, Folds, Ints, Pred, PredKind, Task

CANDIDATE = "candidate"
"""Stands for the OOF of the model that is tuned among the sources of a blend."""


@dataclass(frozen=True)
class Blending:
    """A blend between the model and the goal. `sources`: keys of OOFs or of earlier blends here, or CANDIDATE."""

    key: str
    spec: BlendSpec
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Goal:
    """The score of a trial. `chain`: the blends whose last one is scored; none = the model itself.

    Shape: y, v (n,); group (n,) or None; plain (n,), v without a declared distribution.
    """

    metric: Metric
    task: Task
    folds: Folds
    y: Floats
    v: Floats
    group: Ints | None
    seed: int
    plain: Floats | None = None
    chain: tuple[Blending, ...] = ()
    pool: Mapping[str, Oof] | None = None

    def block_values(self, k: int, held: Pred) -> Floats:
        """Return the pseudo-values (B,) of fold k, lower = better, for the prediction of its held rows.

        NaN where the metric cannot be told of so few rows (AUC where one class is missing); the trial goes on then.
        A blend is fitted on these rows themselves: the same few weights for every trial, so that trials compare.
        """
        rows = self.folds.is_held(k)
        pred = self._through(self._oof({k: held}), rows)
        group = unit_of(self.metric.within, self.v[rows], None if self.group is None else self.group[rows])
        block = blocks.assign(int(rows.sum()), group, stream(self.seed, "blocks", k))
        y, v = self.y[rows], self.v[rows]

        def loss(kept: Bools) -> float:
            return self.metric.sign * self.metric.score(self.task, y[kept], _at(pred, kept), v[kept])

        try:
            return blocks.pseudo_values(loss, block, shares(self.metric.within, v))
        except DataError:
            return np.full(int(block.max()) + 1, np.nan)

    def value(self, held: Sequence[Pred]) -> float:
        """Return the score of a trial whose every fold is predicted.

        Raises:
            FitError: the metric cannot be told.
        """
        oof = self._end(self._oof(dict(enumerate(held))), slice(None))
        found = score(self.task, self.metric.name, oof, self.v)
        if found is None:
            raise FitError("the score of this trial is not finite", got=self.metric.name, next="choose another metric")
        return found

    def weight(self, k: int) -> float:
        """Return how much fold k counts in the score."""
        return float(shares(self.metric.within, self.v[self.folds.is_held(k)]).sum())

    def _oof(self, held: Mapping[int, Pred]) -> Oof:
        """Return the OOF of these folds; rows of the others count as never held."""
        fold = np.full_like(self.folds.held, -1)
        pred = np.full((*fold.shape, self.task.n_out), np.nan, np.float32)
        with_std = all(p.std is not None for p in held.values())
        std = np.full(fold.shape, np.nan, np.float32) if with_std else None
        for k, part in held.items():
            rows, repeat = self.folds.is_held(k), k // self.folds.n_folds
            fold[repeat, rows] = k % self.folds.n_folds
            pred[repeat, rows] = part.mean
            if std is not None and part.std is not None:
                std[repeat, rows] = part.std
        test, test_std = np.zeros((1, 1, self.task.n_out), np.float32), np.ones((1, 1), np.float32)
        kind: PredKind = "value" if self.task.kind == "regression" else "proba"
        return Oof(fold, self.y, pred, test, std, test_std if with_std else None, kind)

    def _through(self, oof: Oof, rows: Bools) -> Pred:
        """Return what the chain makes of an OOF that covers one fold only, at the rows of that fold."""
        repeat = int(np.argmax((oof.fold >= 0).any(axis=1)))
        one = replace(
            oof,
            fold=np.where(rows, 0, -1).astype(np.int16)[None],
            pred=oof.pred[repeat : repeat + 1],
            std=None if oof.std is None else oof.std[repeat : repeat + 1],
        )
        end = self._end(one, slice(repeat, repeat + 1))
        return _at(Pred(end.pred[0], None if end.std is None else end.std[0]), rows)

    def _end(self, candidate: Oof, repeats: slice) -> Oof:
        """Return the OOF of the last blend of the chain; of the candidate itself where there is none."""
        made = {CANDIDATE: candidate}
        end = candidate
        for step in self.chain:
            sources = [made[key] if key in made else self._cut(key, candidate, repeats) for key in step.sources]
            end, _ = crossfit(step.spec, sources, self.v, self.group, plain=self.plain)
            made[step.key] = end
        return end

    def _cut(self, key: str, candidate: Oof, repeats: slice) -> Oof:
        """Return an OOF of the pool at the rows and repeats that the candidate has."""
        source = (self.pool or {})[key]
        std = None if source.std is None else source.std[repeats]
        test_std = None if std is None else np.ones((1, 1), np.float32)
        pred = source.pred[repeats]
        return replace(source, fold=candidate.fold, pred=pred, std=std, test=candidate.test, test_std=test_std)


def goal_of(spec: Mapping[str, Any], store: Store) -> Goal:
    """Return the goal of a job: what it is scored on lies in the store."""
    rows = store.open(spec["rows"])
    steps = [_blending(stage, spec["model"]) for stage in map(Stage.from_json, spec["chain"])]
    if steps and not any(CANDIDATE in step.sources for step in steps):
        steps[0] = replace(steps[0], sources=(*steps[0].sources, CANDIDATE))
    made = {CANDIDATE, *(step.key for step in steps)}
    pool = {key: load_oof(store.open(key)) for step in steps for key in step.sources if key not in made}
    return Goal(
        registry.metric(spec["metric"]),
        task_of(spec["task"]),
        folds_of(store.open(spec["folds"])),
        rows.array("y"),
        weights_of(rows, store.open(spec["v"]).array("v") if spec["v"] else None),
        rows.array("group") if "group" in rows else None,
        int(spec["seed"]),
        rows.array("v"),
        tuple(steps),
        pool,
    )


def _blending(stage: Stage, model: str) -> Blending:
    made, files = stage.ingredients, stage.local["files"]
    sources = tuple(CANDIDATE if key == model else key for key in made["sources"])
    stacker, metric = use_of(made["stacker"], "stackers", files), files.get(made["metric"], made["metric"])
    return Blending(stage.key, BlendSpec(stacker, metric, task_of(made["task"]), made["seed"], sources), sources)


def _at(pred: Pred, rows: Bools) -> Pred:
    return Pred(pred.mean[rows], None if pred.std is None else pred.std[rows])
