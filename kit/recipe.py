"""The recipe: what a person declares, as frozen types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from kit.frames import Frame
from kit.levels import below, in_order
from kit.params import Params, SourceName, refs
from kit.sections import DataSection, EvaluateSection, StopSection
from kit.strictyaml import Document
from kit.tunable import Tuned, TuneSection


@dataclass(frozen=True)
class Plug:
    """A plug-in as a recipe uses it: kind is its folder, `use` its name or a path, `at` where it stands."""

    kind: str
    use: str
    params: Params
    at: tuple[str | int, ...] = ()


Average = Literal["mean", "median", "geometric", "logit"]
"""The space in which the seeds of a fit are averaged."""


@dataclass(frozen=True)
class Model:
    """A model. `sources`: models and blends whose OOFs it sees (level 2). `refit`: whether test is predicted by a model
    trained on all rows instead of the folds' models."""

    name: str
    plug: Plug
    features: tuple[Plug, ...]
    augment: tuple[Plug, ...] = ()
    weights: Plug | None = None
    codec: Plug | None = None
    seeds: int = 1
    stop: StopSection = field(default_factory=StopSection)
    sources: tuple[str, ...] = ()
    refit: bool = False
    average: Average = "mean"
    tuned: Tuned | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """What it waits for: the models and blends it reads, and its teachers."""
        return tuple(dict.fromkeys([*self.reads, *self.teachers]))

    @property
    def reads(self) -> tuple[str, ...]:
        """The models and blends it reads as columns: its sources and those its target transform names."""
        return tuple(dict.fromkeys([*self.sources, *(refs(self.codec.params, SourceName) if self.codec else ())]))

    @property
    def teachers(self) -> tuple[str, ...]:
        """The models whose predictions for test rows its augmenters turn into labels."""
        return tuple(dict.fromkeys(name for plug in self.augment for name in refs(plug.params, SourceName)))

    def names_in(self, name: str) -> str:
        """Return the key of the recipe under which it names another model or blend."""
        places = {"from": self.sources, "target_transform": self.reads, "augment": self.teachers}
        return next(key for key, names in places.items() if name in names)


@dataclass(frozen=True)
class Blend:
    """A stacker over models and earlier blends."""

    name: str
    plug: Plug
    sources: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """The models and blends it reads."""
        return self.sources

    def of(self, places: Sequence[int]) -> Blend:
        """Return the blend over the sources at these places alone; params given by place go along."""
        only = getattr(self.plug.params, "only", None)
        plug = self.plug if only is None else replace(self.plug, params=only(places))
        return replace(self, plug=plug, sources=tuple(self.sources[i] for i in places))


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. `folder`: where its relative paths start; `document`: the YAML it came from, sets applied.

    `frames`: data handed over in memory instead of files, by part ("train", "test", "sample").
    """

    name: str
    folder: Path
    data: DataSection
    metric: str
    also: tuple[str, ...]
    task: str | None
    positive: str | int | float | bool | None
    split: Plug
    repeats: int
    seed: int
    columns: Mapping[str, Plug]
    models: tuple[Model, ...]
    blends: tuple[Blend, ...]
    submit: str | None
    missing: Literal["fail", "drop"]
    evaluate: EvaluateSection
    document: Document
    added: str | None = None
    """The blend that was added as a last step, as the metric is one of labels; see kit.deciding."""
    frames: Mapping[str, Frame] = field(default_factory=dict)
    tune: TuneSection = field(default_factory=TuneSection)

    def ordered(self, first: str | None = None) -> list[Model | Blend]:
        """Return models and blends, each after what it reads; `first` and what it reads before all others."""
        both: list[Model | Blend] = [*self.models, *self.blends]
        entries = {entry.name: entry for entry in both}
        needs = {name: entry.needs for name, entry in entries.items()}
        early = below(first, needs) if first else set()
        return [entries[name] for name in sorted(in_order(needs), key=lambda name: name not in early)]

    def without(self, models: Sequence[str]) -> Recipe:
        """Return the recipe that lacks these models, models over one of them, and blends left without a source."""
        gone = set(models)
        left: dict[str, Blend] = {}
        for entry in self.ordered():
            if isinstance(entry, Model):
                gone |= {entry.name} if gone.intersection(entry.needs) else set()
                continue
            kept_at = [i for i, s in enumerate(entry.sources) if s not in gone]
            gone |= set() if kept_at else {entry.name}
            left |= {entry.name: entry.of(kept_at)} if kept_at else {}
        blends = [left[b.name] for b in self.blends if b.name in left]
        kept = tuple(m for m in self.models if m.name not in gone)
        evaluate = EvaluateSection() if self.evaluate.model in gone else self.evaluate
        submit = self.submit if self.submit not in gone else next((b.name for b in reversed(blends)), None)
        submit = submit or next((m.name for m in kept), None)
        return replace(self, models=kept, blends=tuple(blends), submit=submit, evaluate=evaluate)
