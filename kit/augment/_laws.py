"""Score laws: the y of synthetic rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, FiniteFloat, Tag, model_validator

from kit.augment import _formula
from kit.types import Floats

Clip = tuple[FiniteFloat | None, FiniteFloat | None]
Spread = Annotated[FiniteFloat, Field(ge=0)]


class _Law(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    clip: Clip | None = None
    """Low and high end, both included; what falls outside is moved to the edge. null = no limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("clip", "uniform", "integers"):
            ends = getattr(self, name, None)
            if ends is not None and None not in ends and ends[0] > ends[1]:
                raise ValueError(f"{name}: the low end must not be above the high end")
        return self


class Normal(_Law):
    """A normal score: `{normal: [mean, std], clip: [low, high]}`."""

    normal: tuple[FiniteFloat, Spread]
    """Mean and standard deviation."""


class Uniform(_Law):
    """A score from an interval, evenly: `{uniform: [low, high]}`."""

    uniform: tuple[FiniteFloat, FiniteFloat]
    """Low and high end."""


class Integers(_Law):
    """A whole score, each equally likely: `{integers: [low, high]}`, both ends included."""

    integers: tuple[int, int]
    """Low and high end, both included."""


class Formula(_Law):
    """A score computed from the parents': `{formula: "0.3 * own", std: 0.2, clip: [0, 10]}`."""

    formula: Annotated[str, AfterValidator(_formula.checked)]
    """Arithmetic of `own` (the first parent's y), `other` (the donor's) and `share` (the first parent's share)."""

    std: Spread = 0.0
    """Standard deviation of noise added to it."""


LAWS = {"normal": Normal, "uniform": Uniform, "integers": Integers, "formula": Formula}


def _which(value: object) -> str:
    """Return the tag of a law, so that an error speaks of the one that was meant."""
    if isinstance(value, Mapping):
        return next((name for name in LAWS if name in value), "normal")
    return next((name for name, law in LAWS.items() if isinstance(value, law)), "constant")


Law = Annotated[
    Annotated[FiniteFloat, Tag("constant")]
    | Annotated[Normal, Tag("normal")]
    | Annotated[Uniform, Tag("uniform")]
    | Annotated[Integers, Tag("integers")]
    | Annotated[Formula, Tag("formula")],
    Discriminator(_which),
]
"""The y of synthetic rows. For classes it is the code: 1 = positive in a binary task, else the place in `classes`."""

AnyLaw = float | Normal | Uniform | Integers | Formula


@dataclass(frozen=True)
class Labels:
    """What a law may look at: own and other y and the own share, (p,) each. other = own where there is no donor."""

    own: Floats
    other: Floats
    share: Floats

    def __len__(self) -> int:
        return len(self.own)


def draw_scores(law: AnyLaw, labels: Labels, rng: np.random.Generator) -> Floats:
    """Return (p,) float64 scores that follow `law`.

    >>> one = np.ones(3)
    >>> draw_scores(Integers(integers=(2, 2)), Labels(one, one, one), np.random.default_rng(0)).tolist()
    [2.0, 2.0, 2.0]
    """
    n = len(labels)
    if not isinstance(law, _Law):
        return np.full(n, float(law))
    scores = _drawn(law, n, labels, rng)
    return scores if law.clip is None else np.clip(scores, *_ends(law.clip))


def _drawn(law: Any, n: int, labels: Labels, rng: np.random.Generator) -> Floats:
    if isinstance(law, Normal):
        return rng.normal(*law.normal, size=n)
    if isinstance(law, Uniform):
        return rng.uniform(*law.uniform, size=n)
    if isinstance(law, Integers):
        return rng.integers(law.integers[0], law.integers[1], size=n, endpoint=True).astype(np.float64)
    values = _formula.compute(law.formula, vars(labels))
    return np.broadcast_to(values, n) + (rng.normal(0.0, law.std, n) if law.std else 0.0)


def _ends(clip: Clip) -> tuple[float, float]:
    return (-np.inf if clip[0] is None else clip[0], np.inf if clip[1] is None else clip[1])
