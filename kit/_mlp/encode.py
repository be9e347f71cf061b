"""Turns a design matrix into what a net eats: scaled numbers, one-hot columns and codes of embedded categories."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from kit.types import Array, Bools, Design, Floats, Floats32, Ints

Scale = Literal["asinh", "robust", "standard", "none"]

ONE_HOT_MAX = 9
"""Categories with at most this many seen levels become 0/1 columns, larger ones get an embedding."""

NEVER_EMBED = np.iinfo(np.int64).max
"""The block width written for a numeric column that is not worth an embedding (two values)."""

_CHUNK = 8192
_NEAR = 3.0
"""Scaled values well below this stay as they are; those beyond are drawn in."""
_FAR = 1e6
"""Scaled values are cut here before they are drawn in, so that infinities and squares stay finite."""
_PULLS: dict[Scale, int] = {"robust": 1, "asinh": 2}
"""What `Encoder.soft` says of a scale; of the others 0."""


@dataclass(frozen=True)
class Encoder:
    """What is learnt from the learning rows alone.

    Shape:
        numeric (a,): matrix positions, narrow blocks first.  centre, factor (a,): their robust scale.
        width (a,): columns of the block they came in (`NEVER_EMBED` where an embedding is pointless).
        flagged (b,): positions with missing values, which get an indicator.
        category (k,): matrix positions.  levels (k,): entries of each in `table`.
        seen (k,): levels met in learning.  other (k,): 1 where missing or foreign codes were met too.
        table (sum of levels,): code -> 1..seen, 0 = never met.
        soft (1,): where far values are drawn to: 0 = nowhere, 1 (True in nets of older kits) = below 3, 2 = to 3 times
        the logarithm, so that they still differ.
    """

    numeric: Ints
    centre: Floats
    factor: Floats
    width: Ints
    flagged: Ints
    category: Ints
    levels: Ints
    seen: Ints
    other: Ints
    table: Ints
    soft: Ints

    def __call__(self, design: Design) -> tuple[Floats32, Ints]:
        """Return x (n, p) float32 without NaN, numeric columns first, and codes (n, c) int64 into one shared table."""
        matrix = design.matrix()
        hot, codes = self._categories(matrix)
        a, b = len(self.numeric), len(self.flagged)
        x = np.zeros((len(matrix), max(1, a + b + hot.shape[1])), np.float32)
        for at in range(0, len(matrix), _CHUNK):
            part = matrix[at : at + _CHUNK]
            x[at : at + _CHUNK, :a] = self._scale(part[:, self.numeric].astype(np.float64))
            x[at : at + _CHUNK, a : a + b] = np.isnan(part[:, self.flagged])
        x[:, a + b : a + b + hot.shape[1]] = hot
        return x, codes

    @property
    def n_codes(self) -> int:
        """Rows of the shared embedding table: the seen levels of every embedded category, and one more for others."""
        return int((self.seen[self._embedded] + 1).sum())

    @property
    def blanks(self) -> tuple[int, ...]:
        """(c,) the row of the embedding table that stands for the other levels, per embedded category."""
        sizes = self.seen[self._embedded] + 1
        return tuple(int(start) for start in np.cumsum(sizes) - sizes)

    def n_numbers(self, limit: int) -> int:
        """Return how many of the first columns of x get a numeric embedding: those of blocks up to `limit` wide.

        None do where they were more than `limit` together: the cost grows with their number.
        """
        count = int((self.width <= limit).sum())
        return count if count <= limit else 0

    @property
    def _embedded(self) -> Bools:
        return np.asarray(self.seen > ONE_HOT_MAX)

    def _scale(self, x: Floats) -> Floats:
        z = np.nan_to_num((x - self.centre) * self.factor, nan=0.0, posinf=_FAR, neginf=-_FAR)
        z = np.clip(z, -_FAR, _FAR)
        if self.soft[0] == _PULLS["asinh"]:
            return np.asarray(_NEAR * np.arcsinh(z / _NEAR))
        return np.asarray(z / np.sqrt(1.0 + (z / _NEAR) ** 2)) if self.soft[0] else z

    def _categories(self, matrix: Floats32) -> tuple[Floats32, Ints]:
        starts = np.concatenate([[0], np.cumsum(self.levels)])
        hot: list[Array] = []
        codes: list[Ints] = []
        blanks = iter(self.blanks)
        for k, position in enumerate(self.category):
            dense = _dense(matrix[:, position], self.table[starts[k] : starts[k + 1]])
            if self._embedded[k]:
                codes.append(dense + next(blanks))
            else:
                hot.append(_one_hot(dense, int(self.seen[k]), bool(self.other[k])))
        n = len(matrix)
        x = np.concatenate(hot, axis=1) if hot else np.zeros((n, 0), np.float32)
        return x, np.stack(codes, axis=1) if codes else np.zeros((n, 0), np.int64)

    def arrays(self) -> dict[str, Array]:
        """Return every field by name, for saving."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """Return the encoder whose `arrays` these were."""
        return cls(**arrays)


def learn(design: Design, scale: Scale = "asinh") -> Encoder:
    """Return the encoder of a design's rows with w > 0."""
    matrix = design.matrix()
    if not (design.w > 0).all():
        matrix = matrix[design.w > 0]
    categories = design.categories
    widths = [len(block.names) for block in design.blocks for _ in block.names]
    numeric, flagged = [], []
    for position in range(design.n_columns):
        if position not in categories:
            column = matrix[:, position].astype(np.float64)
            centre, factor, distinct = _statistics(column, scale)
            if factor > 0:
                numeric.append((widths[position] if distinct > 2 else NEVER_EMBED, position, centre, factor))
            if 0 < np.isnan(column).sum() < len(column):
                flagged.append(position)
    numeric.sort()
    tables = [_level_table(matrix[:, position], n) for position, n in categories.items()]
    return Encoder(
        numeric=_ints(row[1] for row in numeric),
        centre=np.array([row[2] for row in numeric], np.float64),
        factor=np.array([row[3] for row in numeric], np.float64),
        width=_ints(row[0] for row in numeric),
        flagged=_ints(flagged),
        category=_ints(categories),
        levels=_ints(len(table) for table, _ in tables),
        seen=_ints(table.max(initial=0) for table, _ in tables),
        other=_ints(other for _, other in tables),
        table=np.concatenate([table for table, _ in tables]) if tables else _ints([]),
        soft=_ints([_PULLS.get(scale, 0)]),
    )


def _ints(values: object) -> Ints:
    return np.array(list(values), np.int64)  # type: ignore[call-overload]


def _statistics(column: Floats, scale: Scale) -> tuple[float, float, int]:
    """Return (centre, factor, distinct values, 3 meaning more than 2) of the finite values; factor 0 = constant.

    asinh, robust: median and 1 / (q75 - q25), where that is 0, 2 / (max - min). Source: RealMLP (Holzmueller et al.
    2024).
    """
    finite = column[np.isfinite(column)]
    if len(finite) == 0:
        return 0.0, 0.0, 0
    low, q25, median, q75, high = np.quantile(finite, [0.0, 0.25, 0.5, 0.75, 1.0])
    if low == high:
        return float(median), 0.0, 1
    distinct = 2 if ((finite == low) | (finite == high)).all() else 3
    if scale == "none":
        return 0.0, 1.0, distinct
    if scale == "standard":
        return float(finite.mean()), float(1.0 / finite.std()), distinct
    spread, span = q75 - q25, (high - low) / 2
    return float(median), float(1.0 / (spread if spread > 1e-9 * span else span)), distinct


def _level_table(column: NDArray[np.float32], n_levels: int) -> tuple[Ints, bool]:
    """Return (n_levels,) code -> 1..seen or 0 = never met, and whether missing or foreign codes were met."""
    every = np.arange(n_levels, dtype=np.int64)
    codes = _dense(column, every + 1)
    counts = np.bincount(codes, minlength=n_levels + 1)
    met = counts[1:] > 0
    return np.where(met, np.cumsum(met), 0).astype(np.int64), bool(counts[0])


def _dense(column: NDArray[np.float32], table: Ints) -> Ints:
    """Return (n,) int64: `table` at each code, 0 for missing, negative, unbounded and unknown codes."""
    known = (column >= 0) & (column < len(table))
    out = np.zeros(len(column), np.int64)
    out[known] = table[column[known].astype(np.int64)]
    return out


def _one_hot(dense: Ints, seen: int, other: bool) -> Floats32:
    """Return the 0/1 columns of levels 1..seen: one column of +-1 for two levels, none for one; then the others'."""
    if seen == 2:
        columns = [np.select([dense == 1, dense == 2], [-1.0, 1.0])]
    else:
        columns = [dense == level for level in range(1, seen + 1)] if seen > 2 else []
    if other and seen:
        columns.append(dense == 0)
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(dense), 0), np.float32)
