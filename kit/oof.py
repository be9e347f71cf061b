"""The currency of kit: out-of-fold predictions, with what the same models predict for test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.types import Bools, Floats, Floats32, Pred, PredKind, require


@dataclass(frozen=True)
class Oof:
    """Out-of-fold predictions of a model or a blend, with what it predicts for test.

    Shape:
        fold: (R, n) int16 (-1 = never held; its pred is NaN).  y: (n,) as `Task` says.
        pred: (R, n, m) float32.  std: (R, n) float32 or None.
        test: (K, t, m) float32, one per fold model.  test_std: (K, t) float32 or None.

    `unscaled`: they are scores, which order the rows of a query and have no scale.
    """

    fold: NDArray[np.int16]
    y: Floats
    pred: Floats32
    test: Floats32
    std: Floats32 | None = None
    test_std: Floats32 | None = None
    kind: PredKind = "value"
    peeked: bool = False
    transductive: bool = False
    unscaled: bool = False

    def __post_init__(self) -> None:
        shape = self.fold.shape
        require(self.pred.shape[:2] == shape, f"pred must start with shape {shape}, however: {self.pred.shape=}")
        require(self.y.shape == shape[1:], f"y must have shape {shape[1:]}, however: {self.y.shape=}")
        require(self.test.ndim == 3, f"test must have shape (K, t, m), however: {self.test.shape=}")
        require((self.std is None) == (self.test_std is None), "std and test_std go together")

    @property
    def scored(self) -> Bools:
        """(n,) bool: the rows held in every repeat."""
        return np.asarray((self.fold >= 0).all(axis=0))

    def pooled(self) -> Pred:
        """Return the prediction per row, averaged over repeats; NaN where a row was never held."""
        return average(self.pred, self.std)

    def test_mean(self) -> Pred:
        """Return the prediction per test row, averaged over the fold models."""
        return average(self.test, self.test_std)


def partition(fold: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return (n,) int64, folds numbered in the order in which they first come; -1 stays."""
    names, first, code = np.unique(fold, return_index=True, return_inverse=True)
    rank = np.empty(len(names), np.int64)
    rank[names >= 0] = np.argsort(np.argsort(first[names >= 0]))
    rank[names < 0] = -1
    return np.asarray(rank[code.reshape(-1)])


def same_folds(a: NDArray[np.int16], b: NDArray[np.int16]) -> bool:
    """Return whether two (R, n) foldings cut the rows alike, whatever the numbers of the folds."""
    if a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b)) or all(
        np.array_equal(partition(x), partition(y)) for x, y in zip(a, b, strict=True)
    )


def renumbered(layers: Floats32, own: NDArray[np.int16], wanted: NDArray[np.int16]) -> Floats32:
    """Return the fold models' predictions (K, t, m) in the order of the folds `wanted` (R, n), where they came in that
    of folds `own`, which cut the rows alike; as they are where they are not one for each fold.
    """
    if np.array_equal(own, wanted):
        return layers
    size = int(own.max()) + 1
    if own.shape != wanted.shape or len(layers) != len(own) * size:
        return layers
    first = [[np.argmax(fold == k) for k in range(int(fold.max()) + 1)] for fold in wanted]
    at = [r * size + int(own[r, row]) for r, rows in enumerate(first) for row in rows]
    return layers[at] if sorted(at) == list(range(len(layers))) else layers


def carried(layers: Floats32, source: Floats32) -> Floats32:
    """Return the fold models' predictions (K, t, m), each over its own fold model of the source (K, t, m) they add to.

    They were made over the average of the source, as they are left where the two were not cut into the same folds:
    how far the fold models lie apart would otherwise leave out how far those of the source do.
    """
    if len(layers) != len(source):
        return layers
    own = source.astype(np.float64) - average(source, None).mean
    return (layers + own).astype(np.float32)


def taught(parts: Sequence[Pred], untaught: Collection[int]) -> list[Pred]:
    """Return what the fold models say of test, those that learnt nothing of their sources having the others' average.

    The average of all is then that of the others. Where none learnt anything they stay as they are.
    """
    others = [part for k, part in enumerate(parts) if k not in untaught]
    if not untaught or not others:
        return list(parts)
    std = np.stack([p.std for p in others if p.std is not None]) if others[0].std is not None else None
    instead = average(np.stack([p.mean for p in others]), std)
    return [instead if k in untaught else part for k, part in enumerate(parts)]


def average(mean: Floats32, std: Floats32 | None, *, spread: bool = False, space: str = "mean") -> Pred:
    """Return the average of predictions stacked on the first axis; mean (s, n, m), std (s, n) or None.

    `space`: the arithmetic "mean", the "median", the "geometric" mean, or the mean of "logit"s; probabilities of
    several classes are scaled to sum to 1 again.

    The variance is the mean of the variances. With `spread` the variance of the means is added (the mixture of
    Lakshminarayanan et al. 2017): right for seeds, which OOF and test rows share, and wrong for fold models, of
    which an OOF row has one and a test row K.
    """
    centre = _centre(mean.astype(np.float64), space)
    if std is None:
        return Pred(centre.astype(np.float32))
    variance = (std.astype(np.float64) ** 2).mean(axis=0)
    if spread:
        variance += mean[:, :, 0].astype(np.float64).var(axis=0)
    return Pred(centre.astype(np.float32), np.sqrt(variance).astype(np.float32))


def _centre(mean: Floats, space: str) -> Floats:
    """Return (n, m) the centre of (s, n, m) predictions in a space."""
    if space == "mean" or len(mean) == 1:
        return np.asarray(mean.mean(axis=0))
    if space == "median":
        centre = np.median(mean, axis=0)
    elif space == "geometric":
        # Below 0 lie only values, of a target above it: such a row has no geometric mean.
        below = (mean < 0).any(axis=0)
        centre = np.where(below, mean.mean(axis=0), np.exp(np.log(np.clip(mean, 1e-15, None)).mean(axis=0)))
    else:
        p = np.clip(mean, 1e-15, 1 - 1e-7)
        centre = 1 / (1 + np.exp(-np.log(p / (1 - p)).mean(axis=0)))
    return np.asarray(centre / centre.sum(axis=1, keepdims=True) if centre.shape[1] > 1 else centre)
