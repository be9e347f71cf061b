"""Which submissions to select for the private leaderboard: those of which the best is expected to be best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.canon import stream
from kit.types import Floats

DRAWS = 20_000
"""Private boards that are imagined: the expected best of several is then known to a hundredth of a standard error."""

CHANCE = 0.05
"""How seldom noise alone is to be taken for a shift between submissions."""

HALVINGS = 60


@dataclass(frozen=True)
class Evidence:
    """What is known of K submissions before the private board. Scores are losses: less is better.

    `estimate` (K,): from held rows. `sampling` (K, K): covariance of the estimates, from the `n` rows they stand on.
    `own` (K,): variance of what sets a submission apart on test but is no sampling (the averaging of fold models).
    `public` (K,): public scores, NaN where there is none, and `rounding` (K,), the variance of their rounding.
    `n_public`, `n_private`: rows (or groups) behind the boards.
    """

    estimate: Floats
    sampling: Floats
    own: Floats
    public: Floats
    rounding: Floats
    n: float
    n_public: float
    n_private: float


@dataclass(frozen=True)
class Belief:
    """What private scores are believed to be: `mean` (K,) and `covariance` (K, K), jointly normal.

    `level`: how far the public board lies off the estimates on average; `shift`: standard deviation, between
    submissions, of what sampling does not explain of the public scores.
    """

    mean: Floats
    covariance: Floats
    level: float
    shift: float


@dataclass(frozen=True)
class Pick:
    """A submission that is selected. `beats`: probability that its private score is better than the first one's;
    `gain`: how much better the best of it and those before is expected to be than the best of those before."""

    at: int
    beats: float
    gain: float


def believe(known: Evidence) -> Belief:
    """Return the private scores' distribution given estimates and public scores.

    On test a submission scores estimate + level + deviation; the deviations have the covariance of the estimates'
    sampling, and where the public scores scatter more than that, a variance of their own: a shift that changes the
    order. Public and private rows are different ones. The level is the same for all and not known before: it is the
    plain mean of what public scores are off. Their generalised mean would be nearer by theory; of scores as alike as
    those of submissions it lies beyond all of them.

    Source: Rasmussen & Williams 2006, section 2.2; DerSimonian & Laird 1986 (the variance between).
    """
    seen = np.flatnonzero(np.isfinite(known.public))
    private = known.sampling * known.n / known.n_private
    if not len(seen):
        return Belief(known.estimate, known.sampling + np.diag(known.own) + private, 0.0, 0.0)
    noise = known.sampling[np.ix_(seen, seen)] * known.n / known.n_public + np.diag(known.rounding[seen])
    off = known.public[seen] - known.estimate[seen]
    tau = _between(off, (known.sampling + np.diag(known.own))[np.ix_(seen, seen)] + noise)
    deviation = known.sampling + np.diag(known.own + tau)
    both = deviation[np.ix_(seen, seen)] + noise
    level = float(off.mean())
    towards = deviation[:, seen] @ np.linalg.pinv(both, rcond=1e-12, hermitian=True)
    # What the level takes from each public score comes to what its own deviation does.
    weight = towards + (1 - towards.sum(axis=1, keepdims=True)) / len(seen)
    mean = known.estimate + weight @ off
    across = weight @ deviation[seen]
    covariance = deviation + private - across - across.T + weight @ both @ weight.T
    return Belief(mean, (covariance + covariance.T) / 2, level, float(np.sqrt(tau)))


def pick(belief: Belief, count: int) -> list[Pick]:
    """Return `count` submissions: the one of the best expected score, then each that adds most to the best of all.

    A submission that is worse on average but errs otherwise can add more than a twin of the best one.
    """
    rng = stream(0, "finals")
    values, vectors = np.linalg.eigh(belief.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    half = rng.standard_normal((DRAWS // 2, len(values)))
    draws = belief.mean + np.concatenate([half, -half]) @ root.T  # in pairs: the means are then those believed in
    first = int(np.argmin(belief.mean))
    picks, best = [Pick(first, 0.0, 0.0)], draws[:, first].copy()
    while len(picks) < min(count, len(values)):
        gains = np.maximum(best[:, None] - draws, 0.0).mean(axis=0)
        gains[[p.at for p in picks]] = -1.0
        at = int(np.argmax(gains))
        picks.append(Pick(at, float(np.mean(draws[:, at] < draws[:, first])), float(gains[at])))
        best = np.minimum(best, draws[:, at])
    return picks


def _between(off: Floats, noise: Floats) -> float:
    """Return the variance between submissions that makes the scatter of `off` (S,) about its level as expected.

    `noise` (S, S): the covariance that is known of. 0 where that explains the scatter: a variance fitted to each whim
    of chance would draw all to the public scores half of the time.
    """
    from scipy import stats

    expected = len(off) - 1

    def scatter(tau: float) -> float:
        inverse = np.linalg.pinv(noise + tau * np.eye(len(off)), rcond=1e-12, hermitian=True)
        level = float(inverse.sum(axis=0) @ off) / float(inverse.sum())
        return float((off - level) @ inverse @ (off - level))

    if expected < 2 or scatter(0.0) <= stats.chi2.ppf(1 - CHANCE, expected):
        return 0.0
    low, high = 0.0, float(np.var(off)) + float(np.trace(noise))
    while scatter(high) > expected:
        high *= 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if scatter(middle) > expected else (low, middle)
    return high
