"""Returns learning rows with noise in some of their columns."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from kit import params as base
from kit.augment._common import Made, PerRow, Weight, check_columns, draw_parents, kinds_of, synthesise
from kit.augment._laws import Labels, Law, draw_scores
from kit.augment._where import Where, chosen
from kit.params import MixedName, Tune
from kit.types import Array, Floats, Rows

LIBS: tuple[str, ...] = ()

CHUNK = 2**20
"""Elements whose spread is summed at a time: 8 MiB of float64."""


class Params(base.Params):
    """Gaussian noise added to numeric or vector columns; all else is the parent's, texts included."""

    columns: Annotated[tuple[MixedName, ...], Field(min_length=1)]
    """Numeric or vector columns that get noise; a missing value stays missing."""

    std: Annotated[float, Field(gt=0, allow_inf_nan=False), Tune(0.01, 1.0, log=True)] = 0.1
    """Standard deviation of the noise, the same for every element of a vector."""

    relative: bool = False
    """True: `std` counts in standard deviations of the column (of each element) over the learning rows."""

    score: Law | None = None
    """The y of the new rows: a number, {normal: [mean, std], clip: [low, high]}, {uniform: [low, high]}, {integers:
    [low, high]} or {formula: "0.8 * own"}. null = the parent's y. For classes a number is the class code."""

    where: Where | None = None
    """Which rows become parents, such as {y: [null, 5]}. null = all."""

    per_row: PerRow = 1.0
    """New rows for each of these rows; with a fraction the parents are drawn without replacement."""

    weight: Weight = 1.0
    """What a new row counts in learning, times its parent's weight. It is never scored."""


def make(params: Params, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the new rows only.

    Raises:
        RecipeError: a column is unknown or holds codes.
    """
    names = kinds_of("jitter", tuple(str(name) for name in params.columns), rows, ("numeric", "vector"))
    check_columns("jitter", params.where.names() if params.where else (), rows)
    parent = draw_parents(chosen(params.where, rows), params.per_row, rng)
    above: dict[str, Array] = {}
    for name in names:
        x = rows.x[name]
        dtype = np.float32 if x.dtype == np.float32 else np.float64
        scale = params.std * _spread(x) if params.relative else params.std
        noise = rng.standard_normal((len(parent), *x.shape[1:]), dtype=dtype)
        noise *= np.asarray(scale, dtype)
        noise += x[parent]
        above[name] = noise
    y = np.asarray(rows.y)[parent]
    if params.score is not None:
        y = draw_scores(params.score, Labels(y, y, np.ones(len(y))), rng)
    return synthesise(rows, Made(parent, None, names, above, y), params.weight)


def _spread(x: Array) -> Floats:
    """Return the standard deviation over the rows, () or (d,), of what is finite; 0 where nothing is."""
    finite = np.isfinite(x)
    count = np.maximum(finite.sum(axis=0), 1)
    mean = np.sum(x, axis=0, where=finite, dtype=np.float64) / count
    square = np.zeros_like(mean)
    step = max(1, CHUNK // max(1, mean.size))
    for lo in range(0, len(x), step):
        gap = np.where(finite[lo : lo + step], x[lo : lo + step], mean) - mean
        square += (gap * gap).sum(axis=0)
    return np.asarray(np.sqrt(square / count))
