"""What a blend is asked to be: sources, metric, stacker and parameters, checked before any row is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kit import grouped, judged, ranking, registry, standings
from kit.design import Use
from kit.errors import DataError, RecipeError, nearest
from kit.given import plain, several
from kit.home import Home
from kit.lineup import Source
from kit.mistakes import mistakes
from kit.opening import Sets
from kit.params import ColumnName, Params
from kit.plugs import DEFAULT_STACKER
from kit.problems import LONGEST, NAME
from kit.types import Objective, Task


@dataclass(frozen=True)
class How:
    """The options that say how sources are blended, as they were given."""

    use: str | None = None
    set: Sets = ()
    simple: bool = False
    metric: str | None = None
    mixed: bool = False
    trust: bool = False


@dataclass(frozen=True)
class Wish:
    """What is to be blended and how, everything resolved. `uses`: the stackers of the table."""

    sources: tuple[Source, ...]
    task: Task
    metric: str
    stacker: Use
    home: Home | None
    mixed: bool
    uses: tuple[str, ...] = standings.USES

    @property
    def names(self) -> tuple[str, ...]:
        """What the sources are called."""
        return tuple(s.name for s in self.sources)


def check_name(name: str) -> None:
    """Raise RecipeError for a name that a folder of oof/ cannot have."""
    if not NAME.match(name):
        rule = f"a name is made of at most {LONGEST} small letters, digits, _ and -"
        advice = "shorten it" if len(name) > LONGEST else "begin it with a letter or a digit"
        raise RecipeError(rule, place="--name", got=name, next=advice)


def wish(found: Sequence[Source], home: Home | None, how: How) -> Wish:
    """Return what is asked for, checked.

    Raises:
        KitError: the metric is not known or does not fit, the stacker or its parameters are wrong.
    """
    name = _metric(how, home, found)
    task = _task(found[0], name)
    stacker = _stacker(how, [s.name for s in found])
    module = registry.load("stackers", stacker.use)
    if task.kind not in module.TASKS:
        raise RecipeError(f"{stacker.use} does not fit a {task.kind} task", place="--use", allowed=module.TASKS)
    if not module.SOURCES[0] <= len(found) <= module.SOURCES[1]:
        got, allowed = f"{len(found)} sources", f"{module.SOURCES[0]} to {module.SOURCES[1]}"
        raise RecipeError(f"{stacker.use} takes another number of sources", place="SRC", got=got, allowed=allowed)
    registry.refuse_groups(stacker.use, name, "--use")
    _refuse_scores(found, name, stacker)
    return Wish(tuple(found), task, name, stacker, home, how.mixed)


def _refuse_scores(found: Sequence[Source], metric: str, stacker: Use) -> None:
    """Raise RecipeError where scores of a ranking are to be values."""
    scores = [s.name for s in found if s.card.get("unscaled")]
    if scores and not ranking.orders(metric) and ranking.keeps(stacker.use):
        rule = f"the metric {registry.shown(metric)} needs values, and scores of a ranking have no scale"
        advice = "leave it out, name a metric of the order (--metric), or a curve over it alone: --use isotonic"
        raise RecipeError(rule, place="SRC", got=f"{', '.join(scores)}: scores", next=advice)


def _metric(how: How, home: Home | None, found: Sequence[Source]) -> str:
    """Return the metric: the one named, the recipe's, or the one the sources share."""
    told = {str(s.card.get("metric")) for s in found}
    name = how.metric or (home.metric if home else None) or (told.pop() if len(told) == 1 else None)
    if name is None:
        got = ", ".join(sorted(told))
        raise DataError("the sources were scored by several metrics", place="SRC", got=got, next="name one: --metric")
    if registry.is_own(name) and not how.trust:
        advice = "say --trust (with --recipe, which knows where it lies), or name another: --metric"
        raise RecipeError("this metric is a file of its own, and using it runs its code", got=name, next=advice)
    if grouped.split(name)[1] is None and getattr(registry.load("metrics", name), "NEEDS_BY", False):
        raise RecipeError(judged.needs_by(name), place="--metric", got=name, next=f"--metric '{name} by <column>'")
    registry.load("metrics", name)
    return name


def _task(source: Source, metric: str) -> Task:
    card, module = source.card, registry.load("metrics", metric)
    classes = tuple(card.get("classes") or ())
    kind = "regression" if not classes else "binary" if card.get("positive") is not None else "multiclass"
    if kind not in module.TASKS:
        rule = f"the metric {registry.shown(metric)} does not fit a {kind} task"
        raise RecipeError(rule, place="--metric", allowed=module.TASKS, next="name another: --metric")
    objective: Objective = module.OBJECTIVE[kind]
    return Task(kind, objective, classes, card.get("positive"))  # type: ignore[arg-type]


def _stacker(how: How, names: Sequence[str]) -> Use:
    """Return the stacker with its params checked."""
    use = how.use or DEFAULT_STACKER
    cls = registry.load("stackers", use).Params
    given = _given(how.set)
    if how.simple:
        if "simple" not in cls.model_fields:
            advice = f"leave --use out, or name {DEFAULT_STACKER}"
            raise RecipeError(f"{use} has no simple form", place="--simple", next=advice)
        given["simple"] = True
    known = cls.known_names()
    for option in given:
        if option not in known:
            rule, advice = f"{use} has no such parameter", nearest(option, known) or f"kit show stackers {use}"
            raise RecipeError(rule, place="--set", got=option, allowed=known, next=advice)
    return Use("stackers", use, _validated(cls, given, names))


def _given(sets: Sets) -> dict[str, Any]:
    """Return parameter -> value of `name=value` texts or of a mapping."""
    import yaml

    if isinstance(sets, Mapping):
        return {name: plain(value, (name,), {}) for name, value in sets.items()}
    given = {}
    for text in several(sets):
        option, eq, value = text.partition("=")
        if not eq:
            raise RecipeError("a parameter is set as name=value", place="--set", got=text)
        given[option] = yaml.safe_load(value)
    return given


def _validated(cls: Any, given: Mapping[str, Any], names: Sequence[str]) -> Params:
    try:
        params: Params = cls.model_validate(given)
    except ValidationError as error:
        wrong = next(iter(mistakes(cls, given, error)))
        raise RecipeError(wrong.rule, place="--set", got=wrong.got, allowed=wrong.allowed, next=wrong.next) from error
    column = next((f for f in type(params).model_fields if isinstance(getattr(params, f), ColumnName)), None)
    if column is not None:
        advice = "declare this blend in the recipe, which knows its columns"
        raise RecipeError(
            f"{column} names a column of the data", place="--set", got=getattr(params, column), next=advice
        )
    if hasattr(params, "placed"):
        try:
            placed: Params = params.placed(names)
        except ValueError as error:
            raise RecipeError(str(error), place="--set") from error
        return placed
    return params
