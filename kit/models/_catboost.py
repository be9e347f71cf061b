"""Objectives as CatBoost writes them, parameters behind the name, and how its models are asked for the value itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

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
    },
    level={"huber": "delta", "quantile": "alpha", "expectile": "alpha", "tweedie": "variance_power"}
    | {"focal": "focal_gamma"},
)
POSITIVE = ("logloss", "focal", "cross_entropy")
"""Losses whose models tell the probabilities of both classes, the positive one's last."""

READ_AS = {
    **dict.fromkeys((*POSITIVE, "softmax", "one_vs_all"), "Probability"),
    **dict.fromkeys(("poisson", "tweedie"), "Exponent"),
    "gaussian": "RMSEWithUncertainty",
}
"""How a model of that loss is asked for the value itself; the others' raw output is the value."""


def chosen_of(objective: str | None, level: float | None, task: Task) -> objectives.Chosen:
    """Return the objective; CatBoost writes its parameters behind the name."""
    name, said = objectives.with_parameters(objective or "")
    chosen = objectives.choose(name or None, level, said, task, _DIALECT)
    alpha = {"focal_alpha": 0.5} if chosen.loss.name == "focal" else {}
    parts = ";".join(f"{k}={v:g}" for k, v in (alpha | chosen.extra | said).items())
    return replace(chosen, native=f"{chosen.native}:{parts}" if parts else chosen.native)


def refuse(task: Task, *, constrained: bool) -> None:
    """Raise RecipeError where the library has no monotone constraints for the task."""
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
        "leaf_steps": loss in ("absolute", "mape", "quantile", "gaussian"),
    }
    return frozenset(name for name, holds in idle.items() if holds)


@dataclass(frozen=True)
class Follower:
    """Tells the monitor of each round. `shift` takes a loss of scaled y back to the scale of y."""

    monitor: boosting.Monitor
    shift: float

    def after_iteration(self, info: Any) -> bool:
        """Return whether to go on: CatBoost calls this after each round."""
        scores = next(iter(info.metrics.get("validation", {}).values()), None)
        return not self.monitor.ends(scores[-1] + self.shift if scores else float("nan"))

    def replay(self, scores: Mapping[str, Mapping[str, list[float]]], rounds: int) -> None:
        """Take note of a finished fit, up to where the monitor would have ended it."""
        for score in next(iter(scores.get("validation", {}).values()), None) or [float("nan")] * rounds:
            if self.monitor.ends(score + self.shift):
                return
