"""Columns of some rows, gathered only when one of them is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = NDArray[np.int64]


class Gather(Mapping[str, Array]):
    """Columns of `base` at `index`, gathered on access, so that unused columns cost nothing."""

    def __init__(self, base: Mapping[str, Array], index: Ints) -> None:
        self._base: Mapping[str, Array] = base
        self._index: Ints = index
        if isinstance(base, Gather):
            self._base, self._index = base._base, base._index[index]
        index = self._index
        run = len(index) > 0 and int(index[-1]) - int(index[0]) == len(index) - 1 and bool((np.diff(index) == 1).all())
        self._slice = slice(int(index[0]), int(index[-1]) + 1) if run else None

    def __getitem__(self, name: str) -> Array:
        column = self._base[name]
        taken: Array = column[self._slice] if self._slice is not None else np.asarray(column)[self._index]
        return taken

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)
