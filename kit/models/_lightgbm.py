"""Objectives as LightGBM names them, and what it cannot do, or does wrongly, with some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kit.errors import RecipeError
from kit.models import _objectives as objectives
from kit.models._losses import Loss
from kit.types import Floats, Task

_DIALECT = objectives.Dialect(
    "LightGBM",
    native={
        **{"squared": "regression", "absolute": "regression_l1", "logloss": "binary", "softmax": "multiclass"},
        **{"one_vs_all": "multiclassova"},
        **{n: n for n in ("huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "cross_entropy")},
        **{n: n for n in ("lambdarank", "rank_xendcg")},
    },
    aliases={
        **dict.fromkeys(("regression_l2", "l2", "l2_root", "mean_squared_error", "mse", "rmse"), "squared"),
        **dict.fromkeys(("l1", "mean_absolute_error", "mae"), "absolute"),
        **dict.fromkeys(("xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"), "rank_xendcg"),
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


def is_ranking(wanted: str | None) -> bool:
    """Return whether an objective orders the rows of a query."""
    return objectives.ranks(wanted, _DIALECT)


def gains(loss: Loss, native: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Return what each grade of relevance is worth, from 0, where that is given.

    Raises:
        RecipeError: it is no list of numbers, or the objective does not go by it.
    """
    given = native.get("label_gain")
    if given is None:
        return None
    if loss.name != "lambdarank":
        rule, advice = "lambdarank alone goes by label_gain", "leave it out, or objective: lambdarank"
        raise RecipeError(rule, place="label_gain", got=f"objective {loss.name}", next=advice)
    if isinstance(given, str):
        given = given.split(",")
    try:
        return tuple(float(each) for each in given)
    except (TypeError, ValueError):
        rule, advice = "label_gain is a list of numbers, one for each grade from 0", "label_gain: [0, 1, 3, 7]"
        raise RecipeError(rule, place="label_gain", got=given, next=advice) from None


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


def custom(chosen: objectives.Chosen, train: Any) -> tuple[float, Any]:
    """Return where a custom objective starts, the mean of y, and its gradients as LightGBM calls them; 0 and None."""
    derive = chosen.gradients
    if derive is None or chosen.native is not None:
        return 0.0, None
    y, w = (np.asarray(each, np.float64) for each in (train.get_label(), train.get_weight()))
    base = float(np.average(y, weights=w))

    def gradients(raw: Floats, _: object) -> tuple[Floats, Floats]:
        first, second = derive(y, raw + base, chosen.loss.level)
        return first * w, second * w

    return base, gradients


def samples_by_itself(native: Mapping[str, Any]) -> bool:
    """Return whether rows are drawn by their gradients (goss), which does not go with bagging."""
    return "goss" in (native.get("boosting"), native.get("data_sample_strategy"))
