"""Returns rows around the learning rows with extreme targets: between near ones, and with noise around lonely ones."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Made, PerRow, Weight, draw_parents, kinds_of, synthesise
from kit.augment._mixing import MIXED, Label, mix, mix_labels
from kit.params import MixedName, Tune
from kit.types import Array, Bools, Floats, Ints, Rows

LIBS: tuple[str, ...] = ()

CHUNK = 2**22
"""Distances held at a time."""


class Params(base.Params):
    """SMOGN-like oversampling: a row with an extreme y is interpolated with one of its nearest on the same side, or
    gets noise where that one is far. The weighting `undersample` is its other half.
    """

    columns: tuple[MixedName, ...] = ()
    """Numeric or vector columns that say who is near and are mixed. Empty: all of them, whole numbers as well; the rest
    is the parent's."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Relevance from which a y is extreme: 0 at the median, 1 at the whiskers of a box plot and beyond."""

    side: Literal["both", "low", "high"] = "both"
    """Which extremes count."""

    k: Annotated[int, Field(ge=1, le=1000), Tune(3, 15)] = 5
    """Nearest rows of the same side from which the partner is drawn."""

    noise: Annotated[float, Field(ge=0, allow_inf_nan=False), Tune(0.005, 0.2, log=True)] = 0.02
    """Standard deviation of the noise, in those of the column and of y."""

    label: Label = "linear"
    """How y follows the share between the two: linear, square, or draw: the y of one of them. With draw y gets no
    noise; classes need it."""

    per_row: PerRow = 1.0
    """New rows for each extreme row; with a fraction the parents are drawn without replacement."""

    weight: Weight = 1.0
    """What a new row counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the new rows only: none where no side has two extreme rows.

    Source: Branco, Torgo and Ribeiro, SMOGN: a Pre-processing Approach for Imbalanced Regression, PMLR 74, 2017.

    Raises:
        RecipeError: a column is unknown or of another kind.
    """
    names = kinds_of("smogn", tuple(str(name) for name in params.columns), rows, MIXED)
    y, sizes = np.asarray(rows.y), {name: _spread(rows.x[name]) for name in names}
    sides = dict(zip(("low", "high"), _extreme(y, params.threshold), strict=True))
    found = [np.empty((3, 0), np.int64)]
    for name, side in sides.items():
        if params.side in ("both", name) and side.sum() > 1:
            found.append(_paired(params, _space(rows, sizes), np.flatnonzero(side), rng))
    parent, donor, close = np.concatenate(found, axis=1)
    share, far = np.where(close, rng.random(len(parent)), 1.0), np.where(close, 0.0, params.noise)
    above: dict[str, Array] = {}
    for name in names:
        x = mix(rows.x[name][parent], rows.x[name][donor], share)
        step = far if x.ndim == 1 else far[:, None]
        above[name] = (x + step * sizes[name] * rng.standard_normal(x.shape)).astype(x.dtype)
    made = mix_labels(params.label, y[parent], y[donor], share, rng)
    if params.label != "draw":
        made = made + far * y.std() * rng.standard_normal(len(made))
    return synthesise(rows, Made(parent, donor, names, above, made), params.weight)


def _extreme(y: Floats, threshold: float) -> tuple[Bools, Bools]:
    """Return (n,) whether each y is extreme on the low and on the high side.

    Relevance rises as 3 t^2 - 2 t^3 from the median to the whisker's end, the last y within 1.5 quartile ranges.
    """
    q1, median, q3 = np.percentile(y, [25, 50, 75])
    reach = 1.5 * (q3 - q1)
    ends = y[y >= q1 - reach].min(), y[y <= q3 + reach].max()
    sides = []
    for end, out in zip(ends, (median - y, y - median), strict=True):
        span = abs(end - median)
        t = np.clip(np.where(out > 0, out / span if span > 0 else 1.0, 0.0), 0.0, 1.0)
        sides.append((3 * t**2 - 2 * t**3 >= threshold) & (out > 0))
    return sides[0], sides[1]


def _spread(x: Array) -> float:
    """Return the standard deviation of a column, over all elements of a vector, 1 where there is none."""
    finite = x[np.isfinite(x)]
    return (float(finite.std(dtype=np.float64)) if len(finite) else 0.0) or 1.0


def _space(rows: Rows, sizes: dict[str, float]) -> Floats:
    """Return (n, d) the columns side by side, each of spread 1 (a vector as a whole); missing = 0."""
    parts = [
        np.nan_to_num(rows.x[name].reshape(len(rows), -1).astype(np.float64)) / size for name, size in sizes.items()
    ]
    return np.concatenate(parts, axis=1)


def _paired(params: Params, space: Floats, side: Ints, rng: np.random.Generator) -> Ints:
    """Return (3, p): parents of one side, their partners, and whether a partner is close enough to interpolate with.

    Close: nearer than half the median distance of the parent to its side.
    """
    parent = draw_parents(np.arange(len(side)), params.per_row, rng)
    k = min(params.k, len(side) - 1)
    choice = rng.integers(0, k, len(parent))
    x = space[side]
    square = (x * x).sum(axis=1)
    donor, close = np.empty(len(parent), np.int64), np.empty(len(parent), np.bool_)
    step = max(1, CHUNK // len(side))
    for at in range(0, len(parent), step):
        mine = parent[at : at + step]
        gap = square[mine, None] + square[None, :] - 2 * x[mine] @ x.T
        gap[np.arange(len(mine)), mine] = np.inf
        # Rounded, so that the order of equal distances hangs on the rows and not on how a product was summed.
        gap = np.round(np.maximum(gap, 0.0), 9)
        near = np.argsort(gap, axis=1, kind="stable")
        drawn = near[np.arange(len(mine)), choice[at : at + step]]
        middle = np.median(np.sort(gap, axis=1)[:, :-1], axis=1)
        donor[at : at + step] = drawn
        close[at : at + step] = gap[np.arange(len(mine)), drawn] < middle / 4
    return np.stack([side[parent], side[donor], close.astype(np.int64)])
