"""The search space of a model: the ranges beside its parameters, as the recipe's `tune:` section changes them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from kit.errors import RecipeError
from kit.params import Params, Scalar, Tune
from kit.plugs import Plugs
from kit.recipe import Model
from kit.tunable import ModelSection, Range, TuneSection
from kit.types import Task

AT = ("tune", "models")


@dataclass(frozen=True)
class Dimension:
    """One parameter that is searched: from `low` to `high`, whole numbers where `integer`, or one of `choices`."""

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    choices: tuple[Scalar, ...] = ()

    def holds(self, value: Any) -> bool:
        """Return whether a value lies in the range."""
        if self.choices:
            return any(value == c and isinstance(value, bool) == isinstance(c, bool) for c in self.choices)
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def nearest(self, value: Any) -> Scalar:
        """Return the value of the range that comes nearest; the middle where the value is none (an automatic default).

        A sampler must be told of a trial in terms of its ranges, whatever was in fact trained.
        """
        if self.choices:
            return value if self.holds(value) else self.choices[0]
        if isinstance(value, bool) or not isinstance(value, int | float):
            value = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        kept = min(max(float(value), self.low), self.high)
        return round(kept) if self.integer else kept


def read(checks: Plugs, models: Sequence[Model]) -> TuneSection:
    """Return the `tune:` section of a document, with every problem in it noted."""
    value = checks.document.value.get("tune")
    found = checks.section(TuneSection, {} if value is None else value, ("tune",))
    section: TuneSection = found or TuneSection()
    if section.metric is not None:
        section = section.model_copy(update={"metric": checks.metric(section.metric, ("tune", "metric"))})
    known = {m.name: m for m in models}
    for name, part in section.models.items():
        if name in known:
            _check(checks, known[name], part)
        elif models:
            checks.add("unknown model", (*AT, name), name, list(known), (name, list(known)))
    return section


def space(
    model: Model, section: ModelSection, *, categories: bool, without: Collection[str] = ()
) -> tuple[Dimension, ...]:
    """Return what is searched of a model: what the recipe gives explicitly or fixes is not.

    Ranges declared for the treatment of categories count only where there are `categories`; those of the recipe always.
    Nothing of what is to be left out (`without`).
    """
    cls = type(model.plug.params)
    settled = {*given(model.plug.params), *(own_name(cls, name) for name in section.fixed)}
    own = {own_name(cls, name): each for name, each in section.ranges.items()}
    useful = [
        (name, tune)
        for name, tune in tunes(cls)
        if name in own or (name not in without and (categories or not tune.categories))
    ]
    declared = {name: tune for name, tune in useful if name not in settled}
    found = [_dimension(cls, name, tune, own.get(name)) for name, tune in declared.items()]
    return tuple(found + [_dimension(cls, name, None, each) for name, each in own.items() if name not in declared])


def idle(model: Model, section: ModelSection, task: Task) -> frozenset[str]:
    """Return the parameters that change nothing beside those the recipe gives or fixes; `task`: what is trained for."""
    fixed = {own_name(type(model.plug.params), name): value for name, value in section.fixed.items()}
    return with_values(model.plug.params, fixed).idle(task)


def check_idle(model: Model, section: ModelSection, task: Task) -> None:
    """Return nothing: what the recipe asks to search makes a difference.

    Raises:
        RecipeError: the range of a parameter that is idle beside the others; its place is the name in the recipe.
    """
    unused = idle(model, section, task) if section.ranges else ()
    for name in section.ranges:
        if own_name(type(model.plug.params), name) in unused:
            beside = {**given(model.plug.params), **section.fixed}
            got = ", ".join(f"{key}: {value}" for key, value in beside.items())
            rule = "a range of a parameter that changes nothing beside the others"
            raise RecipeError(rule, place=name, got=got, next="take the range out, or what leaves the parameter unused")


def tunes(cls: type[Params]) -> Iterator[tuple[str, Tune]]:
    """Yield the parameters that have a range beside them."""
    for name, field in cls.model_fields.items():
        yield from ((name, mark) for mark in field.metadata if isinstance(mark, Tune))


def given(params: Params) -> dict[str, Any]:
    """Return the parameters that were written down, under kit's names; the library's own under theirs.

    Those of a mapping (an estimator's own) are named `params.alpha`.
    """
    listed = {name: getattr(params, name) for name in params.model_fields_set if name != "native"}
    flat: dict[str, Any] = dict(params.native)
    for name, value in listed.items():
        flat |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def with_values(params: Params, values: Mapping[str, Any]) -> Params:
    """Return the params with these values; what was written down explicitly stays."""
    return type(params).model_validate(nested({**values, **given(params)}))


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with `params.alpha` put into the mapping `params`."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        field, _, key = name.partition(".")
        if key:
            out.setdefault(field, {})[key] = value
        else:
            out[name] = value
    return out


def own_name(cls: type[Params], name: str) -> str:
    """Return the name kit has for a parameter that may be written under the library's name."""
    if name in cls.model_fields:
        return name
    native = cls.NATIVE.get(name, name)
    own: Mapping[str, str] = getattr(cls, "OWN", {})
    return own.get(native, native)


def _dimension(cls: type[Params], name: str, tune: Tune | None, own: Range | None) -> Dimension:
    if own is not None and own.choices:
        return Dimension(name, choices=own.choices)
    if own is None:
        assert tune is not None
        if tune.choices:
            return Dimension(name, choices=tune.choices)
        own = Range(low=tune.low, high=tune.high, log=tune.log)
    assert own.low is not None and own.high is not None
    log = own.log if own.log is not None else bool(tune and tune.log and own.low > 0)
    integer = _is_integer(cls, name, own)
    return Dimension(name, float(own.low), float(own.high), log, integer)


def _is_integer(cls: type[Params], name: str, own: Range) -> bool:
    """Return whether a parameter takes whole numbers; of the library's own, whether its bounds are whole."""
    field = cls.model_fields.get(name)
    if field is None:
        return isinstance(own.low, int) and isinstance(own.high, int)
    kinds = get_args(field.annotation) or (field.annotation,)
    return int in kinds and float not in kinds


def _check(checks: Plugs, model: Model, part: ModelSection) -> None:
    cls = type(model.plug.params)
    at = (*AT, model.name)
    known = [name for name in cls.known_names() if name != "native"]
    mappings = [n for n in cls.model_fields if n != "native" and isinstance(getattr(model.plug.params, n), dict)]
    written = given(model.plug.params)
    names: dict[str, str] = {}
    for kind, entries in (("ranges", part.ranges), ("fixed", part.fixed)):
        for name in entries:
            here = (*at, kind, name)
            own = own_name(cls, name)
            if name not in known and name.partition(".")[0] not in mappings:
                checks.add(f"unknown parameter of {model.plug.use}", here, name, known, (name, known))
            elif own in written:
                advice = "take it out here, or out of the model's params"
                checks.add("this parameter is set in the model's params", here, got=written[own], next=advice)
            elif own in names:
                checks.add("this parameter is named twice", here, got=name, next=f"it stands under {names[own]} too")
            else:
                names[own] = kind
                _try(checks, model, kind, name, here, part)


def _try(checks: Plugs, model: Model, kind: str, name: str, at: tuple[str, ...], part: ModelSection) -> None:
    """Note values that the learner refuses: a fixed one, a choice, an end of a range."""
    cls = type(model.plug.params)
    own: Range | None = part.ranges.get(name)
    values = (
        [part.fixed.get(name)] if own is None else [*own.choices, *(v for v in (own.low, own.high) if v is not None)]
    )
    for value in values:
        before = len(checks.problems)
        checks.validated(cls, nested({**given(model.plug.params), name: value}), at[:-1])
        if len(checks.problems) > before:
            del checks.problems[before + 1 :]
            break
    declared = dict(tunes(cls)).get(own_name(cls, name))
    if own is not None and not own.choices and declared is not None and declared.choices:
        checks.add("this parameter has choices", at, got=f"{own.low} .. {own.high}", allowed=declared.choices)
