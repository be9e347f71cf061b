"""The matrix as learners want it that cannot take categories as floats: scikit-learn (nor missing values), CatBoost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from kit.types import Array, Bools, Floats, Floats32, Ints

Scale = Literal["standard", "robust", "minmax", "none"]


@dataclass(frozen=True, eq=False)
class Encoder:
    """What was learnt of the learning rows' columns. e encoded columns: numeric, missing flags, one-hot levels.

    Shape:
        numeric: (p,) positions of numeric columns; fill, center, width: (p,) median, and value -> (x - center) / width.
        flagged: (f,) those of `numeric` that missed values in learning.
        level: (q, 2) position and code of each one-hot column; code -1 = missing.
    """

    numeric: Ints
    fill: Floats
    center: Floats
    width: Floats
    flagged: Ints
    level: Ints

    @classmethod
    def learn(cls, x: Floats32, categories: Mapping[int, int], scale: Scale, levels: int) -> Self:
        """Return the encoder of a matrix x (n, d). A category keeps its `levels` most frequent levels."""
        numeric = np.array([i for i in range(x.shape[1]) if i not in categories], np.int64)
        stats = np.array([_statistics(x[:, i], scale) for i in numeric]).reshape(-1, 3)
        flagged = [i for i in numeric if np.isnan(x[:, i]).any()]
        level = [(i, code) for i in sorted(categories) for code in _frequent(x[:, i], levels)]
        pairs = np.array(level, np.int64).reshape(-1, 2)
        return cls(numeric, stats[:, 0], stats[:, 1], stats[:, 2], np.array(flagged, np.int64), pairs)

    @property
    def source(self) -> Ints:
        """(e,) the position of the matrix column each encoded column was made of."""
        return np.concatenate([self.numeric, self.flagged, self.level[:, 0]])

    def __call__(self, x: Floats32) -> Floats:
        """Return the encoded matrix (n, e) float64; levels never met in learning are all zeros."""
        out = np.empty((len(x), len(self.source)))
        p, f = len(self.numeric), len(self.flagged)
        for j, i in enumerate(self.numeric):
            filled = np.where(np.isnan(x[:, i]), self.fill[j], x[:, i])
            out[:, j] = (filled - self.center[j]) / self.width[j]
        out[:, p : p + f] = np.isnan(x[:, self.flagged])
        for j, (i, code) in enumerate(self.level, p + f):
            out[:, j] = _is(x[:, i], code)
        return out

    def save(self, file: Path) -> None:
        """Write the arrays as .npz."""
        np.savez(file, **vars(self))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return what `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})


def _statistics(column: Array, scale: Scale) -> tuple[float, float, float]:
    """Return median, center and width of a column; 0, 0, 1 where there is no value."""
    known = column[~np.isnan(column)].astype(np.float64)
    if not len(known):
        return 0.0, 0.0, 1.0
    low, median, high = (float(q) for q in np.percentile(known, [25, 50, 75]))
    sd = float(known.std())
    if scale == "none":
        return median, 0.0, 1.0
    if scale == "minmax":
        least = float(known.min())
        return median, least, float(known.max()) - least or 1.0
    if scale == "standard":
        return median, float(known.mean()), sd or 1.0
    return median, median, (high - low) or sd or 1.0


def _frequent(column: Array, levels: int) -> list[int]:
    """Return the codes to keep, the most frequent ones first; -1 stands for missing."""
    codes, counts = np.unique(np.where(np.isnan(column), -1, column).astype(np.int64), return_counts=True)
    return [int(c) for c in codes[np.argsort(-counts, kind="stable")][:levels]]


def _is(column: Array, code: int) -> Bools:
    return np.isnan(column) if code < 0 else np.asarray(column == code)


def frame_of(x: Floats32, categories: Mapping[int, int]) -> Any:
    """Return x as CatBoost wants it: a frame without copies where there are categories, missing as their own level."""
    if not categories:
        return x
    import pandas as pd

    columns: dict[int, Any] = {i: x[:, i] for i in range(x.shape[1])}
    for i, n in categories.items():
        codes = np.where(np.isnan(x[:, i]), -1, x[:, i]).astype(np.int64)
        levels = ["missing", *map(str, range(max(n, int(codes.max(initial=-1)) + 1)))]
        columns[i] = pd.Categorical.from_codes(codes + 1, pd.Index(levels))
    return pd.DataFrame(columns, copy=False)
