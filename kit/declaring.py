"""The section `evaluate` of a recipe, in its short and its long form, as the schema takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.errors import nearest
from kit.problems import Checks
from kit.sections import Estimated, EvaluateSection, Shares
from kit.wording import At

AT: At = ("evaluate",)
BESIDE = ("bins",)
"""Keys of the long form that the short one has too."""

_SHORT = (*Shares.model_fields, *Estimated.model_fields)


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
