"""Returns numbers moved to a normal or uniform distribution by their rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import check_columns, known_numbers
from kit.params import ColumnName
from kit.types import Block, Floats, Floats32, Rows, Task

LIBS: tuple[str, ...] = ("scipy",)
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("numeric",)
ACCEPTS: tuple[str, ...] = ("numeric", "date")

Output = Literal["normal", "uniform"]
EDGE = 1e-4
"""The extremes stand at the quantiles of this share and its complement, 3.7 standard deviations off."""


class Params(base.Params):
    """Ranks of numeric columns, for linear models, nets and neighbours; trees do not care.

    Beyond the values met, a value counts as the extreme one.
    """

    columns: tuple[ColumnName, ...] = ()
    """Columns to move. Empty: all numeric columns."""

    quantiles: Annotated[int, Field(ge=10, le=100_000)] = 1_000
    """How finely the distribution of a column is kept; between two quantiles values are interpolated."""

    output: Output = "normal"
    """normal: mean 0, standard deviation 1. uniform: 0 to 1."""

    scope: Literal["table", "fold"] = "table"
    """table: ranks among train and test rows. fold: among the learning rows of the fold, the strict form."""


@dataclass(frozen=True, eq=False)
class RankGauss:
    """The quantiles (q,) float64 of each column, from the least to the largest value."""

    columns: tuple[str, ...]
    quantiles: tuple[Floats, ...]
    output: Output
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the moved values, (n, d) float32 in Fortran order; missing, and infinite, = NaN."""
        from scipy.special import ndtri

        x: Floats32 = np.full((len(rows), len(self.columns)), np.nan, np.float32, order="F")
        for j, (name, quantiles) in enumerate(zip(self.columns, self.quantiles, strict=True)):
            value = rows.x[name].astype(np.float64)
            known = np.isfinite(value)
            if len(quantiles):
                share = _share(value[known], quantiles)
                x[known, j] = ndtri(np.clip(share, EDGE, 1 - EDGE)) if self.output == "normal" else share
        return Block(tuple(f"rank({name})" for name in self.columns), x)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> RankGauss:
    """Return the quantiles.

    Raises:
        RecipeError: a named column is not numeric.
    """
    check_columns("rank_gauss", params.columns, rows.header, ACCEPTS)
    shares = np.linspace(0, 1, params.quantiles)
    known = [known_numbers(rows, name) for name in params.columns]
    quantiles = tuple(np.quantile(k, shares) if len(k) else np.empty(0) for k in known)
    return RankGauss(tuple(str(name) for name in params.columns), quantiles, params.output)


def _share(value: Floats, quantiles: Floats) -> Floats:
    """Return (n,) the share of learnt values below; one that many rows have gets the middle of its shares."""
    shares = np.linspace(0, 1, len(quantiles))
    below = np.interp(value, quantiles, shares)
    above = 1 - np.interp(-value, -quantiles[::-1], shares)
    return np.asarray((below + above) / 2)
