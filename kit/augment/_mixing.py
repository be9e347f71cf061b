"""Rows mixed of two: shares, columns, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kit.types import Array, Floats, Ints, Rows

Label = Literal["linear", "square", "draw"]
"""How the label follows the share: as it, as its square, or one of the two labels drawn with it (for classes)."""

MIXED = ("numeric", "vector")

Part = Annotated[float, Field(ge=0, le=1)]


class Beta(BaseModel):
    """Shares of a Beta(a, a) law: `{beta: a}`. 1 is even, below it shares near 0 and 1, above it near one half."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    beta: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Both parameters of the law."""


def _ordered(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("share: the low end must not be above the high end")
    return ends


Share = Annotated[tuple[Part, Part], AfterValidator(_ordered)] | Beta
"""The first parent's share in a new row: [low, high], evenly, or {beta: a}."""


def draw_shares(share: tuple[float, float] | Beta, n: int, rng: np.random.Generator) -> Floats:
    """Return (n,) shares.

    >>> draw_shares((0.5, 0.5), 2, np.random.default_rng(0)).tolist()
    [0.5, 0.5]
    """
    if isinstance(share, Beta):
        return rng.beta(share.beta, share.beta, n)
    return rng.uniform(share[0], share[1], n)


def mix_labels(label: Label, own: Floats, other: Floats, share: Floats, rng: np.random.Generator) -> Floats:
    """Return (p,) the labels of the mixed rows; `share` is that of `own`."""
    if label == "draw":
        return np.where(rng.random(len(own)) < share, own, other)
    part = share if label == "linear" else share * share
    return np.asarray(other + part * (own - other))


@dataclass(frozen=True)
class Mixed(Mapping[str, Array]):
    """Columns of parent and donor rows mixed by `share`, computed on access; what either lacks is the parent's."""

    rows: Rows
    names: tuple[str, ...]
    parent: Ints
    donor: Ints
    share: Floats

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        x = self.rows.x[name]
        return mix(x[self.parent], x[self.donor], self.share)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def mix(own: Array, other: Array, share: Floats) -> Array:
    """Return share * own + (1 - share) * other, (p,) or (p, d), own where either is missing."""
    part = share.astype(own.dtype) if own.ndim == 1 else share.astype(own.dtype)[:, None]
    made = other + part * (own - other)
    return np.where(np.isnan(made), own, made)
