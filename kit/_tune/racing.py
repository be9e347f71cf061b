"""When a trial is given up: it is compared, on the same held rows, with the best trial so far, its rival.

Two looks are taken. After each fold, at the paired blocks of the rows held so far: the trial goes where the rest of its
folds, whose differences vary from row to row and from fold to fold, would hardly make up for what it lags behind.
Inside a fit, at the loss on its stop rows: the curve is extrapolated in the trial's favour, and the trial goes where
even so, together with the folds before, it lags further behind than trials as good as the rival do. What a stop loss
says of a held score, and how well, is learnt from the trials that have both. The chance to lose a trial that would have
ended better is at most `alpha` over all looks together (Bonferroni; the first of each kind get a quarter each).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit._tune.blocks import difference
from kit.types import Floats

FEWEST_PAIRS = 8
"""Fits with both a stop loss and a held score from which the one is taken as a sign of the other."""

PRIOR_RATIO, PRIOR_FREEDOM = 1.5, 4.0
"""The variance of fold differences over what rows explain, before any trial is complete, and how much that counts."""

OPTIMISM = 1.5
"""What the extrapolated rest of a curve is multiplied by: on 6 learners and sets 95 in 100 fell less than that."""

FIRST_LOOK = 24
"""Steps before which no curve is judged."""


@dataclass(frozen=True)
class Run:
    """What a study knows of a trial: per fold its block values (the metric, lower = better), per fit its stop loss."""

    number: int
    blocks: tuple[Floats, ...]
    stops: tuple[float, ...]


@dataclass(frozen=True)
class Race:
    """The rival, what earlier trials say of the noise, and how the looks share the error.

    ratio: variance of fold differences / variance that rows explain.  slope: how much the stop loss changes with the
    held score.  noise: sd of the stop loss of trials as good as the rival.  pairs: what slope and noise were learnt on.
    """

    rival: Run
    n_folds: int
    alpha: float
    ratio: float
    slope: float
    noise: float
    pairs: int

    def spent(self, *, first: bool) -> float:
        """Return the chance of an error at a look: one at the curve of each fold, one after each fold but the last."""
        return self.alpha / 4 if first else self.alpha / 2 / max(2 * self.n_folds - 3, 1)

    def behind(self, run: Run) -> bool:
        """Return whether the folds done so far rule out, but for the error, that the trial ends better."""
        done, mean, variance = self._folds(run)
        left = self.n_folds - done
        if done == 0 or left == 0:
            return False
        # The mean over all folds, seen from those that are done: they are known, the others scatter about their mean.
        spread = left / self.n_folds * math.sqrt(variance / done + variance / left)
        return mean > quantile(self.spent(first=done == 1), _freedom(run)) * spread

    def hopeless(self, run: Run, loss: float) -> bool:
        """Return whether the stop loss of the next fit, with the folds before, rules out that the trial ends better."""
        at = len(run.stops)
        if self.pairs < FEWEST_PAIRS or self.slope <= 0 or at >= len(self.rival.stops):
            return False
        done, mean, variance = self._folds(run)
        said, doubt = (loss - self.rival.stops[at]) / self.slope, (self.noise / self.slope) ** 2
        if done and variance > 0:
            known = done / variance
            said = (said / doubt + mean * known) / (1 / doubt + known)
            doubt = 1 / (1 / doubt + known)
        return said > quantile(self.spent(first=at == 0), self.pairs - 1) * math.sqrt(doubt)

    def _folds(self, run: Run) -> tuple[int, float, float]:
        """Return how many folds are done, the mean of their differences to the rival, the variance of one of them."""
        pairs = _differences(run, self.rival)
        if not pairs:
            return 0, 0.0, 0.0
        variance = self.ratio * float(np.mean([s**2 for _, s in pairs]))
        return len(pairs), float(np.mean([d for d, _ in pairs])), variance

    def forecast(self, at: int, loss: float) -> float:
        """Return the block value to expect, on average over a fold, of a fit with this stop loss."""
        return float(self.rival.blocks[at].mean()) + (loss - self.rival.stops[at]) / self.slope


def _differences(run: Run, rival: Run) -> list[tuple[float, float]]:
    """Return mean and error of the paired differences, fold by fold; folds whose metric cannot be told say nothing."""
    found = [difference(a, b) for a, b in zip(run.blocks, rival.blocks, strict=False)]
    return [(d, s) for d, s in found if np.isfinite(d)]


def _freedom(run: Run) -> int:
    return sum(len(b) - 1 for b in run.blocks)


def race(runs: Sequence[Run], rival: Run, n_folds: int, alpha: float) -> Race:
    """Return the race against `rival`, with what the other runs of the study teach."""
    ratios, pairs = [], []
    for run in (r for r in runs if r.number != rival.number):
        found = [difference(a, b) for a, b in zip(run.blocks, rival.blocks, strict=False)]
        stops = zip(run.stops, rival.stops, strict=False)
        pairs += [(a - b, d, s) for (a, b), (d, s) in zip(stops, found, strict=False) if 0 < s < math.inf]
        explained = float(np.mean([s**2 for _, s in found])) if found else 0.0
        if len(found) == n_folds > 1 and 0 < explained < math.inf:
            ratios.append(float(np.var([d for d, _ in found], ddof=1)) / explained)
    freedom = n_folds - 1
    seen, weight = freedom * sum(ratios), freedom * len(ratios)
    ratio = (PRIOR_FREEDOM * PRIOR_RATIO + seen) / (PRIOR_FREEDOM + weight)
    slope, noise = _calibrated(np.array(pairs).reshape(-1, 3))
    return Race(rival, n_folds, alpha, ratio, slope, noise, len(pairs))


def _calibrated(pairs: Floats) -> tuple[float, float]:
    """Return slope and noise of the stop loss (see `Race`) from rows (stop difference, held difference, its error).

    Differences of trials far behind are noisier, in proportion to the error of the held ones, which is known; so their
    residuals are taken in units of it, and the noise of a good trial is that of the pairs with small errors. A part of
    the residuals is the error of the held differences themselves.
    """
    finite = pairs[np.isfinite(pairs).all(axis=1)]
    if len(finite) < 2:
        return 0.0, math.inf
    e, d, s = finite.T
    weighted = float(np.sum((d / s) ** 2))
    slope = float(np.sum(e * d / s**2)) / weighted if weighted > 0 else 0.0
    scale = float(np.sum(((e - slope * d) / s) ** 2)) / (len(finite) - 1)
    own = max(scale - slope**2, scale / 2)
    return slope, math.sqrt(own) * float(np.quantile(s, 0.25))


def optimistic(curve: Sequence[float], most: int) -> float:
    """Return a loss that a boosting curve will hardly fall below within `most` steps.

    From one doubling of the steps to the next the fall shrinks by a factor, which itself shrinks: with the last one
    kept for all doublings to come, their sum is an upper bound (nearly a forecast; hence `OPTIMISM`).
    """
    step = len(curve)
    lowest = np.minimum.accumulate(np.asarray(curve, np.float64))
    first, last = lowest[step // 4 - 1] - lowest[step // 2 - 1], lowest[step // 2 - 1] - lowest[-1]
    if last <= 0 or step >= most:
        return float(lowest[-1])
    factor = last / max(float(first), 1e-12)
    doublings, rest, fall = math.log2(most / step), 0.0, float(last)
    while doublings > 0:
        fall *= factor
        rest += fall * min(1.0, doublings)
        doublings -= 1
    return float(lowest[-1]) - OPTIMISM * rest


def quantile(tail: float, freedom: float) -> float:
    """Return the value that Student's t exceeds with chance `tail`."""
    from scipy.special import stdtrit

    return float(stdtrit(max(freedom, 1.0), 1 - tail))
