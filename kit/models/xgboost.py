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
from kit.models import _constraints as constraints
from kit.models import _gpu as gpu
from kit.models import _objectives as objectives
from kit.models import _portfolio as portfolio
from kit.models._classes import check_classes, class_weighted
from kit.models._native import XGBOOST, XGBOOST_UNUSED
from kit.models._trees import Constant, Trees, constant_of, is_flat, pred_of, seen_codes, without_new
from kit.params import Scalar, Tune
from kit.types import Design, Floats, Floats32, Objective, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ("xgboost",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "logloss", "softmax")
STEPS = "n_estimators"
STEP_GROWS = True
DATA_PARAMS: tuple[str, ...] = ("max_bin", "class_weight")
DEVICES: tuple[str, ...] = ("cpu", "cuda")
COST = 1.3

_DIALECT = objectives.Dialect(
    "XGBoost",
    native={
        **{"squared": "reg:squarederror", "absolute": "reg:absoluteerror", "huber": "reg:pseudohubererror"},
        **{"squared_log": "reg:squaredlogerror", "quantile": "reg:quantileerror", "poisson": "count:poisson"},
        **{"gamma": "reg:gamma", "tweedie": "reg:tweedie", "cross_entropy": "reg:logistic"},
        **{"logloss": "binary:logistic", "softmax": "multi:softprob"},
        **{"lambdarank": "rank:ndcg", "rank_map": "rank:map", "pairwise": "rank:pairwise"},
    },
    aliases={"reg:linear": "squared", "reg:logistic": "cross_entropy", "multi:softmax": "softmax"},
    level={"huber": "huber_slope", "quantile": "quantile_alpha", "tweedie": "tweedie_variance_power"},
    custom={"logcosh": objectives.logcosh, "expectile": objectives.expectile, "fair": objectives.fair},
)


WEIGHED = "XGBoost weighs whole queries: a query counts the mean weight of its rows"


class Params(boosting.BoosterParams):
    """Parameters of XGBoost. Defaults: better, on our sets, than the library's own and than pytabkit's XGB-TD."""

    NATIVE: ClassVar[Mapping[str, str]] = XGBOOST
    PORTFOLIO: ClassVar[tuple[Mapping[str, Scalar], ...]] = portfolio.XGBOOST
    OWN: ClassVar[Mapping[str, str]] = {
        **{"objective": "objective", "monotone_constraints": "monotone", "interaction_constraints": "interactions"},
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
        **dict.fromkeys(XGBOOST_UNUSED, boosting.UNUSED),
        **dict.fromkeys(("tree_method", "validate_parameters", "missing"), boosting.FIXED),
    }

    interactions: tuple[tuple[str, ...], ...] = ()
    """Groups of columns, by name, that may meet on one path of a tree; a column in no group stays alone. () = all."""
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
    onehot: Annotated[int, Field(ge=1), Tune(8, 100, log=True, categories=True)] = 4
    """A column with fewer categories is split one against the rest."""
    max_bin: Annotated[int, Field(ge=2, le=65535)] = 256
    """Most histogram bins per column."""


@dataclass(frozen=True)
class Data:
    """The library's binned matrices. `stop`: the stop rows' y and v; `flat`: rows that teach nothing; `probe`: some of
    them, where queries are ranked."""

    train: Any
    valid: Any
    stop: boosting.Sample | None
    names: tuple[str, ...]
    seen: Mapping[int, tuple[int, ...]]
    flat: boosting.Sample | None = None
    probe: boosting.Sample | None = None
    notes: tuple[str, ...] = ()


def check(params: Params, task: Task) -> None:
    """Raise RecipeError where the objective or the class weights do not fit the task."""
    objectives.choose(params.objective, params.level, params.native, task, _DIALECT)
    check_classes(params.class_weight, task)


def ranks(params: Params) -> bool:
    """Return whether the rows of a query are ordered: designs then tell queries, and predictions are scores."""
    return objectives.ranks(params.objective, _DIALECT)


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the binned rows; reusable by `fit` for any params equal in DATA_PARAMS."""
    import xgboost as xgb

    rows = boosting.learning(class_weighted(train, task, params.class_weight), "C")
    if is_flat(rows):
        return Data(None, None, None, train.names, {}, rows)
    # Bins of a new category would silently be those of the last known one, in stop rows only: make it missing.
    categories = train.categories
    seen = seen_codes(rows.x, categories)
    kinds = ["c" if i in categories else "q" for i in range(train.n_columns)]
    config: dict[str, Any] = {"max_bin": params.max_bin, "nthread": run.threads, "feature_types": kinds}
    config["enable_categorical"] = True
    data = xgb.QuantileDMatrix(rows.x, rows.y, weight=rows.of_queries(), group=rows.sizes, **config)
    notes, probe = (WEIGHED,) if rows.torn_weights() else (), rows.probe()
    del rows  # Else its matrix would still be there while that of the stop rows is made.
    held, valid = boosting.stopping(stop, "C"), None
    if held is not None:
        x = without_new(held.x, seen)
        valid = xgb.QuantileDMatrix(x, held.y, weight=held.of_queries(), group=held.sizes, ref=data, **config)
        held = held.bare()
    return Data(data, valid, held, train.names, seen, probe=probe, notes=notes)


def fit(params: Params, task: Task, data: Data, run: Run) -> Trees | Constant:
    """Return the trees, kept up to the best stop loss unless `run.steps` says how many.

    Raises:
        RecipeError: the objective or booster does not fit the task, or a constraint names no column.
        FitError: the library refuses a parameter.
    """
    import xgboost as xgb

    chosen = objectives.choose(params.objective, params.level, params.native, task, _DIALECT)
    if data.flat is not None:
        return constant_of(chosen.loss, task, data.flat)
    y = data.train.get_label()
    # Without exponential gains a grade is worth itself, and may be any.
    gains = None if params.native.get("ndcg_exp_gain", True) else range(int(y.max()) + 1)
    objectives.check_target(chosen.loss, y, gains)
    loss = boosting.stopper(chosen.loss, data.stop, data.probe, gains)
    with boosting.told("XGBoost", xgb.core.XGBoostError):
        config = _config(params, task, data, run) | chosen.extra | _objective(chosen, data.train)
        booster = xgb.Booster(config, [data.train] if data.valid is None else [data.train, data.valid])
        # dart rescales old trees: no round before the last stands on its own.
        choose = data.stop is not None and config.get("booster") != "dart"
        monitor = boosting.Monitor(run, params.patience, choose=choose)
        gradients = _gradients(chosen)
        for step in range(run.steps or params.n_estimators):
            booster.update(data.train, step, fobj=gradients)
            if monitor.ends(_stop_loss(loss, data, booster)):
                break
        model = bytes(booster[: monitor.best_step].save_raw("ubj"))
    steps, curve = monitor.best_step, monitor.as_curve()
    made = Forest(model, chosen.loss.name, len(data.names), steps, curve, data.seen, notes=data.notes)
    return made.placed_by(task, data.probe).ran_on(run, gpu.xgboost(booster), "XGBoost")


def _objective(chosen: objectives.Chosen, train: Any) -> dict[str, Any]:
    """Return the objective; one of kit's own starts, like the library's, from the mean of y."""
    if chosen.native is not None:
        return {"objective": chosen.native}
    y, w = train.get_label(), train.get_weight()
    return {"objective": "reg:squarederror", "base_score": float(np.average(y, weights=w if len(w) else None))}


def _gradients(chosen: objectives.Chosen) -> Any:
    """Return the gradients of one of kit's own objectives as XGBoost calls them, else None."""
    derive = chosen.gradients
    if derive is None or chosen.native is not None:
        return None

    def gradients(raw: Floats32, train: Any) -> tuple[Floats, Floats]:
        first, second = derive(train.get_label().astype(np.float64), raw.astype(np.float64), chosen.loss.level)
        return first * train.get_weight(), second * train.get_weight()

    return gradients


def _stop_loss(loss: boosting.Stopper | None, data: Data, booster: Any) -> float:
    """Return the stop rows' loss, or NaN where there are none. Only the new trees are evaluated: the rest is cached."""
    if loss is None:
        return float("nan")
    return loss(np.asarray(booster.predict(data.valid), np.float64))


def _config(params: Params, task: Task, data: Data, run: Run) -> dict[str, Any]:
    """Return the parameters as XGBoost wants them; native ones last, so that they win."""
    boosting.refuse_unless(params.native.get("booster", "gbtree"), ("gbtree", "dart"), "booster")
    config: dict[str, Any] = {
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
        **params.native,
    }
    if task.kind == "multiclass":
        config["num_class"] = task.n_out
    if any(params.monotone.values()):
        config["monotone_constraints"] = tuple(constraints.directions(params.monotone, data.names, data.seen))
    if params.interactions:
        config["interaction_constraints"] = str(constraints.groups(params.interactions, data.names))
    return config


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

    def raw(self, x: Floats32) -> Floats:
        """Return what the library predicts."""
        out = self._booster.inplace_predict(without_new(x, self.seen), validate_features=False)
        return np.asarray(out, np.float64).reshape(len(x), -1)

    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""
        return pred_of(self.placed(self.raw(design.matrix("C"))))

    def importance(self) -> Floats:
        """Return (d,) the gain per matrix column."""
        gain = self._booster.get_score(importance_type="total_gain")
        return np.array([gain.get(f"f{i}", 0.0) for i in range(self.n_columns)], np.float64)
