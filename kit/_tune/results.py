"""What `kit tune` gives back, model by model, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit._tune.summary import Summary

NONE_BEGUN = Summary(None, None, {}, "", {"complete": 0, "pruned": 0, "failed": 0}, 0, None)
"""Of a model that no time was left for."""


@dataclass(frozen=True)
class Result:
    """What tuning a model came to. `left`: fits of the best trial that `kit run` has still to make.

    `study`: its name, "" where no time was left to begin one. `blend_score`: what `kit run` now gives the blend that
    was tuned for, all models with what was found for them; None without such a blend, or where fits are left for that.
    `target`: of a recipe of several, the one it was tuned for.
    """

    model: str
    metric: str
    summary: Summary
    best_params: Mapping[str, Any]
    tuned_on: str
    nested_score: float | None
    seconds: float
    tuned_recipe: str
    study: str
    place: str
    page: str | None
    pruned_by: Mapping[str, int]
    problems: tuple[str, ...]
    interrupted: bool
    left: int
    blend: str | None = None
    blend_score: float | None = None
    target: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what `kit tune --json` prints of one model."""
        gain = self.summary.gain
        return {
            "model": self.model,
            **({} if self.target is None else {"target": self.target}),
            "best_score": self.summary.best,
            "default_score": self.summary.default,
            "best_params": dict(self.best_params),
            "trials": dict(self.summary.counts),
            "folds_trained": self.summary.folds_trained,
            "seconds": self.seconds,
            "tuned_recipe": self.tuned_recipe,
            "gain": None if gain is None else [gain.mean, gain.low, gain.high],
            "nested_score": self.nested_score,
            "blend_score": self.blend_score,
        }


def listed(results: Sequence[Result]) -> dict[str, Any]:
    """Return what `kit tune --json` prints: `models`, one object each; what one alone holds stands beside it too."""
    found = [result.as_json() for result in results]
    return {**(found[0] if len(found) == 1 else {}), "models": found}
