"""What the augmenters share: score laws, the choice of parents, columns laid over others, synthetic rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, FiniteFloat, Tag, model_validator

from kit.errors import RecipeError, nearest
from kit.types import NO_PARENT, Array, Floats, Ints, Rows, require

PerRow = Annotated[float, Field(gt=0, le=100)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Normal(BaseModel):
    """A normal score: `{normal: [mean, std], clip: [low, high]}`; what falls outside `clip` is moved to its edge."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    normal: tuple[FiniteFloat, Annotated[FiniteFloat, Field(ge=0)]]
    """Mean and standard deviation."""

    clip: tuple[FiniteFloat, FiniteFloat] | None = None
    """Low and high end, both included. null = no limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.clip is not None and self.clip[0] > self.clip[1]:
            raise ValueError("clip: the low end must not be above the high end")
        return self


class Integers(BaseModel):
    """A whole score, each equally likely: `{integers: [low, high]}`, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    integers: tuple[int, int]
    """Low and high end, both included."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.integers[0] > self.integers[1]:
            raise ValueError("integers: the low end must not be above the high end")
        return self


def _which(value: object) -> str:
    """Return the tag of a law, so that an error speaks of the one that was meant."""
    if isinstance(value, Mapping):
        return "integers" if "integers" in value else "normal"
    if isinstance(value, Integers):
        return "integers"
    return "normal" if isinstance(value, Normal) else "constant"


Law = Annotated[
    Annotated[FiniteFloat, Tag("constant")] | Annotated[Normal, Tag("normal")] | Annotated[Integers, Tag("integers")],
    Discriminator(_which),
]
"""The y of synthetic rows. For classes it is the code: 1 = positive in a binary task, else the place in `classes`."""


def draw_scores(law: float | Normal | Integers, n: int, rng: np.random.Generator) -> Floats:
    """Return (n,) float64 scores that follow `law`.

    >>> draw_scores(Integers(integers=(2, 2)), 3, np.random.default_rng(0)).tolist()
    [2.0, 2.0, 2.0]
    """
    if isinstance(law, Normal):
        scores = rng.normal(*law.normal, size=n)
        return scores if law.clip is None else np.clip(scores, *law.clip)
    if isinstance(law, Integers):
        return rng.integers(law.integers[0], law.integers[1], size=n, endpoint=True).astype(np.float64)
    return np.full(n, law)


def draw_parents(n: int, per_row: float, rng: np.random.Generator) -> Ints:
    """Return the positions of the parents, `per_row` times each: a fraction is drawn without replacement.

    >>> draw_parents(3, 2.0, np.random.default_rng(0)).tolist()
    [0, 1, 2, 0, 1, 2]
    """
    times, share = divmod(per_row, 1.0)
    some = np.sort(rng.choice(n, size=round(share * n), replace=False))
    return np.concatenate([np.tile(np.arange(n), int(times)), some])


class Overlay(Mapping[str, Array]):
    """The columns `names` of `above` laid over those of `below`; both are read only on access."""

    def __init__(self, below: Mapping[str, Array], above: Mapping[str, Array], names: tuple[str, ...]) -> None:
        self._below, self._above, self._names = below, above, names

    def __getitem__(self, name: str) -> Array:
        return self._above[name] if name in self._names else self._below[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._below)

    def __len__(self) -> int:
        return len(self._below)


@dataclass(frozen=True)
class Made:
    """What an augmenter decided: parent and donor positions (p,), donor None = no second parent, columns, y (p,)."""

    parent: Ints
    donor: Ints | None
    names: tuple[str, ...]
    above: Mapping[str, Array]
    y: Floats


def synthesise(rows: Rows, made: Made, weight: float) -> Rows:
    """Return the synthetic rows: numbered -1, -2, ..., not scored, in the first parent's group and time."""
    base = rows.take(made.parent)
    n = len(base)
    second = np.full(n, NO_PARENT) if made.donor is None else rows.row[made.donor]
    return Rows(
        row=-1 - np.arange(n),
        x=Overlay(base.x, made.above, made.names),
        header=rows.header,
        y=made.y,
        w=weight * base.w,
        v=np.zeros(n),
        group=base.group,
        time=base.time,
        parents=np.column_stack([base.row, second]),
    )


def check_columns(augmenter: str, names: tuple[str, ...], rows: Rows) -> None:
    """Return nothing: the learning rows have y and all columns `names`.

    Raises:
        RecipeError: there is no such column.
    """
    require(rows.y is not None, f"{augmenter} is given learning rows, which have y")
    for name in names:
        if name not in rows.header:
            found = sorted(rows.header)
            raise RecipeError(f"{augmenter}: unknown column", got=name, allowed=found, next=nearest(name, found))
