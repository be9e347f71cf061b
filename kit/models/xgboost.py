"""Gradient boosting with XGBoost: histogram trees, native categories and missing values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from kit.contracts import Run
from kit.models import _boosting as boosting
from kit.models._native import XGBOOST
from kit.models._trees import Constant, Trees, constant_of, seen_codes, without_new
from kit.params import Scalar, Tune
from kit.types import Design, Floats, Objective, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ("xgboost",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "logloss", "softmax")
STEPS = "n_estimators"
STEP_GROWS = True
DATA_PARAMS: tuple[str, ...] = ("max_bin",)
DEVICES: tuple[str, ...] = ("cpu", "cuda")
COST = 1.3

_OBJECTIVE = {
    "squared": "reg:squarederror",
    "absolute": "reg:absoluteerror",
    "logloss": "binary:logistic",
    "softmax": "multi:softprob",
}
_FITS = {
    "regression": (
        *("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror", "reg:quantileerror"),
        *("reg:gamma", "reg:tweedie", "reg:logistic", "count:poisson"),
    ),
    "binary": ("reg:logistic",),
    "multiclass": (),
}


class Params(boosting.BoosterParams):
    """Parameters of XGBoost. Defaults: better, on our sets, than the library's own and than pytabkit's XGB-TD."""

    NATIVE: ClassVar[Mapping[str, str]] = XGBOOST
    PORTFOLIO: ClassVar[tuple[Mapping[str, Scalar], ...]] = (
        {"depth": 4, "learning_rate": 0.05, "colsample_level": 0.7, "min_weight": 1.0, "l2": 2.0},
        {"depth": 3, "learning_rate": 0.08, "subsample": 0.8, "min_weight": 5.0, "l1": 0.5},
        {"grow": "lossguide", "depth": 10, "leaves": 24, "learning_rate": 0.03, "min_weight": 4.0, "subsample": 0.8},
    )
    """Chosen by benchmarks/portfolio.py, on holdouts cut from the training rows of 7 sets."""
    OWN: ClassVar[Mapping[str, str]] = {
        "num_boost_round": "n_estimators",
        "eta": "learning_rate",
        "early_stopping_rounds": "patience",
        "max_depth": "depth",
        "max_leaves": "leaves",
        "grow_policy": "grow",
        "min_child_weight": "min_weight",
        "subsample": "subsample",
        "colsample_bytree": "colsample",
        "colsample_bylevel": "colsample_level",
        "colsample_bynode": "colsample_node",
        "alpha": "l1",
        "lambda": "l2",
        "max_cat_to_onehot": "onehot",
        "max_bin": "max_bin",
    }
    MANAGED: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("seed", "seed_per_iteration"), boosting.SEED),
        "nthread": boosting.THREADS,
        "device": boosting.DEVICE,
        "verbosity": boosting.QUIET,
        **dict.fromkeys(("eval_metric", "disable_default_eval_metric"), boosting.STOP),
        **dict.fromkeys(("enable_categorical", "feature_types"), boosting.COLUMNS),
        "num_class": boosting.CLASSES,
        **dict.fromkeys(("tree_method", "validate_parameters", "missing"), boosting.FIXED),
    }

    n_estimators: Annotated[int, Field(ge=1)] = 2000
    """Most rounds of boosting; as many as there are without stop rows."""
    learning_rate: Annotated[float, Field(gt=0, le=1), Tune(0.005, 0.1, log=True)] = 0.04
    """How much of each tree is added."""
    patience: Annotated[int, Field(ge=1)] = 100
    """A fit ends after this many rounds without a better stop loss."""
    depth: Annotated[int, Field(ge=0, le=30), Tune(4, 10)] = 6
    """Deepest level of a tree; 0 = no limit but `leaves`."""
    leaves: Annotated[int, Field(ge=0), Tune(8, 1024, log=True)] = 0
    """Most leaves of a tree; 0 = no limit but `depth`."""
    grow: Annotated[Literal["depthwise", "lossguide"], Tune(choices=("depthwise", "lossguide"))] = "depthwise"
    """Grow level by level, or the best leaf first."""
    min_weight: Annotated[float, Field(ge=0), Tune(0.001, 5.0, log=True)] = 2.0
    """Smallest sum of hessians in a leaf."""
    subsample: Annotated[float, Field(gt=0, le=1), Tune(0.6, 1.0)] = 0.7
    """Share of the rows drawn for each tree."""
    colsample: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the columns drawn for each tree."""
    colsample_level: Annotated[float, Field(gt=0, le=1), Tune(0.6, 1.0)] = 1.0
    """Share of the columns drawn for each level."""
    colsample_node: Annotated[float, Field(gt=0, le=1), Tune(0.6, 1.0)] = 1.0
    """Share of the columns drawn for each node."""
    l1: Annotated[float, Field(ge=0), Tune(1e-4, 5.0, log=True)] = 0.0
    """L1 penalty on leaf values."""
    l2: Annotated[float, Field(ge=0), Tune(1e-4, 5.0, log=True)] = 1.0
    """L2 penalty on leaf values."""
    onehot: Annotated[int, Field(ge=1), Tune(8, 100, log=True)] = 4
    """A column with fewer categories is split one against the rest."""
    max_bin: Annotated[int, Field(ge=2, le=65535)] = 256
    """Most histogram bins per column."""


@dataclass(frozen=True)
class Data:
    """The library's binned matrices. `stop` are the stop rows' y and v."""

    train: Any
    valid: Any
    stop: boosting.Sample | None
    n_columns: int
    seen: Mapping[int, tuple[int, ...]]
    constant: Constant | None = None


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the binned rows; reusable by `fit` for any params equal in DATA_PARAMS."""
    import xgboost as xgb

    rows = boosting.learning(train, "C")
    constant = constant_of(task, rows)
    if constant is not None:
        return Data(None, None, None, train.n_columns, {}, constant)
    # Bins of a new category would silently be those of the last known one, in stop rows only: make it missing.
    seen = seen_codes(rows.x, train.categories)
    kinds = ["c" if i in train.categories else "q" for i in range(train.n_columns)]
    config: dict[str, Any] = {"max_bin": params.max_bin, "nthread": run.threads, "feature_types": kinds}
    config["enable_categorical"] = True
    data = xgb.QuantileDMatrix(rows.x, rows.y, weight=rows.weight, **config)
    del rows  # Else its matrix would still be there while that of the stop rows is made.
    held, valid = boosting.stopping(stop, "C"), None
    if held is not None:
        x = without_new(held.x, seen)
        valid = xgb.QuantileDMatrix(x, held.y, weight=held.weight, ref=data, **config)
        held = boosting.Sample(held.x[:, :0].copy(), held.y, held.weight)
    return Data(data, valid, held, train.n_columns, seen)


def fit(params: Params, task: Task, data: Data, run: Run) -> Trees | Constant:
    """Return the trees, kept up to the best stop loss unless `run.steps` says how many.

    Raises:
        RecipeError: a native objective or booster does not fit the task.
    """
    import xgboost as xgb

    if data.constant is not None:
        return data.constant
    config = _config(params, task, run)
    matrices = [data.train] if data.valid is None else [data.train, data.valid]
    booster = xgb.Booster(config, matrices)
    # dart rescales old trees: no round before the last stands on its own.
    choose = data.stop is not None and config.get("booster") != "dart"
    monitor = boosting.Monitor(run, params.patience, choose=choose)
    for step in range(run.steps or params.n_estimators):
        booster.update(data.train, step)
        if monitor.ends(_stop_loss(task, data, booster)):
            break
    return Forest(
        bytes(booster[: monitor.best_step].save_raw("ubj")),
        task.objective,
        data.n_columns,
        monitor.best_step,
        np.array(monitor.curve, np.float64),
        data.seen,
        threads=run.threads,
    )


def _stop_loss(task: Task, data: Data, booster: Any) -> float:
    """Return the stop rows' loss, or NaN where there are none. Only the new trees are evaluated: the rest is cached."""
    if data.stop is None:
        return float("nan")
    return boosting.stop_loss(task.objective, data.stop, np.asarray(booster.predict(data.valid), np.float64))


def _config(params: Params, task: Task, run: Run) -> dict[str, Any]:
    """Return the parameters as XGBoost wants them; native ones last, so that they win."""
    native = dict(params.native)
    boosting.refuse_unless(native.get("booster", "gbtree"), ("gbtree", "dart"), "booster")
    config = {
        "tree_method": "hist",
        "device": run.device,
        "nthread": run.threads,
        "verbosity": 0,
        "seed": int(run.rng.integers(2**31 - 1)),
        "disable_default_eval_metric": 1,
        "max_bin": params.max_bin,
        "eta": params.learning_rate,
        "max_depth": params.depth,
        "max_leaves": params.leaves,
        "grow_policy": params.grow,
        "min_child_weight": params.min_weight,
        "subsample": params.subsample,
        "colsample_bytree": params.colsample,
        "colsample_bylevel": params.colsample_level,
        "colsample_bynode": params.colsample_node,
        "alpha": params.l1,
        "lambda": params.l2,
        "max_cat_to_onehot": params.onehot,
        **native,
    }
    if task.kind == "multiclass":
        config["num_class"] = task.n_out
    own = _OBJECTIVE[task.objective]
    return {**config, "objective": boosting.objective_of(native.get("objective"), task, own, _FITS)}


def load(folder: Path) -> Trees | Constant:
    """Return the model that `save` wrote."""
    return Forest.load(folder)


@dataclass(frozen=True, eq=False)
class Forest(Trees):
    """Trees of XGBoost in its UBJSON format."""

    FILE: ClassVar[str] = "model.ubj"

    @cached_property
    def _booster(self) -> Any:
        import xgboost as xgb

        booster = xgb.Booster({"nthread": self.threads, "verbosity": 0})
        booster.load_model(bytearray(self.model))
        return booster

    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""
        x = without_new(design.matrix("C"), self.seen)
        out = self._booster.inplace_predict(x, validate_features=False)
        return Pred(np.asarray(out, np.float32).reshape(len(x), -1))

    def importance(self) -> Floats:
        """Return (d,) the gain per matrix column."""
        gain = self._booster.get_score(importance_type="total_gain")
        return np.array([gain.get(f"f{i}", 0.0) for i in range(self.n_columns)], np.float64)
