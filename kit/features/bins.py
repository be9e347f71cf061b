"""Returns numbers cut into bins."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from kit import params as base
from kit.contracts import Scope
from kit.features._columns import check_columns, known_numbers
from kit.params import ColumnName, Tune
from kit.types import Block, Floats, Floats32, Rows, Task

LIBS: tuple[str, ...] = ()
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("numeric",)
ACCEPTS: tuple[str, ...] = ("numeric", "date")
CATEGORIES = True

Output = Literal["category", "number"]


class Params(base.Params):
    """Bins of numeric columns; a value at an edge belongs to the bin above, a missing value to none."""

    columns: tuple[ColumnName, ...] = ()
    """Columns to cut, each by itself. Empty: all numeric columns."""

    bins: Annotated[int, Field(ge=2, le=10_000), Tune(4, 64, log=True)] = 10
    """How many bins; equal edges fall together, so that there may be fewer."""

    method: Literal["quantile", "uniform"] = "quantile"
    """quantile: bins of about as many rows; uniform: of equal width between the least and the largest value."""

    edges: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()
    """Inner edges in rising order, instead of `bins` and `method`: [18, 65] makes three bins, for every column."""

    output: Output = "category"
    """category: learners may split the bins at will; number: the number of the bin, from 0."""

    scope: Literal["table", "fold"] = "table"
    """table: edges from train and test rows. fold: from the learning rows of the fold, the strict form."""

    @field_validator("edges")
    @classmethod
    def _rising(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in pairwise(edges)):
            raise ValueError("a list of rising numbers")
        return edges


@dataclass(frozen=True, eq=False)
class Bins:
    """The inner edges (e,) float64 of each column; e of them make e + 1 bins."""

    columns: tuple[str, ...]
    edges: tuple[Floats, ...]
    output: Output
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the number of the bin, (n, d) float32 in Fortran order; missing = NaN."""
        names = tuple(f"bin({name})" for name in self.columns)
        x: Floats32 = np.empty((len(rows), len(names)), np.float32, order="F")
        for j, (name, edges) in enumerate(zip(self.columns, self.edges, strict=True)):
            value = rows.x[name].astype(np.float64)
            x[:, j] = np.searchsorted(edges, value, "right")
            x[np.isnan(value), j] = np.nan
        sizes = {name: len(edges) + 1 for name, edges in zip(names, self.edges, strict=True)}
        return Block(names, x, sizes if self.output == "category" else {})


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Bins:
    """Return the edges.

    Raises:
        RecipeError: a named column is not numeric.
    """
    check_columns("bins", params.columns, rows.header, ACCEPTS)
    given = np.array(params.edges)
    edges = tuple(given if params.edges else _edges(params, known_numbers(rows, n)) for n in params.columns)
    return Bins(tuple(str(name) for name in params.columns), edges, params.output)


def _edges(params: Params, known: Floats) -> Floats:
    if not len(known):
        return np.empty(0)
    if params.method == "uniform":
        edges = np.linspace(known.min(), known.max(), params.bins + 1)[1:-1]
    else:
        edges = np.quantile(known, np.linspace(0, 1, params.bins + 1)[1:-1])
    edges = np.unique(edges)
    # Nothing lies below an edge that is the least value: it would make an empty bin.
    return np.asarray(edges[edges > known.min()])
