"""Gradient boosting with CatBoost: oblivious trees, ordered statistics of categories, and a predicted std."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from kit.contracts import Run, never
from kit.models import _boosting as boosting
from kit.models import _catboost as dialect
from kit.models import _constraints as constraints
from kit.models import _gpu as gpu
from kit.models import _objectives as objectives
from kit.models import _ranking as ranking
from kit.models._classes import check_classes, class_weighted
from kit.models._matrix import frame_of
from kit.models._native_catboost import CATBOOST, CATBOOST_UNUSED
from kit.models._trees import Constant, Trees, constant_of, is_flat, pred_of
from kit.params import Tune
from kit.types import Design, Floats, Floats32, Ints, Objective, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ("catboost",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "logloss", "softmax", "gaussian")
STEPS = "n_estimators"
STEP_GROWS = True
DATA_PARAMS: tuple[str, ...] = ("class_weight", "objective")
DEVICES: tuple[str, ...] = ("cpu", "cuda")
COST = 3.0

Grow = Literal["SymmetricTree", "Depthwise", "Lossguide"]


class Params(boosting.BoosterParams):
    """Parameters of CatBoost. Defaults: chosen on holdouts of 13 sets, see docs/learners.md."""

    NATIVE: ClassVar[Mapping[str, str]] = CATBOOST
    OWN: ClassVar[Mapping[str, str]] = {
        **{"loss_function": "objective", "monotone_constraints": "monotone"},
        "iterations": "n_estimators",
        "learning_rate": "learning_rate",
        "od_wait": "patience",
        "depth": "depth",
        "grow_policy": "grow",
        "subsample": "subsample",
        "rsm": "colsample",
        "l2_leaf_reg": "l2",
        "random_strength": "random_strength",
        "leaf_estimation_iterations": "leaf_steps",
        "one_hot_max_size": "onehot",
        "model_size_reg": "model_size",
        "max_ctr_complexity": "ctr_complexity",
        "border_count": "max_bin",
    }
    MANAGED: ClassVar[Mapping[str, str]] = {
        "random_seed": boosting.SEED,
        "thread_count": boosting.THREADS,
        **dict.fromkeys(("task_type", "devices"), boosting.DEVICE),
        **dict.fromkeys(("verbose", "logging_level", "metric_period"), boosting.QUIET),
        **dict.fromkeys(("eval_metric", "custom_metric", "od_type", "od_pval", "use_best_model"), boosting.STOP),
        **dict.fromkeys(("eval_fraction", "best_model_min_trees"), boosting.STOP),
        **dict.fromkeys(CATBOOST_UNUSED, boosting.UNUSED),
        **dict.fromkeys(("cat_features", "ignored_features"), boosting.COLUMNS),
        **dict.fromkeys(("classes_count", "class_names", "target_border"), boosting.CLASSES),
        **dict.fromkeys(("class_weights", "auto_class_weights", "scale_pos_weight"), boosting.WEIGHTS),
        **dict.fromkeys(("save_snapshot", "snapshot_file", "snapshot_interval", "train_dir"), boosting.FILES),
        **dict.fromkeys(("allow_writing_files", "leaf_estimation_backtracking", "allow_const_label"), boosting.FIXED),
    }

    n_estimators: Annotated[int, Field(ge=1)] = 4000
    """Most rounds of boosting; as many as there are without stop rows."""
    learning_rate: Annotated[float, Field(gt=0, le=1), Tune(0.005, 0.1, log=True)] = 0.03
    """How much of each tree is added."""
    patience: Annotated[int, Field(ge=1)] = 150
    """A fit ends after this many rounds without a better stop loss."""
    depth: Annotated[int, Field(ge=1, le=16), Tune(4, 8)] = 5
    """Levels of a tree."""
    grow: Annotated[Grow, Tune(choices=("SymmetricTree", "Depthwise"))] = "SymmetricTree"
    """One split for a whole level, level by level, or the best leaf first."""
    subsample: Annotated[float, Field(gt=0, le=1), Tune(0.7, 1.0)] = 0.8
    """Share of the rows drawn for each tree."""
    colsample: Annotated[float, Field(gt=0, le=1), Tune(0.85, 1.0)] = 1.0
    """Share of the columns drawn for each level."""
    l2: Annotated[float, Field(ge=0), Tune(1e-4, 5.0, log=True)] = 3.0
    """L2 penalty on leaf values; at least 0.1 for the gaussian objective, which has no solution without."""
    random_strength: Annotated[float, Field(ge=0)] = 1.0
    """Noise in the score of splits."""
    leaf_steps: Annotated[int, Field(ge=1), Tune(1, 20, log=True)] = 1
    """Newton steps per leaf value; an absolute loss has none to make, the gaussian objective makes one."""
    onehot: Annotated[int, Field(ge=0), Tune(8, 100, log=True, categories=True)] = 15
    """A column with at most this many categories is one-hot encoded."""
    model_size: Annotated[float, Field(ge=0), Tune(0.1, 1.5, log=True, categories=True)] = 0.5
    """Penalty on statistics of columns with many categories."""
    ctr_complexity: Annotated[int | None, Field(ge=1), Tune(2, 5, categories=True)] = None
    """Most categories combined into one. None: the library's choice, 4."""
    max_bin: Annotated[int, Field(ge=2, le=65535)] = 254
    """Most borders per column."""

    def idle(self, task: Task) -> frozenset[str]:
        """Return what the way rows are drawn and the loss leave unused."""
        return dialect.unused(self.native, dialect.chosen_of(self.objective, self.level, task).loss.name)


@dataclass(frozen=True)
class Data:
    """The library's pools. `present` (c,) are the classes among the learning rows; scale = mean and sd of y; `flat`:
    rows that teach nothing; `probe`: some of the rows, where queries are ranked."""

    train: Any
    valid: Any
    names: tuple[str, ...]
    categories: tuple[int, ...]
    present: Ints
    scale: tuple[float, float] = (0.0, 1.0)
    flat: boosting.Sample | None = None
    probe: boosting.Sample | None = None
    notes: tuple[str, ...] = ()


def check(params: Params, task: Task) -> None:
    """Raise RecipeError where the objective or the class weights do not fit the task."""
    loss = dialect.chosen_of(params.objective, params.level, task).loss
    dialect.refuse(loss.name, params.grow, task, constrained=any(params.monotone.values()))
    check_classes(params.class_weight, task)


def ranks(params: Params) -> bool:
    """Return whether the rows of a query are ordered: designs then tell queries, and predictions are scores."""
    return dialect.is_ranking(params.objective)


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the rows as pools. CatBoost bins them in each fit, which takes less time than a few trees."""
    rows = boosting.learning(class_weighted(train, task, params.class_weight), "F")
    held, categories = boosting.stopping(stop, "F"), tuple(sorted(train.categories))
    if is_flat(rows):
        return Data(None, None, train.names, categories, np.empty(0, np.int64), flat=rows)
    present = np.unique(rows.y).astype(np.int64) if task.kind == "multiclass" else np.empty(0, np.int64)
    if held is not None and len(present):
        held = boosting.chosen(held, np.isin(held.y, present))
    scale, loss = (0.0, 1.0), dialect.chosen_of(params.objective, params.level, task).loss.name
    if held is not None and held.sizes is not None:
        ranking.Stop.of(held)  # an error where there is nothing to tell losses by
    if loss == "gaussian":
        # The variance output starts from 1, far away where y is large.
        mean = float(np.average(rows.y, weights=rows.weight))
        scale = (mean, float(np.sqrt(np.average((rows.y - mean) ** 2, weights=rows.weight))))
    about = {"cat_features": list(categories), "thread_count": run.threads}
    pools = [_pool(s, train.categories, present, scale, about | dialect.weights_of(s, loss)) for s in (rows, held) if s]
    valid = pools[1] if held else None
    notes = (dialect.WEIGHED,) if rows.torn_weights() and loss not in dialect.BY_ROW else ()
    return Data(pools[0], valid, train.names, categories, present, scale, probe=rows.probe(), notes=notes)


def _pool(
    rows: boosting.Sample, categories: Mapping[int, int], present: Ints, scale: tuple[float, float], about: Any
) -> Any:
    import catboost

    y = np.searchsorted(present, rows.y) if len(present) else (rows.y - scale[0]) / scale[1]
    return catboost.Pool(frame_of(rows.x, categories), y, **about)


def fit(params: Params, task: Task, data: Data, run: Run) -> Trees | Constant:
    """Return the trees, kept up to the best stop loss unless `run.steps` says how many.

    Raises:
        RecipeError: the objective does not fit the task, or a constraint names no column.
        FitError: the library found no solution, or refuses a parameter.
    """
    import catboost

    chosen = dialect.chosen_of(params.objective, params.level, task)
    if data.flat is not None:
        return constant_of(chosen.loss, task, data.flat)
    objectives.check_target(chosen.loss, np.asarray(data.train.get_label(), np.float64))
    boosting.stopper(chosen.loss, None, data.probe)  # an error where rows to rank are of no query
    device = gpu.catboost(run)
    with boosting.told("CatBoost", catboost.CatBoostError):
        model = catboost.CatBoost(_config(params, chosen, data, run) | _on_device(params, data, run, device))
        monitor = boosting.Monitor(run, params.patience, choose=data.valid is not None)
        follower = dialect.follower(monitor, chosen, data.scale[1])
        # CatBoost has no callbacks on the GPU, and for each it lists all losses so far: six times the work of small
        # trees. Without one its own patience ends the fit, at the same round, and the curve is read afterwards.
        live = device == "CPU" and run.watch is not never
        model.fit(data.train, eval_set=data.valid, callbacks=[follower] if live else None)
        if not live:
            follower.replay(model.get_evals_result(), model.tree_count_)
        if 0 < monitor.best_step < model.tree_count_ and params.grow == "SymmetricTree":  # it cannot cut other trees
            model.shrink(monitor.best_step)
    facts = {"scale": data.scale, "present": data.present.tolist(), "n_out": (task.n_out,)}
    steps, curve = monitor.best_step, monitor.as_curve()
    made = Forest(_bytes(model), chosen.loss.name, len(data.names), steps, curve, facts=facts, notes=data.notes)
    return made.placed_by(task, data.probe).ran_on(run, device, "CatBoost")


def _config(params: Params, chosen: objectives.Chosen, data: Data, run: Run) -> dict[str, Any]:
    """Return the parameters as CatBoost wants them; native ones last, so that they win."""
    idle = dialect.unused(params.native, chosen.loss.name)
    config: dict[str, Any] = {
        "random_seed": int(run.rng.integers(2**31 - 1)),
        "thread_count": run.threads,
        "logging_level": "Silent",
        "allow_writing_files": False,
        "use_best_model": False,
        "iterations": run.steps or params.n_estimators,
        "learning_rate": params.learning_rate,
        "depth": params.depth,
        "grow_policy": params.grow,
        "boosting_type": "Plain",
        "bootstrap_type": dialect.bootstrap(params.native),
        "l2_leaf_reg": params.l2,
        "random_strength": params.random_strength,
        "one_hot_max_size": 1 if "onehot" in idle else params.onehot,
        "model_size_reg": params.model_size,
        "border_count": params.max_bin,
        # Backtracking compares losses that are summed by thread: the only thing found to make threads change a model.
        "leaf_estimation_backtracking": "No",
        **({} if "subsample" in idle else {"subsample": params.subsample}),
        **({} if "leaf_steps" in idle else {"leaf_estimation_iterations": params.leaf_steps}),
        **params.native,
        "loss_function": chosen.native,
        "eval_metric": dialect.stopped_by(chosen),
    }
    if chosen.loss.name == "gaussian":
        config |= {"leaf_estimation_iterations": 1, "l2_leaf_reg": max(float(config["l2_leaf_reg"]), 0.1)}
    if params.ctr_complexity is not None:
        config["max_ctr_complexity"] = params.ctr_complexity
    if any(params.monotone.values()):
        config["monotone_constraints"] = constraints.directions(params.monotone, data.names, data.categories)
    return config


def _on_device(params: Params, data: Data, run: Run, device: str) -> dict[str, Any]:
    """Return what depends on the device, which on the GPU samples no columns, and on stop rows."""
    patience = {} if run.steps or data.valid is None else {"od_type": "Iter", "od_wait": params.patience}
    drawn = device == "CPU" and not dialect.is_pairwise(params.objective)
    return {"task_type": device, **patience, **({"rsm": params.colsample} if drawn else {})}


def _bytes(model: Any) -> bytes:
    """Return the model in CatBoost's format, without what it writes into it of this one fit: time, name, callbacks."""
    metadata = model.get_metadata()
    metadata["train_finish_time"] = metadata["model_guid"] = ""
    metadata["params"] = re.sub(r',?"callbacks":"[^"]*"', "", metadata["params"])
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(str(path := Path(folder) / Forest.FILE))
        return path.read_bytes()


def load(folder: Path) -> Trees | Constant:
    """Return the model that `save` wrote."""
    return Forest.load(folder)


@dataclass(frozen=True, eq=False)
class Forest(Trees):
    """Trees of CatBoost in its binary format. facts: scale (mean, sd of y), present classes, n_out."""

    FILE: ClassVar[str] = "model.cbm"

    @cached_property
    def _model(self) -> Any:
        import catboost

        model = catboost.CatBoost()
        model.load_model(blob=self.model)
        return model

    def raw(self, x: Floats32) -> Floats:
        """Return what the library predicts."""
        frame = frame_of(x, dict.fromkeys(self._model.get_cat_feature_indices(), 0))
        wanted = dialect.READ_AS.get(self.objective, "RawFormulaVal")
        out = self._model.predict(frame, wanted, ntree_end=self.best_step, thread_count=self.threads)
        made: Floats = np.asarray(out, np.float64).reshape(len(x), -1)
        return made[:, 1:] if self.objective in dialect.POSITIVE else made

    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""
        out = self.placed(self.raw(design.matrix("F")))
        if self.objective == "gaussian":
            mean, sd = self.facts["scale"]
            return pred_of(mean + sd * out[:, :1], sd * np.sqrt(np.maximum(out[:, 1], 1e-8)))
        if self.objective in ("softmax", "one_vs_all"):
            full = np.zeros((len(out), int(self.facts["n_out"][0])))
            full[:, np.array(self.facts["present"], np.int64)] = boosting.shares(out)
            return pred_of(full)
        return pred_of(out)

    def importance(self) -> Floats:
        """Return (d,) how much predictions change, on average, when a column does (CatBoost has no gain)."""
        return np.asarray(self._model.get_feature_importance(type="PredictionValuesChange"), np.float64)
