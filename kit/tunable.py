"""The `tune:` section of a recipe and the entries of the file that `kit tune` writes, as frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kit.params import Scalar

SamplerName = Literal["auto", "tpe", "gp", "cmaes", "random"]
PrunerName = Literal["blocks", "wilcoxon", "median", "none"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Range(_Section):
    """What is searched of one parameter: from `low` to `high`, or `choices`."""

    low: int | float | None = None
    """Least value."""
    high: int | float | None = None
    """Greatest value."""
    log: bool | None = None
    """Search on a logarithmic scale. None = as the learner declares."""
    choices: tuple[Scalar, ...] = ()
    """The values to choose from, instead of low and high."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        """Take `[low, high]` for `{low: ..., high: ...}`."""
        if isinstance(data, list) and len(data) == 2:
            return {"low": data[0], "high": data[1]}
        if not isinstance(data, Mapping):
            raise ValueError("a range is [low, high], {low, high, log} or {choices: [...]}")
        return data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.choices and (self.low, self.high, self.log) != (None, None, None):
            raise ValueError("choices stand alone, without low, high and log")
        if not self.choices:
            if self.low is None or self.high is None:
                raise ValueError("a range needs low and high, or choices")
            if self.low > self.high:
                raise ValueError("low must not be above high")
            if self.log and self.low <= 0:
                raise ValueError("low must be above 0 where log is true")
        return self


class ModelSection(_Section):
    """What is tuned of one model."""

    ranges: Mapping[str, Range] = {}
    """Parameter -> range, in place of or beside the ranges its learner declares."""
    fixed: Mapping[str, Scalar | None] = {}
    """Parameter -> value that is not searched; it goes into the tuned file."""


class TuneSection(_Section):
    """How `kit tune` searches. Its options win over these."""

    trials: Annotated[int, Field(ge=1)] = 100
    """Trials of a study in all; the same command after a stop goes on up to this number."""
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds after which to end."""
    sampler: SamplerName = "auto"
    """Who proposes trials. auto: gp while all that is searched are numbers and no pruner is used, else tpe."""
    pruner: PrunerName = "blocks"
    """What ends hopeless trials: paired blocks of held rows, or Optuna's pruners on fold scores, or none."""
    metric: str | None = None
    """The metric to tune for. None = the recipe's."""
    models: Mapping[str, ModelSection] = {}
    """Model -> its ranges and fixed values."""


class Entry(_Section):
    """What `kit tune` found for one model, as it stands in the tuned file."""

    use: str
    """The learner; params of another one are not taken."""
    params: Mapping[str, Scalar | None] = {}
    """What differs from the defaults."""
    metric: str = ""
    """What was tuned for."""
    score: float | None = None
    """Of the best trial."""
    default_score: float | None = None
    """Of the defaults, on the same folds."""
    gain: tuple[float, float] | None = None
    """Between which bounds the gain over the defaults lies on these rows, at 95 %."""
    tuned_on: str = ""
    """Which folds: those of the recipe, or others."""
    folds: str = ""
    """Key of these folds."""
    nested_score: float | None = None
    """What such a search is worth on rows it never saw."""
    study: str = ""
    """Name of the study."""
    trials: int = 0
    """How many of its trials ended."""


@dataclass(frozen=True)
class Tuned:
    """Where params of a model come from: `file`, its entry, and which of its params were taken."""

    file: str
    entry: Entry
    taken: tuple[str, ...]

    def told(self) -> str:
        """Return it in a line."""
        names = ", ".join(self.taken) or "none: the defaults were the best"
        return f"params from {self.file} (study {self.entry.study}): {names}"

    def about(self) -> dict[str, Any]:
        """Return what cards say."""
        entry = self.entry
        return {
            "file": self.file,
            "params": list(self.taken),
            "study": entry.study,
            "score": entry.score,
            "tuned_on": entry.tuned_on,
            "folds": entry.folds,
        }
