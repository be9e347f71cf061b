"""Sources side by side, and the sums over their rows, which are made once for any number of stackers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kit.oof import Oof
from kit.stackers._gram import Grams, Space, lift
from kit.stackers._sums import Scored, gather
from kit.types import Floats, Floats32, Ints, Task


class Panel:
    """Sources over the same rows, scored under v (n,), with group (n,) and test_group (t,) or None.

    A repeat of None means the predictions averaged over repeats: what the combiner for test rows is fitted on.
    """

    def __init__(
        self, task: Task, sources: Sequence[Oof], v: Floats, group: Ints | None, test_group: Ints | None = None
    ) -> None:
        self.task, self.sources, self.v = task, tuple(sources), v
        self.group, self.test_group = group, test_group
        self.plain: Floats | None = None
        self.fold, self.y = sources[0].fold, sources[0].y
        self._grams: dict[tuple[int, Space], Grams] = {}
        self._spread: dict[Space, Floats] = {}

    def weighed(self, plain: Floats | None) -> Panel:
        """Return the panel itself, told what rows (n,) count by the data's own weights; None = nobody knows."""
        self.plain = plain
        return self

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def repeats(self) -> range:
        """The repeats, from 0."""
        return range(len(self.fold))

    def of(self, members: Ints) -> Panel:
        """Return the panel of some of the sources; sums that are there are taken along."""
        sources = [self.sources[s] for s in members]
        part = Panel(self.task, sources, self.v, self.group, self.test_group).weighed(self.plain)
        part._grams = {key: grams.of(members) for key, grams in self._grams.items()}
        part._spread = {key: spread[np.ix_(members, members)] for key, spread in self._spread.items()}
        return part

    def at(self, rows: Ints) -> Panel:
        """Return the panel of some of the rows, the test rows being the same."""
        sources = [
            replace(
                s,
                fold=s.fold[:, rows],
                y=s.y[rows],
                pred=s.pred[:, rows],
                std=None if s.std is None else s.std[:, rows],
            )
            for s in self.sources
        ]
        group = None if self.group is None else self.group[rows]
        plain = None if self.plain is None else self.plain[rows]
        return Panel(self.task, sources, self.v[rows], group, self.test_group).weighed(plain)

    def folds(self, repeat: int | None) -> Ints:
        """Return (n,) the fold of each row, -1 = not scored. Averaged repeats have the folds of the first."""
        fold = self.fold[repeat or 0].astype(np.int64)
        return fold if repeat is not None else np.where((self.fold >= 0).all(axis=0), fold, -1)

    def rows(self, repeat: int | None, *, but: int | None = None, only: int | None = None) -> Ints:
        """Return the rows that are scored: all, those of every other fold, or those of one."""
        fold = self.folds(repeat)
        return np.flatnonzero((fold >= 0) & (fold != but) if only is None else fold == only)

    def preds(self, repeat: int | None) -> list[Floats32]:
        """Return the predictions (n, m) of each source."""
        if repeat is None and len(self.fold) == 1:
            repeat = 0
        return [s.pooled().mean if repeat is None else s.pred[repeat] for s in self.sources]

    def stack(self, repeat: int | None, rows: Ints | slice = slice(None)) -> Floats32:
        """Return (S, rows, m)."""
        return np.stack([p[rows] for p in self.preds(repeat)])

    def stds(self, repeat: int | None) -> Floats32 | None:
        """Return (S, n) standard deviations, NaN where a source has none; None where none has."""
        if all(s.std is None for s in self.sources):
            return None
        gap = np.full(len(self.y), np.nan, np.float32)
        found = [s.pooled().std if repeat is None or s.std is None else s.std[repeat] for s in self.sources]
        return np.stack([gap if std is None else std for std in found])

    @property
    def uneven(self) -> bool:
        """Whether there are several sources, one of which gives scores of a ranking: their scales are no matter."""
        return len(self) > 1 and any(s.unscaled for s in self.sources)

    @property
    def has_spread(self) -> bool:
        """Whether every source shows what each of its fold models predicts for the test rows."""
        layers = {len(s.test) for s in self.sources}
        return len(layers) == 1 and layers != {1} and self.sources[0].test.shape[1] > 0

    def grams(self, repeat: int | None, space: Space, *, spread: bool = False) -> Grams:
        """Return the sums over the scored rows, in parts of their folds; with the spread where it is asked for."""
        if repeat is None and len(self.fold) == 1:
            repeat = 0
        key = (-1 if repeat is None else repeat, space)
        if key not in self._grams:
            scored = Scored(self.task, self.y, self.v, self.folds(repeat), self.group)
            self._grams[key] = gather(scored, self.preds(repeat), space)
        if spread and self.has_spread:
            return replace(self._grams[key], spread=self.spread(space))
        return self._grams[key]

    def spread(self, space: Space) -> Floats:
        """Return (S, S) float64: the mean over test rows of the covariance between the sources' fold models.

        An out-of-fold row is predicted by one fold model, a test row by the average of K: for squared loss that is
        better by just this, whatever the truth (Krogh & Vedelsby 1995).
        """
        if space in self._spread:
            return self._spread[space]
        n_layers, n_test, _ = self.sources[0].test.shape
        size = max(1, (1 << 21) // (len(self) * n_layers))
        total = np.zeros((len(self), len(self)))
        for a in range(0, n_test, size):
            z = np.stack([lift(s.test[:, a : a + size], space) for s in self.sources])
            z -= z.mean(axis=1, keepdims=True)
            flat = z.reshape(len(self), -1)
            total += flat @ flat.T
        self._spread[space] = total / (n_layers * n_test)
        return self._spread[space]
