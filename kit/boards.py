"""Cross-validation against a leaderboard: is what differs between them more than noise?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.types import Floats

GONE = "the OOFs of these submissions are gone, or weigh rows differently, or their metric is a file, which is not run"


@dataclass(frozen=True)
class Agreement:
    """How leaderboard scores stand to estimates of the same submissions.

    `level`: leaderboard minus estimate, common to all, with its standard error. `scatter`: root mean square of what is
    left; `noise`: what sampling makes of it. `p_level`, `p_pattern`: probability that noise alone makes a level, or a
    pattern between submissions, as large as this; NaN where it cannot be told. `slope`: of the leaderboard on the
    estimate, by least squares.
    """

    n: int
    level: float
    level_se: float
    scatter: float
    noise: float
    p_level: float
    p_pattern: float
    slope: float

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        if self.n < 2:
            return "one submission tells the level only" if self.n else "no submission has both an estimate and a score"
        if not np.isfinite(self.p_pattern):
            few = "so few rows, or groups, do not tell how the scores of so many submissions vary together"
            return few if np.isfinite(self.noise) else "the noise is not known: " + GONE
        if self.p_pattern < 0.01:
            return "the order of submissions differs from CV by more than noise explains"
        if self.p_level < 0.01:
            return "the level differs by more than noise explains, the differences between submissions do not"
        return "noise explains what differs"


def agreement(cv: Floats, board: Floats, noise: Floats | None, dof: int = 1_000_000) -> Agreement:
    """Return how `board` (K,) stands to `cv` (K,), given the covariance (K, K) of board - cv from noise alone.

    The level is the mean of the differences. That of generalised least squares has a smaller error, but where they
    vary together it lies beyond all of them at times, and nobody would call that how far the board is off. The pattern
    is Hotelling's T2 of what is left whatever the level, with the covariance known to `dof` degrees of freedom.

    Source: Hotelling 1931.
    """
    d, k = board - cv, len(cv)
    if not k:
        return Agreement(0, *[float("nan")] * 7)
    slope = float(np.polyfit(cv, board, 1)[0]) if k > 2 and np.ptp(cv) > 0 else float("nan")
    level, scatter = float(d.mean()), float(d.std())
    if noise is None:
        nan = float("nan")
        return Agreement(k, level, nan, scatter, nan, nan, nan, slope)
    from scipy import stats

    inverse = np.linalg.pinv(noise, rcond=1e-12, hermitian=True)
    left = d - (inverse @ d).sum() / inverse.sum()
    t2, p = float(left @ inverse @ left), k - 1
    pattern = float("nan")
    if p and dof > p:
        pattern = float(stats.f.sf(t2 * (dof - p + 1) / (dof * p), p, dof - p + 1))
    centre = np.eye(k) - 1 / k
    expected = float(np.sqrt(np.trace(centre @ noise @ centre) / k))
    level_se = float(np.sqrt(noise.mean()))
    p_level = float(2 * stats.norm.sf(abs(level) / level_se))
    return Agreement(k, level, level_se, scatter, expected, p_level, pattern, slope)
