"""Gradient boosting with LightGBM: histogram trees grown leaf by leaf, native categories and missing values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from kit.contracts import Run
from kit.models import _boosting as boosting
from kit.models import _constraints as constraints
from kit.models import _gpu as gpu
from kit.models import _objectives as objectives
from kit.models import _portfolio as portfolio
from kit.models import _prior as prior
from kit.models._classes import check_classes, class_weighted
from kit.models._lightgbm import chosen_of, custom, gains, is_ranking, refuse, samples_by_itself
from kit.models._native import LIGHTGBM, LIGHTGBM_FROZEN, LIGHTGBM_UNUSED
from kit.models._trees import Constant, Trees, constant_of, is_flat, pred_of
from kit.params import Tune
from kit.types import Design, Floats, Floats32, Objective, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ("lightgbm",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "logloss", "softmax")
STEPS = "n_estimators"
STEP_GROWS = True
DATA_PARAMS: tuple[str, ...] = ("max_bin", "native", "class_weight")
DEVICES: tuple[str, ...] = ("cpu", "cuda")
COST = 1.0


class Params(boosting.BoosterParams):
    """Parameters of LightGBM. Defaults: better, on our sets, than the library's own and than pytabkit's LGBM-TD."""

    NATIVE: ClassVar[Mapping[str, str]] = LIGHTGBM
    PORTFOLIO: ClassVar = portfolio.LIGHTGBM
    OWN: ClassVar[Mapping[str, str]] = {
        **{"objective": "objective", "monotone_constraints": "monotone", "interaction_constraints": "interactions"},
        **{n: n for n in ("learning_rate", "extra_trees", "cat_l2", "cat_smooth", "max_bin")},
        "num_iterations": "n_estimators",
        "early_stopping_round": "patience",
        "max_depth": "depth",
        "num_leaves": "leaves",
        "min_data_in_leaf": "min_leaf",
        "bagging_fraction": "subsample",
        "feature_fraction": "colsample",
        "lambda_l1": "l1",
        "lambda_l2": "l2",
        "min_data_per_group": "min_category",
        "max_cat_to_onehot": "onehot",
    }
    MANAGED: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("seed", "bagging_seed", "feature_fraction_seed", "data_random_seed"), boosting.SEED),
        **dict.fromkeys(("drop_seed", "extra_seed", "objective_seed"), boosting.SEED),
        "num_threads": boosting.THREADS,
        "device_type": boosting.DEVICE,
        "verbosity": boosting.QUIET,
        **dict.fromkeys(("metric", "eval_at"), boosting.STOP),
        "group_column": boosting.QUERY,
        "categorical_feature": boosting.COLUMNS,
        "num_class": boosting.CLASSES,
        **dict.fromkeys(LIGHTGBM_UNUSED, boosting.UNUSED),
        **dict.fromkeys(("deterministic", "force_col_wise", "force_row_wise", "feature_pre_filter"), boosting.FIXED),
    }

    interactions: tuple[tuple[str, ...], ...] = ()
    """Groups of columns, by name, that may meet on one path of a tree; a column in no group stays alone. () = all."""
    n_estimators: Annotated[int, Field(ge=1)] = 2000
    """Most rounds of boosting; as many as there are without stop rows."""
    learning_rate: Annotated[float, Field(gt=0, le=1), Tune(0.005, 0.1, log=True)] = 0.03
    """How much of each tree is added."""
    patience: Annotated[int, Field(ge=1)] = 100
    """A fit ends after this many rounds without a better stop loss."""
    depth: Annotated[int, Field(ge=-1)] = -1
    """Deepest level of a tree; -1 or 0 = no limit but `leaves`."""
    leaves: Annotated[int, Field(ge=2, le=131072), Tune(2, 200, log=True)] = 24
    """Most leaves of a tree."""
    min_leaf: Annotated[int | None, Field(ge=1), Tune(1, 64, log=True)] = None
    """Fewest learning rows in a leaf. None: 10, but at most a tenth of the rows."""
    subsample: Annotated[float, Field(gt=0, le=1), Tune(0.7, 1.0)] = 0.7
    """Share of the rows drawn anew for each tree; goss draws them in its own way."""
    colsample: Annotated[float, Field(gt=0, le=1), Tune(0.4, 1.0)] = 0.8
    """Share of the columns drawn for each tree."""
    l1: Annotated[float, Field(ge=0), Tune(1e-5, 1.0, log=True)] = 0.0
    """L1 penalty on leaf values."""
    l2: Annotated[float, Field(ge=0), Tune(1e-5, 2.0, log=True)] = 0.0
    """L2 penalty on leaf values."""
    extra_trees: Annotated[bool, Tune(choices=(False, True))] = False
    """Try one random threshold per column and node instead of all."""
    min_category: Annotated[int, Field(ge=1), Tune(2, 100, log=True, categories=True)] = 10
    """Fewest rows of a category for it to be split off by its target statistic. With the library's 100 a column of 5
    levels or more is hardly used on few rows (docs/learners.md)."""
    cat_l2: Annotated[float, Field(ge=0), Tune(0.005, 2.0, log=True, categories=True)] = 10.0
    """L2 penalty in splits of categories."""
    cat_smooth: Annotated[float | None, Field(ge=0), Tune(0.001, 100.0, log=True, categories=True)] = None
    """Smoothing of the target statistic of categories, and the fewest rows of one to be split off by it. None: what the
    learning rows ask for, 10 to 300 (docs/learners.md); 10 without a column of 30 levels."""
    onehot: Annotated[int, Field(ge=1), Tune(8, 100, log=True, categories=True)] = 4
    """A column with at most this many categories is split one against the rest."""
    max_bin: Annotated[int, Field(ge=2, le=65535)] = 255
    """Most histogram bins per column."""

    def idle(self, task: Task) -> frozenset[str]:
        """Return what goss and random forests leave unused."""
        unused = {"subsample": samples_by_itself(self.native), "learning_rate": self.native.get("boosting") == "rf"}
        return frozenset(name for name, holds in unused.items() if holds)


@dataclass(frozen=True)
class Data:
    """The library's datasets, without raw matrices. `stop`: the stop rows' y and v; `flat`: rows that teach nothing."""

    train: Any
    valid: Any
    stop: boosting.Sample | None
    names: tuple[str, ...]
    categories: tuple[int, ...]
    flat: boosting.Sample | None = None
    cat_smooth: float = 10.0  # what the learning rows ask for
    probe: boosting.Sample | None = None  # some of the rows, where queries are ranked


def check(params: Params, task: Task) -> None:
    """Raise RecipeError where the objective or the class weights do not fit the task."""
    chosen = chosen_of(params.objective, params.level, params.native, task)
    refuse(chosen.loss, params.native, constrained=any(params.monotone.values()))
    gains(chosen.loss, params.native)
    check_classes(params.class_weight, task)


def ranks(params: Params) -> bool:
    """Return whether the rows of a query are ordered: designs then tell queries, and predictions are scores."""
    return is_ranking(params.objective)


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the binned rows; reusable by `fit` for any params equal in DATA_PARAMS."""
    import lightgbm as lgb

    # Row order is what LightGBM reads without a copy of its own, and its bins do not depend on it.
    rows = boosting.learning(class_weighted(train, task, params.class_weight), "C")
    if is_flat(rows):
        return Data(None, None, None, train.names, (), rows)
    config, categories = _data_config(params, run), sorted(train.categories)
    smooth = prior.strength(rows.x, train.categories, rows.y, rows.weight, task.n_out) or 10.0
    with boosting.told("LightGBM", lgb.basic.LightGBMError):
        about: dict[str, Any] = {"params": config, "categorical_feature": categories}
        data = lgb.Dataset(rows.x, rows.y, weight=rows.weight, group=rows.sizes, **about).construct()
        probe = rows.probe()
        del rows  # Else its matrix would still be there while that of the stop rows is made.
        held, valid = boosting.stopping(stop, "C"), None
        if held is not None:
            about = {"reference": data, "params": config}
            valid = lgb.Dataset(held.x, held.y, weight=held.weight, group=held.sizes, **about).construct()
            held = held.bare()
    return Data(data, valid, held, train.names, tuple(categories), cat_smooth=smooth, probe=probe)


def _data_config(params: Params, run: Run) -> dict[str, Any]:
    """Return the parameters frozen in a Dataset. `run.rng` is not drawn from: reuse must not change later draws."""
    native = {name: params.native[name] for name in LIGHTGBM_FROZEN if name in params.native}
    return {
        "max_bin": params.max_bin,
        "feature_pre_filter": False,
        "data_random_seed": 1,
        "deterministic": True,
        # Row-wise histograms are summed per thread; column-wise ones give the same bits for any number of threads.
        "force_col_wise": True,
        "device_type": gpu.lightgbm(run),
        "num_threads": run.threads,
        "verbosity": -1,
        **native,
    }


def fit(params: Params, task: Task, data: Data, run: Run) -> Trees | Constant:
    """Return the trees, kept up to the best stop loss unless `run.steps` says how many.

    Raises:
        RecipeError: the objective does not fit the task, or a constraint names no column.
    """
    import lightgbm as lgb

    chosen = chosen_of(params.objective, params.level, params.native, task)
    if data.flat is not None:
        return constant_of(chosen.loss, task, data.flat)
    worth = gains(chosen.loss, params.native)
    objectives.check_target(chosen.loss, data.train.get_label(), worth)
    loss = boosting.stopper(chosen.loss, data.stop, data.probe, worth)
    with boosting.told("LightGBM", lgb.basic.LightGBMError):
        config = _config(params, task, data, run) | chosen.extra | {"objective": chosen.native or "none"}
        booster = lgb.Booster(config, data.train)
        base, gradients = custom(chosen, data.train)
        if data.valid is not None:
            booster.add_valid(data.valid, "stop")
        # dart rescales old trees and a forest needs all of them: no round before the last stands on its own.
        choose = data.stop is not None and config.get("boosting", "gbdt") not in ("dart", "rf", "random_forest")
        monitor = boosting.Monitor(run, params.patience, choose=choose)
        for _ in range(run.steps or params.n_estimators):
            if booster.update(fobj=gradients) or monitor.ends(_stop_loss(loss, chosen.loss.name, booster, base)):
                break
        # The text, not the live booster: that one would keep the learning rows and its histograms alive.
        text = booster.model_to_string(num_iteration=monitor.best_step or -1)
    facts = {"base": (base,), "cat_smooth": (float(config["cat_smooth"]),)}
    steps, curve = monitor.best_step, monitor.as_curve()
    made = Forest(text.encode(), chosen.loss.name, len(data.names), steps, curve, facts=facts)
    return made.placed_by(task, data.probe).ran_on(run, config["device_type"], "LightGBM")


def _stop_loss(loss: boosting.Stopper | None, name: str, booster: Any, base: float) -> float:
    """Return the stop rows' loss, or NaN where there are none."""
    if loss is None:
        return float("nan")

    def score(mean: Floats, _: object) -> tuple[str, float, bool]:
        return "loss", loss(boosting.shares(mean) if name == "one_vs_all" else mean + base), False

    return float(booster.eval_valid(score)[0][2])


def _config(params: Params, task: Task, data: Data, run: Run) -> dict[str, Any]:
    """Return the parameters as LightGBM wants them; native ones last, so that they win."""
    min_leaf = params.min_leaf or max(1, min(10, data.train.num_data() // 10))
    config = {
        **_data_config(params, run),
        "num_class": task.n_out,
        "metric": "None",
        "seed": int(run.rng.integers(2**31 - 1)),
        "learning_rate": params.learning_rate,
        "max_depth": params.depth,
        "num_leaves": params.leaves,
        "min_data_in_leaf": min_leaf,
        "min_sum_hessian_in_leaf": 1e-7,
        "bagging_fraction": params.subsample,
        "bagging_freq": 0 if samples_by_itself(params.native) else 1,
        "feature_fraction": params.colsample,
        "lambda_l1": params.l1,
        "lambda_l2": params.l2,
        "extra_trees": params.extra_trees,
        "min_data_per_group": params.min_category,
        "cat_l2": params.cat_l2,
        "cat_smooth": data.cat_smooth if params.cat_smooth is None else params.cat_smooth,
        "max_cat_to_onehot": params.onehot,
        **params.native,
    }
    if any(params.monotone.values()):
        config["monotone_constraints"] = constraints.directions(params.monotone, data.names, data.categories)
    if params.interactions:
        config["interaction_constraints"] = constraints.groups(params.interactions, data.names)
    return config


def load(folder: Path) -> Trees | Constant:
    """Return the model that `save` wrote."""
    return Forest.load(folder)


@dataclass(frozen=True, eq=False)
class Forest(Trees):
    """Trees of LightGBM as its model text."""

    FILE: ClassVar[str] = "model.txt"

    @cached_property
    def _booster(self) -> Any:
        import lightgbm as lgb

        return lgb.Booster(model_str=self.model.decode())

    def raw(self, x: Floats32) -> Floats:
        """Return what the library predicts."""
        out = self._booster.predict(x, num_threads=self.threads)
        return np.asarray(out, np.float64).reshape(len(x), -1) + self.facts["base"][0]

    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""
        mean = self.placed(self.raw(design.matrix("C")))
        return pred_of(boosting.shares(mean) if self.objective in ("softmax", "one_vs_all") else mean)

    def importance(self) -> Floats:
        """Return (d,) the gain per matrix column."""
        return np.asarray(self._booster.feature_importance("gain"), np.float64)
