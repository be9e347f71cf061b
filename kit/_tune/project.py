"""From an opened recipe to the job of a study: fits of a trial, what is searched, what it is scored by and tied to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit import registry
from kit._tune.job import Job
from kit._tune.sampling import resolved
from kit._tune.storages import Place
from kit._tune.studies import Start
from kit._tune.supervising import DEFAULTS
from kit.canon import key_of
from kit.errors import RecipeError
from kit.facts import Facts
from kit.folding import dump, task_of
from kit.opening import Opened
from kit.planning import Plan
from kit.recipe import Model, Recipe
from kit.search import Dimension, given, idle, own_name, space, with_values
from kit.stage import Stage, use_of
from kit.tunable import ModelSection, PrunerName, SamplerName

ROOM_SHARE = 0.4
"""Share of the memory there is that the designs of all workers together may fill."""

ROOM_UNKNOWN = 2 << 30


@dataclass(frozen=True)
class Options:
    """How to search, the recipe's `tune:` section and the command's options put together."""

    trials: int
    timeout: float | None
    jobs: int
    sampler: SamplerName
    pruner: PrunerName
    metric: str
    storage: str | None
    blend: str | None
    nested: bool
    split_seed: int | None
    new: bool


@dataclass(frozen=True)
class Project:
    """A model to tune on some folds. `facts` and `plan` are those of the recipe on these folds.

    `beside`: found params of the models it is judged with, which the recipe has here; `before`: its own of last time.
    """

    opened: Opened
    model: Model
    options: Options
    facts: Facts
    plan: Plan
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    before: Mapping[str, Any] | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return self.opened.recipe

    @property
    def section(self) -> ModelSection:
        """What the recipe says of this model's search."""
        return self.recipe.tune.models.get(self.model.name, ModelSection())

    @property
    def folder(self) -> Path:
        """Where the studies of the recipe lie."""
        return self.opened.root / "oof" / self.recipe.name / "_tuning"

    @property
    def base(self) -> dict[str, Any]:
        """The params the recipe gives, with those it fixes for tuning."""
        cls = type(self.model.plug.params)
        return {**given(self.model.plug.params), **{own_name(cls, n): v for n, v in self.section.fixed.items()}}

    @property
    def searched(self) -> tuple[Dimension, ...]:
        """What is searched, which may be nothing."""
        return space(self.model, self.section, categories=self._categories(), without=self._idle())

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What is searched.

        Raises:
            RecipeError: nothing is.
        """
        found = self.searched
        if not found:
            raise RecipeError(
                "nothing of this model is left to search",
                place=self.recipe.document.place(("models", self.model.name)),
                got=f"{self.model.plug.use}, its params given or without a range",
                next="take a param out of the recipe, or give ranges under tune.models",
            )
        return found

    def _idle(self) -> frozenset[str]:
        """Return the parameters that change nothing beside those the recipe gives or fixes."""
        stage = self.fits()[0]
        codec = use_of(stage.ingredients["design"]["codec"], "codecs", stage.local["files"])
        task = registry.load("codecs", codec.use).task(codec.params, task_of(stage.ingredients["task"]))
        return idle(self.model, self.section, task)

    def _categories(self) -> bool:
        """Return whether the model may be handed categories; a feature of one's own says nothing of it, so it may."""
        stage = self.fits()[0]
        files = stage.local["files"]
        features = stage.ingredients["design"]["features"]
        used = [feature["use"] for feature in features if feature["params"].get("columns") != []]
        own = any(use in files for use in used)
        return own or any(getattr(registry.load("features", use), "CATEGORIES", False) for use in used)

    def fits(self) -> list[Stage]:
        """Return the stages of a trial in order: curves, then fold by fold the fit of the first seed."""
        stages = {s.key: s for s in self.plan.stages}
        fits = [seeds[0] for seeds in stages[self.plan.oofs[self.model.name]].ingredients["fits"]]
        wanted = {*fits, *stages[fits[0]].ingredients.get("curves", ())}  # not by name: two models may have the same
        return [s for s in self.plan.stages if s.key in wanted]

    def chain(self) -> list[Stage]:
        """Return the blends between the model and the goal, in order; none where the goal is the model itself."""
        if self.options.blend is None:
            return []
        blends = [s for s in self.plan.stages if s.verb == "blend"]
        goal = self.plan.oofs[self.options.blend]
        reached, wanted = {self.plan.oofs[self.model.name]}, {goal}
        way: list[Stage] = []
        for stage in blends:
            if reached.intersection(stage.inputs):
                reached.add(stage.key)
                way.append(stage)
        for stage in reversed(way):
            wanted |= set(stage.inputs) if stage.key in wanted else set()
        return [s for s in way if s.key in wanted] or [s for s in blends if s.key == goal]

    def starts(self) -> list[Start]:
        """Return the trials to begin with: the defaults, then what is known to be good."""
        cls, base, defaults, idle = type(self.model.plug.params), self.base, self.defaults(), self._idle()
        ranged = {own_name(cls, name) for name in self.section.ranges}
        known = [(f"known good {i + 1}", entry) for i, entry in enumerate(cls.PORTFOLIO)]
        if self.before is not None:
            known.insert(0, ("found before", self.before))
        found = [Start(DEFAULTS, {})]
        for label, entry in known:
            kept = {name: value for name, value in entry.items() if name not in {*base, *idle}}
            # A range that the recipe gives is kept to; the declared ones are not meant as bounds.
            kept |= {
                d.name: d.nearest(kept.get(d.name, defaults.get(d.name))) for d in self.dimensions if d.name in ranged
            }
            found.append(Start(label, kept))
        return found

    def defaults(self) -> dict[str, Any]:
        """Return every param of the model as the first trial has it."""
        return dump(with_values(self.model.plug.params, self.base))

    def tie(self) -> dict[str, Any]:
        """Return what the trials of one study have in common, by the word for it."""
        made = self.fits()[0].ingredients
        metric = self.options.metric
        return {
            "data": [made["target"], made["x"]],
            "folds": made["folds"],
            "features": [made["design"], made["columns"], *made.get("taught", {}).values()],
            "learner": {name: part for name, part in made["model"].items() if name != "params"},
            "versions": [made["libs"], made["code"], made["device"]],
            "params given in the recipe": self.base,
            "stop rows or seed": [made["stop"], made["split"], made["seed"]],
            "task": made["task"],
            "test distribution": self.plan.v_key,
            "what is scored": [
                registry.keyed("metrics", metric),
                registry.code_of("metrics", metric),
                [s.ingredients for s in self.chain()],
            ],
        }

    def goal(self) -> dict[str, Any]:
        """Return what trials are scored by, as `goal_of` reads it."""
        made: dict[str, Any] = {"metric": self.options.metric, "seed": self.recipe.seed}
        made |= {"model": self.plan.oofs[self.model.name], "task": self.fits()[0].ingredients["task"]}
        made |= {"rows": self.facts.rows_key, "folds": self.plan.folds_key, "v": self.plan.v_key}
        return made | {"chain": [s.to_json() for s in self.chain()]}

    def job(self, place: Place, deadline: float | None, stop: Path) -> Job:
        """Return the job of the study."""
        options, module_name = self.options, self._learner()
        dimensions = self.dimensions
        return Job(
            root=str(self.opened.root),
            place=place,
            better=registry.metric(options.metric).better,
            learner=module_name,
            fits=tuple(s.to_json() for s in self.fits()),
            base=self.base,
            dimensions=dimensions,
            goal=self.goal(),
            key=key_of({"tie": self.tie()})[:16],
            seed=self.recipe.seed,
            trials=options.trials,
            sampler=resolved(options.sampler, dimensions, options.pruner, options.trials),
            pruner=options.pruner,
            stop=str(stop),
            lock=str(self.folder / "ask.lock"),
            deadline=deadline,
            room=int(ROOM_SHARE * memory()) // options.jobs,
            keeps=tuple(sorted(s.key for s in self.plan.stages)),
        )

    def _learner(self) -> str:
        use, files = self.fits()[0].ingredients["model"]["use"], self.fits()[0].local["files"]
        return str(files.get(use, use))


def memory() -> int:
    """Return the bytes of memory that are free for use, a cautious guess where the machine cannot be asked."""
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return ROOM_UNKNOWN


def needed(project: Project) -> list[str]:
    """Return the models whose OOFs must be there first: what the model reads, and what it is blended with."""
    plan = project.plan
    stages = {s.key: s for s in plan.stages}
    own = plan.oofs[project.model.name]
    todo: list[str] = [key for stage in (*project.fits()[:1], *project.chain()) for key in _oofs(stage) if key != own]
    if plan.v_key is not None and (source := stages[plan.v_key].ingredients["source"]):
        todo.append(source)  # the test distribution is estimated with this one's predictions, maybe the model's own
    found: set[str] = set()
    while todo:
        key = todo.pop()
        if key in found or key not in stages:
            continue
        found.add(key)
        todo += _oofs(stages[key]) + _behind(stages, stages[key])
    return [name for name, key in plan.oofs.items() if key in found and stages[key].verb == "oof"]


def _oofs(stage: Stage) -> list[str]:
    """Return the keys of OOFs that a stage reads: a blend its sources, a fit the models whose predictions it sees."""
    made: Mapping[str, Any] = stage.ingredients
    if stage.verb == "blend":
        return list(made["sources"])
    return [*made.get("columns", {}).values(), *made.get("taught", {}).values()]


def _behind(stages: Mapping[str, Stage], stage: Stage) -> list[str]:
    """Return the OOFs that the fits of an OOF read."""
    fits: Sequence[Sequence[str]] = stage.ingredients.get("fits", [])
    return [key for seeds in fits[:1] for fit in seeds[:1] if fit in stages for key in _oofs(stages[fit])]
