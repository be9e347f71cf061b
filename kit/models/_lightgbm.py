"""Objectives as LightGBM names them, and what it cannot do, or does wrongly, with some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kit.errors import RecipeError
from kit.models import _objectives as objectives
from kit.models._losses import Loss
from kit.types import Task

_DIALECT = objectives.Dialect(
    "LightGBM",
    native={
        **{"squared": "regression", "absolute": "regression_l1", "logloss": "binary", "softmax": "multiclass"},
        **{"one_vs_all": "multiclassova"},
        **{n: n for n in ("huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "cross_entropy")},
    },
    aliases={
        **dict.fromkeys(("regression_l2", "l2", "l2_root", "mean_squared_error", "mse", "rmse"), "squared"),
        **dict.fromkeys(("l1", "mean_absolute_error", "mae"), "absolute"),
        **dict.fromkeys(("multiclass_ova", "ova", "ovr"), "one_vs_all"),
        **{"root_mean_squared_error": "squared", "mean_absolute_percentage_error": "mape", "xentropy": "cross_entropy"},
    },
    level={"huber": "alpha", "quantile": "alpha", "fair": "fair_c", "tweedie": "tweedie_variance_power"},
    custom={"logcosh": objectives.logcosh, "expectile": objectives.expectile},
)

RENEWED = ("absolute", "quantile", "mape")
"""Losses whose leaf values LightGBM sets anew from the rows, whatever a constraint says of them."""
ASTRAY = ("absolute", "quantile", "huber")
"""Losses under which a model of dart goes astray: with the first tree it drops the value that all trees start from, and
the bounded gradients of the trees to come do not bring that back. Of a target of mean 23 it predicted -23."""


def chosen_of(wanted: str | None, level: float | None, native: Mapping[str, Any], task: Task) -> objectives.Chosen:
    """Return the objective to train for: the one wanted, else that of the task."""
    return objectives.choose(wanted, level, native, task, _DIALECT)


def refuse(loss: Loss, native: Mapping[str, Any], *, constrained: bool) -> None:
    """Raise RecipeError where the loss does not go with the kind of boosting or with monotone constraints."""
    if native.get("boosting") == "dart" and loss.name in ASTRAY:
        rule = f"dart of LightGBM predicts values far off under the objective {loss.name}"
        advice = "use gbdt, another objective such as squared or fair, or xgboost with booster: dart"
        raise RecipeError(rule, place="boosting", got="dart", next=advice)
    if constrained and loss.name in RENEWED:
        rule = f"LightGBM has no monotone constraints under the objective {loss.name}"
        advice = "use another objective, such as huber or fair, or xgboost or catboost"
        raise RecipeError(rule, place="monotone", next=advice)


def samples_by_itself(native: Mapping[str, Any]) -> bool:
    """Return whether rows are drawn by their gradients (goss), which does not go with bagging."""
    return "goss" in (native.get("boosting"), native.get("data_sample_strategy"))
