"""Returns a few columns in place of many: principal components, or distances to the centres of clusters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Scope
from kit.errors import DataError
from kit.features._columns import check_columns
from kit.params import ColumnName, Tune
from kit.types import Array, Block, Floats, Floats32, Rows, Task

LIBS: tuple[str, ...] = ("scikit-learn",)
SCOPE: Scope = "table"
KINDS: tuple[str, ...] = ("numeric",)
ACCEPTS: tuple[str, ...] = ("numeric", "date", "vector")

Method = Literal["pca", "svd", "kmeans"]
CHUNK = 2**22
"""Elements taken at a time: 32 MiB of float64."""

MOST = 2**26
"""Elements learnt from: 512 MiB of float64."""

LARGEST = float(np.finfo(np.float32).max)
"""Numbers beyond it are taken as it, before and after they are scaled: squares and sums stay finite then."""


class Params(base.Params):
    """Components of all the columns taken together; elements of vectors count as columns, missing values as the mean.

    Dear on wide columns: under `columns` it is computed once, under `features` for every fold.
    """

    columns: tuple[ColumnName, ...] = ()
    """Numeric and vector columns. Empty: all numeric ones."""

    method: Method = "pca"
    """pca: principal components; svd: the same without centring, for counts; kmeans: distances to cluster centres."""

    size: Annotated[int, Field(ge=1, le=2_000), Tune(2, 64, log=True)] = 8
    """How many components or clusters; at most as many as there are columns (pca, svd) or rows."""

    scale: Literal["standard", "none"] = "standard"
    """standard: every column is divided by its standard deviation before; none: large columns weigh more."""

    rows: Annotated[int, Field(ge=100)] = 100_000
    """Learn from at most so many rows, drawn at random; from fewer where there are more than 670 columns."""

    scope: Literal["table", "fold"] = "table"
    """table: learnt over train and test rows. fold: over the learning rows of the fold, the strict form."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is taken off and divided by: fill, center, width (d,); base (size, d): components, or centres."""

    columns: tuple[str, ...]
    method: Method
    fill: Floats
    center: Floats
    width: Floats
    base: Floats
    own: None = None

    def __call__(self, rows: Rows) -> Block:
        """Return the components or distances, (n, size) float32, summed column by column."""
        out = np.zeros((len(rows), len(self.base)))
        at = 0
        for name in self.columns:
            column = rows.x[name].reshape(len(rows), rows.header[name].width)
            end = at + column.shape[1]
            for piece in _pieces(*column.shape):
                part = column[piece].astype(np.float64)
                part = np.where(np.isfinite(part), part.clip(-LARGEST, LARGEST), self.fill[at:end])
                part = ((part - self.center[at:end]) / self.width[at:end]).clip(-LARGEST, LARGEST)
                _add(self.method, part, self.base[:, at:end], out[piece])
            at = end
        out = np.sqrt(out) if self.method == "kmeans" else out
        x: Floats32 = np.clip(out, -LARGEST, LARGEST).astype(np.float32)
        return Block(tuple(f"{self.method}[{j}]" for j in range(len(self.base))), x)


def learn(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Reduced:
    """Return the components or centres.

    Raises:
        RecipeError: a named column holds neither numbers nor vectors.
        DataError: there is no row to learn from.
    """
    from threadpoolctl import threadpool_limits

    check_columns("reduce", params.columns, rows.header, ACCEPTS)
    if not len(rows):
        raise DataError("reduce has no row to learn from", got=0, next="use it with scope: table")
    columns = tuple(str(name) for name in params.columns)
    x = _drawn(params, columns, rows, rng)
    count = np.maximum((~np.isnan(x)).sum(axis=0), 1)
    mean = np.nansum(x, axis=0) / count
    np.copyto(x, mean, where=np.isnan(x))
    width = x.std(axis=0)
    width[(width <= 1e-12 * np.abs(mean)) | (params.scale == "none")] = 1.0
    center = mean * 0 if params.method == "svd" else mean
    x -= center
    x /= width
    # One thread: sums over threads come in any order, and another --jobs may not change a bit.
    with threadpool_limits(1):
        made = _base(params, x, int(rng.integers(2**31)))
    return Reduced(columns, params.method, mean, center, width, np.asarray(made, np.float64))


def _drawn(params: Params, columns: Sequence[str], rows: Rows, rng: np.random.Generator) -> Floats:
    """Return (p, d) the columns of the rows to learn from side by side; infinite = NaN."""
    d = sum(rows.header[name].width for name in columns)
    most = min(params.rows, max(1000, MOST // d))
    if len(rows) > most:
        rows = rows.take(np.sort(rng.choice(len(rows), most, replace=False)))
    x = np.concatenate([rows.x[name].reshape(len(rows), -1) for name in columns], axis=1, dtype=np.float64)
    x[~np.isfinite(x)] = np.nan
    return np.clip(x, -LARGEST, LARGEST, out=x)


def _base(params: Params, x: Floats, seed: int) -> Array:
    """Return (size, d) the components or centres of x (n, d)."""
    n, d = x.shape
    if params.method == "kmeans":
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            # Fewer distinct rows than clusters: some centres are the same, which does no harm.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = KMeans(min(params.size, n), n_init=3, random_state=seed).fit(x)
        return np.asarray(model.cluster_centers_)
    size = min(params.size, n, d)
    if params.method == "pca":
        from sklearn.decomposition import PCA

        return np.asarray(PCA(size, random_state=seed).fit(x).components_)
    if size == d:
        return np.eye(d)
    from sklearn.decomposition import TruncatedSVD

    return np.asarray(TruncatedSVD(size, random_state=seed).fit(x).components_)


def _pieces(n: int, d: int) -> Iterator[slice]:
    step = max(1, CHUNK // max(d, 1))
    return (slice(lo, lo + step) for lo in range(0, n, step))


def _add(method: Method, part: Floats, base: Floats, out: Floats) -> None:
    """Add to out (p, size) what some of the columns, part (p, c) with base (size, c), give."""
    if method != "kmeans":
        out += part @ base.T
        return
    for j, centre in enumerate(base):
        gap = part - centre
        out[:, j] += np.einsum("ij,ij->i", gap, gap)
