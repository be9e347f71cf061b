"""Objectives as CatBoost writes them, parameters behind the name, and how its models are asked for the value itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit.errors import RecipeError
from kit.models import _boosting as boosting
from kit.models import _objectives as objectives
from kit.types import Task

_DIALECT = objectives.Dialect(
    "CatBoost",
    native={
        **{"squared": "RMSE", "absolute": "MAE", "huber": "Huber", "logcosh": "LogCosh", "quantile": "Quantile"},
        **{"expectile": "Expectile", "mape": "MAPE", "poisson": "Poisson", "tweedie": "Tweedie"},
        **{"cross_entropy": "CrossEntropy", "logloss": "Logloss", "focal": "Focal", "softmax": "MultiClass"},
        **{"one_vs_all": "MultiClassOneVsAll", "gaussian": "RMSEWithUncertainty"},
        **{"pairwise": "PairLogit", "pairlogit_pairwise": "PairLogitPairwise", "yetirank": "YetiRank"},
        **{"yetirank_pairwise": "YetiRankPairwise", "query_rmse": "QueryRMSE", "query_softmax": "QuerySoftMax"},
    },
    level={"huber": "delta", "quantile": "alpha", "expectile": "alpha", "tweedie": "variance_power"}
    | {"focal": "focal_gamma"},
)
POSITIVE = ("logloss", "focal", "cross_entropy")
"""Losses whose models tell the probabilities of both classes, the positive one's last."""

NDCG = "NDCG:type=Exp"
STOPPED_BY = {
    **dict.fromkeys(("pairwise", "pairlogit_pairwise"), "PairLogit"),
    **dict.fromkeys(("yetirank", "yetirank_pairwise"), NDCG),
}
"""What tells stop rows' losses where the objective itself does not; 1 - NDCG."""
PAIRWISE = ("pairlogit_pairwise", "yetirank_pairwise")
"""Losses whose leaves are solved for together: trees are symmetric, no category is one-hot encoded, and columns cannot
be drawn (the library fails)."""
BY_ROW = ("query_rmse", "query_softmax")
"""Ranking losses that weigh rows. The others go by pairs and weigh queries; row weights they leave out in silence."""
WEIGHED = "CatBoost weighs whole queries under this objective: a query counts the mean weight of its rows"

READ_AS = {
    **dict.fromkeys((*POSITIVE, "softmax", "one_vs_all"), "Probability"),
    **dict.fromkeys(("poisson", "tweedie"), "Exponent"),
    "gaussian": "RMSEWithUncertainty",
}
"""How a model of that loss is asked for the value itself; the others' raw output is the value."""


def chosen_of(objective: str | None, level: float | None, task: Task) -> objectives.Chosen:
    """Return the objective; CatBoost writes its parameters behind the name."""
    base, _, rest = (objective or "").partition(":")
    if is_ranking(base):
        chosen = objectives.choose(base, level, {}, task, _DIALECT)
        return replace(chosen, native=f"{chosen.native}:{rest}" if rest else chosen.native)
    name, said = objectives.with_parameters(objective or "")
    chosen = objectives.choose(name or None, level, said, task, _DIALECT)
    alpha = {"focal_alpha": 0.5} if chosen.loss.name == "focal" else {}
    parts = ";".join(f"{k}={v:g}" for k, v in (alpha | chosen.extra | said).items())
    return replace(chosen, native=f"{chosen.native}:{parts}" if parts else chosen.native)


def is_ranking(objective: str | None) -> bool:
    """Return whether an objective, its parameters behind it, orders the rows of a query."""
    return objectives.ranks((objective or "").partition(":")[0] or None, _DIALECT)


def stopped_by(chosen: objectives.Chosen) -> str:
    """Return the metric that tells the stop rows' loss, as CatBoost calls it."""
    return STOPPED_BY.get(chosen.loss.name, str(chosen.native))


def is_pairwise(objective: str | None) -> bool:
    """Return whether an objective is one whose leaves are solved for together."""
    return _DIALECT.known("binary").get((objective or "").partition(":")[0]) in PAIRWISE


def weights_of(sample: boosting.Sample, loss: str) -> dict[str, Any]:
    """Return what rows, or queries, count, and which rows are of a query, as a pool takes it."""
    if sample.sizes is None:
        return {"weight": sample.weight}
    query = np.repeat(np.arange(len(sample.sizes)), sample.sizes)
    if loss in BY_ROW:
        return {"weight": sample.weight, "group_id": query}
    return {"group_weight": sample.of_queries()[query], "group_id": query}


def refuse(loss: str, grow: str, task: Task, *, constrained: bool) -> None:
    """Raise RecipeError where the library has no such trees or monotone constraints for the loss or task."""
    if loss in PAIRWISE and grow != "SymmetricTree":
        rule, advice = f"under {loss} CatBoost grows symmetric trees alone", "leave it out, or use pairwise or yetirank"
        raise RecipeError(rule, place="grow", got=grow, allowed=("SymmetricTree",), next=advice)
    if constrained and task.kind == "multiclass":
        advice = "leave it out, or use lightgbm or xgboost"
        raise RecipeError("CatBoost has no monotone constraints for several classes", place="monotone", next=advice)


def bootstrap(native: Mapping[str, Any]) -> str:
    """Return how rows are drawn: as the recipe says, else as the parameter asks for that only one way has."""
    if "bootstrap_type" in native:
        return str(native["bootstrap_type"])
    if "bagging_temperature" in native:
        return "Bayesian"
    return "MVS" if "mvs_reg" in native else "Bernoulli"


def unused(native: Mapping[str, Any], loss: str) -> frozenset[str]:
    """Return the parameters that change nothing: where rows are drawn without a share, where a leaf takes one step."""
    idle = {
        "subsample": bootstrap(native) in ("Bayesian", "No"),
        **dict.fromkeys(("colsample", "grow", "onehot"), loss in PAIRWISE),
        "leaf_steps": loss in ("absolute", "mape", "quantile", "gaussian"),
    }
    return frozenset(name for name, holds in idle.items() if holds)


@dataclass(frozen=True)
class Follower:
    """Tells the monitor of each round: `sign` times the loss, and `shift`, which takes a loss of scaled y back to the
    scale of y."""

    monitor: boosting.Monitor
    shift: float
    sign: float = 1.0

    def after_iteration(self, info: Any) -> bool:
        """Return whether to go on: CatBoost calls this after each round."""
        scores = next(iter(info.metrics.get("validation", {}).values()), None)
        return not self.monitor.ends(self.sign * scores[-1] + self.shift if scores else float("nan"))

    def replay(self, scores: Mapping[str, Mapping[str, list[float]]], rounds: int) -> None:
        """Take note of a finished fit, up to where the monitor would have ended it."""
        for score in next(iter(scores.get("validation", {}).values()), None) or [float("nan")] * rounds:
            if self.monitor.ends(self.sign * score + self.shift):
                return


def follower(monitor: boosting.Monitor, chosen: objectives.Chosen, sd: float) -> Follower:
    """Return what tells the monitor of each round; `sd`: what y was divided by."""
    return Follower(monitor, 1.0, -1.0) if stopped_by(chosen) == NDCG else Follower(monitor, float(np.log(sd)))
