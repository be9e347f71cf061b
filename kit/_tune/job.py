"""What a worker of a study is handed, as JSON: where the study lies, the fits of a trial, what is searched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from kit import registry
from kit._tune.storages import Place
from kit.canon import key_of
from kit.folding import dump
from kit.params import Params
from kit.search import Dimension, nested, with_values
from kit.stage import Stage
from kit.tunable import PrunerName, SamplerName

ALPHA = 0.3
"""At most this chance to give up a trial that would have ended better than the best so far, and the most where it would
have ended just as good. In replays of complete trials with random params less than 1 in 100 was lost."""


@dataclass(frozen=True)
class Job:
    """A study's work.

    `fits`: the stages of a trial with the recipe's own params, in the order they are carried out. `base`: what the
    recipe gives and fixes; it wins over a trial's settings. `goal`: see goal.goal_of. `deadline`: by the monotonic
    clock. `stop`: a file whose being there tells workers to end. `room`: bytes for designs. `lock`: a file, held while
    a trial is taken, so that there are no more of them than `trials`. `keeps`: keys of what the store has to keep.
    """

    root: str
    place: Place
    better: Literal["lower", "higher"]
    learner: str
    fits: tuple[str, ...]
    base: Mapping[str, Any]
    dimensions: tuple[Dimension, ...]
    goal: Mapping[str, Any]
    key: str
    seed: int
    trials: int
    sampler: SamplerName
    pruner: PrunerName
    stop: str
    lock: str
    deadline: float | None = None
    room: int = 0
    keeps: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = field(default=(), compare=False)

    def to_json(self) -> str:
        """Return the job as one line."""
        return json.dumps(asdict(replace(self, stages=())), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Job:
        """Return the job of such a line."""
        fields = json.loads(line)
        fields["place"] = Place(**fields["place"])
        dimensions = [Dimension(**{**each, "choices": tuple(each["choices"])}) for each in fields["dimensions"]]
        fits, keeps = tuple(fields["fits"]), tuple(fields["keeps"])
        stages = tuple(Stage.from_json(fit) for fit in fits)
        return cls(**{**fields, "fits": fits, "dimensions": tuple(dimensions), "keeps": keeps, "stages": stages})

    def params(self, settings: Mapping[str, Any]) -> Params:
        """Return the learner's params for the settings of a trial.

        Raises:
            ValidationError: the learner refuses them.
        """
        cls: type[Params] = registry.load("models", self.learner).Params
        return with_values(cls.model_validate(nested(self.base)), settings)


def with_params(stages: Sequence[Stage], params: Params) -> list[Stage]:
    """Return the same stages for other params of the learner: the ordinary fits of a recipe that gives them."""
    renamed: dict[str, str] = {}
    out = []
    for stage in stages:
        made = {**_renamed(stage.ingredients, renamed), "model": {**stage.ingredients["model"], "params": dump(params)}}
        key = key_of(made)
        renamed[stage.key] = key
        inputs = tuple(renamed.get(i, i) for i in stage.inputs)
        out.append(replace(stage, key=key, ingredients=made, inputs=inputs))
    return out


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, Mapping):
        return {k: _renamed(v, names) for k, v in value.items()}
    return [_renamed(v, names) for v in value] if isinstance(value, list | tuple) else value
