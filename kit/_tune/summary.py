"""What a study has come to: the best trial, its gain over the defaults and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kit._tune.blocks import difference
from kit._tune.desk import WHY
from kit._tune.goal import Goal
from kit._tune.leases import PROBLEM
from kit._tune.racing import Run, quantile
from kit._tune.studies import START, best_of, settings_of
from kit._tune.supervising import default_of
from kit._tune.trial import TRAINED, run_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Gain:
    """How much better the best trial is than the defaults, on the same rows: positive = better, with its interval."""

    mean: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0


@dataclass(frozen=True)
class Summary:
    """A study in short. `settings`: of the best trial; `lines`: the best trials, for a table."""

    best: float | None
    default: float | None
    settings: Mapping[str, Any]
    start: str
    counts: Mapping[str, int]
    folds_trained: int
    gain: Gain | None
    importances: Mapping[str, float] = field(default_factory=dict)
    lines: tuple[Mapping[str, Any], ...] = ()


def summarise(study: Study, goal: Goal, better: str, shown: int = 5) -> Summary:
    """Return the summary of a study as it stands."""
    trials = study.get_trials(deepcopy=False)
    best, default = best_of(trials, better), default_of(trials)
    names = [t.state.name for t in trials]
    counts = {"complete": names.count("COMPLETE"), "pruned": names.count("PRUNED"), "failed": names.count("FAIL")}
    ranked = sorted(
        (t for t in trials if t.state.name == "COMPLETE"), key=lambda t: goal.metric.sign * (t.value or 0.0)
    )
    return Summary(
        best=None if best is None else best.value,
        default=None if default is None else default.value,
        settings={} if best is None else settings_of(best.params, best.user_attrs),
        start="" if best is None else str(best.user_attrs.get(START, "")),
        counts=counts,
        folds_trained=sum(int(t.user_attrs.get(TRAINED, 0)) for t in trials),
        gain=None if best is None or default is None else gain(run_of(best), run_of(default), goal),
        importances=importances(study),
        lines=tuple(_line(t) for t in ranked[:shown]),
    )


def gain(best: Run, default: Run, goal: Goal) -> Gain | None:
    """Return the gain of one run over another, from paired blocks of rows; groups stay whole in a block."""
    found = [(k, *difference(b, a)) for k, (a, b) in enumerate(zip(best.blocks, default.blocks, strict=False))]
    pairs = [(goal.weight(k), d, s) for k, d, s in found if np.isfinite(d)]
    if not pairs or best.number == default.number:
        return Gain(0.0, 0.0, 0.0) if pairs else None
    weights, differences, errors = np.array(pairs).T
    weights = weights / weights.sum()
    mean, error = float(weights @ differences), float(np.sqrt(np.sum((weights * errors) ** 2)))
    freedom = sum(len(b) - 1 for b in best.blocks)
    reach = quantile((1 - CONFIDENCE) / 2, freedom) * error
    return Gain(mean, mean - reach, mean + reach)


def importances(study: Study) -> dict[str, float]:
    """Return how much each searched parameter matters, adding up to 1; empty where too few trials are complete."""
    import optuna

    complete = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    if len(complete) < 4 or len({t.value for t in complete}) < 2:
        return {}
    return {name: float(value) for name, value in optuna.importance.get_param_importances(study).items()}


def _line(trial: FrozenTrial) -> dict[str, Any]:
    attrs = trial.user_attrs
    return {
        "trial": trial.number,
        "score": trial.value,
        "start": attrs.get(START, ""),
        "settings": settings_of(trial.params, attrs),
        "seconds": attrs.get("seconds", 0.0),
    }


def problems(study: Study) -> list[str]:
    """Return why trials failed, each reason once."""
    failed = [t for t in study.get_trials(deepcopy=False) if t.state.name == "FAIL"]
    return list(dict.fromkeys(str(t.user_attrs.get(PROBLEM, "no reason was told")) for t in failed))


def pruned_by(study: Study) -> dict[str, int]:
    """Return how many trials each kind of look ended: the curve of a fit, blocks of held rows."""
    whys = [str(t.user_attrs.get(WHY, "")) for t in study.get_trials(deepcopy=False) if t.state.name == "PRUNED"]
    return {
        word: sum(why.startswith(start) for why in whys)
        for word, start in (("curve", "its curve"), ("blocks", "blocks"))
    }
