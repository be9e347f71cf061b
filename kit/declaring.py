"""The sections `data` and `evaluate` of a recipe: what the schema alone does not say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.errors import nearest
from kit.problems import Checks
from kit.sections import DataSection, Estimated, EvaluateSection, Shares
from kit.wording import At

AT: At = ("evaluate",)
BESIDE = ("bins",)
"""Keys of the long form that the short one has too."""

_SHORT = (*Shares.model_fields, *Estimated.model_fields)


def check_data(checks: Checks, data: DataSection | None) -> None:
    """Note what of the data's keys does not go together."""
    if data is None:
        return
    if ((data.train or data.folder) is None) == (data.source is None):
        checks.add("data needs either a train file or a source", ("data",), next="data: {train: train.csv, ...}")
    if data.test is not None and data.holdout is not None:
        advice = "leave out one of them"
        checks.add("a test file and a holdout exclude each other", ("data", "holdout"), data.holdout, next=advice)
    for target in data.together:
        if target in data.drop:
            checks.add("the target cannot be dropped", ("data", "drop"), got=target, next="take it out of drop")
    if data.target not in data.together:
        got, known = data.target, data.targets
        checks.add("it is none of the targets", ("data", "target"), got, known, (got, known), "name one of them")


def declared(checks: Checks, value: Any, known: Sequence[str]) -> EvaluateSection:
    """Return the declared test distribution, problems noted; `known`: models and blends it may be estimated from.

    `evaluate: uniform` and `evaluate: {estimate: a, bins: 10}` are short for `{target: uniform}` and
    `{target: {estimate: a}, bins: 10}`.
    """
    section, at = value, (*AT, "target")
    if isinstance(value, str):
        section, at = {"target": value}, AT
    elif isinstance(value, Mapping) and any(nearest(str(key), _SHORT) for key in value):
        section, at = {k: v for k, v in value.items() if k in BESIDE}, AT
        section["target"] = {k: v for k, v in value.items() if k not in BESIDE}
    if isinstance(section, Mapping) and isinstance(section.get("target"), Mapping):
        target = _target(checks, section["target"], at)
        if target is None:
            return EvaluateSection()
        section = {**section, "target": target}
    made: EvaluateSection = checks.section(EvaluateSection, section, AT) or EvaluateSection()
    if made.model is not None and made.model not in known:
        checks.add("unknown model or blend", AT, made.model, known, (made.model, known), "name one of these")
    return made


def _target(checks: Checks, value: Mapping[str, Any], at: At) -> Shares | Estimated | None:
    """Return shares or an estimate, whichever the keys are more like; None after noting what is wrong."""
    by_hand = set(value).intersection(Shares.model_fields)
    found: Shares | Estimated | None = checks.section(Shares if by_hand else Estimated, value, at)
    return found
