"""What past leaderboard scores say of a blend: squared loss is known from scores up to the sampling of the public rows.

Source: Toescher, Jahrer & Bell 2009, The BigChaos solution to the Netflix grand prize, section 7; here centred at the
OOF blend, with the public part as a sample and the OOF as what is expected without a shift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kit.types import Floats, Ints

SHIFTED = 0.01
"""Probability of the scores under no shift below which a shift is believed."""

TAUS = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.0)
"""Sizes of a shift of the best weights that are tried."""


@dataclass(frozen=True)
class Scores:
    """Submissions with leaderboard scores and OOFs.

    Shape: test (K, t), their predictions of all test rows; rmse (K,) with rounding `step` (K,); `rows`: how many test
    rows are behind a score; oof (K, n), y (n,) and weights (K,) of the OOF blend, which sum to 1; averaged (K,): what
    averaging fold models takes off the mean square on test.
    """

    test: Floats
    rmse: Floats
    step: Floats
    rows: float
    oof: Floats
    y: Floats
    weights: Floats
    averaged: Floats


@dataclass(frozen=True)
class Verdict:
    """What the scores say.

    `p`: probability of scores so far from the expected ones without a shift. `expected`: the scores without one (K,).
    `tau`: size of the shift of the weights. `weights` (K,): of the blend, summing to 1; `level` and `stretch`: a
    constant added, and a stretch of the OOF blend about its mean. `before`, `after`: the rmse that the scores let
    expect of the OOF blend and of this one.
    """

    p: float
    expected: Floats
    tau: float
    weights: Floats
    level: float
    stretch: float
    before: float
    after: float

    @property
    def shifted(self) -> bool:
        """Whether a shift is believed."""
        return self.p < SHIFTED

    def blend(self, test: Floats, weights: Floats) -> Floats:
        """Return (t,) the blend of test (K, t); `weights`: those of the OOF blend, whose stretch is meant."""
        centre = weights @ test
        return np.asarray(self.weights @ test + self.level + self.stretch * (centre - centre.mean()))


def judge(scores: Scores) -> Verdict:
    """Return whether scores show a shift that noise does not explain, and the blend that they ask for then.

    With D_k = x_k - x_b (b: the best score), rho = y - c, c the OOF blend: g_k = mean(D_k rho) is known from scores,
    g_k = (mean x_k^2 - mean x_b^2 - r_k^2 + r_b^2) / 2 - mean(D_k c). Without a shift it is what the OOF rows give, but
    for noise S. A shift of the best weights by beta ~ N(0, tau^2 P) in the directions B = (x_k - c, 1, c - mean c)
    changes it by A beta, A = D'B / t. tau is that of the largest likelihood, beta the posterior mean.
    """
    x, r = scores.test, scores.rmse
    best = int(np.argmin(r))
    others = np.flatnonzero(np.arange(len(r)) != best)
    d, centre = x[others] - x[best], scores.weights @ x
    g = ((x[others] ** 2).mean(axis=1) - (x[best] ** 2).mean() - r[others] ** 2 + r[best] ** 2) / 2
    g = g - (d * centre).mean(axis=1)
    d_oof, rho = scores.oof[others] - scores.oof[best], scores.y - scores.weights @ scores.oof
    change = g - (d_oof * rho).mean(axis=1)
    ours = _mean_square(scores, best, others, d, g, centre)
    noise = _noise(scores, best, others, ours)
    basis, basis_oof = (_directions(z, scores.weights @ z, ours) for z in (x, scores.oof))
    spread = d @ basis.T / x.shape[1]
    tau = _likeliest(change, spread, noise)
    beta = _posterior(change, spread, noise, tau)
    # mean(B rho) is what the OOF gives and, by the shift, B'B beta / t more.
    after = ours - 2 * beta @ (basis_oof @ rho / len(rho)) - beta @ (basis @ basis.T / x.shape[1]) @ beta
    weights = scores.weights * (1 - beta[: len(r)].sum()) + beta[: len(r)]
    return Verdict(
        p=_p(change, noise),
        expected=_expected(scores, best, others, d, change),
        tau=tau,
        weights=weights,
        level=float(beta[-2] * np.sqrt(ours)),
        stretch=float(beta[-1]),
        before=float(np.sqrt(ours)),
        after=float(np.sqrt(max(after, 0.0))),
    )


def _directions(x: Floats, centre: Floats, square: float) -> Floats:
    """Return (K + 2, rows): to each submission, a constant of the size of the error, and a stretch of the blend."""
    return np.vstack([x - centre, np.full(x.shape[1], np.sqrt(square)), centre - centre.mean()])


def _mean_square(scores: Scores, best: int, others: Ints, d: Floats, g: Floats, centre: Floats) -> float:
    """Return the mean squared error of the OOF blend that the scores let expect."""
    off = centre - scores.test[best]
    # mean(D_k (y - x_b)) = g_k + mean(D_k (c - x_b)), and c - x_b is the weighted sum of the D_k.
    along = scores.weights[others] @ (g + (d * off).mean(axis=1))
    found = scores.rmse[best] ** 2 - 2 * along + (off**2).mean()
    return float(max(found, 0.1 * scores.rmse[best] ** 2))


def _noise(scores: Scores, best: int, others: Ints, ours: float) -> Floats:
    """Return the covariance (K - 1, K - 1) of g, as scores give it, minus g, as the OOF gives it, without a shift.

    D rho is sampled by the public rows and by the OOF rows, D^2 by the public rows alone (all test rows are known);
    scores are rounded; fold models are averaged on test, which takes noise off it that the OOF has.
    """
    d = scores.test[others] - scores.test[best]
    d_oof, rho = scores.oof[others] - scores.oof[best], scores.y - scores.weights @ scores.oof
    n, t = len(scores.y), d.shape[1]
    sampled = np.cov(d_oof * rho) / n if n > 2 else 0.0
    public = ours * (d @ d.T) / t / scores.rows + np.cov(d**2) / 4 / scores.rows
    rounding = (scores.rmse * scores.step) ** 2 / 12
    found = np.atleast_2d(sampled) + np.atleast_2d(public) + np.diag(rounding[others]) + rounding[best]
    extra = scores.averaged * scores.weights
    return np.asarray(found + np.diag(extra[others] ** 2) + extra[best] ** 2)


def _p(change: Floats, noise: Floats) -> float:
    from scipy import stats

    return float(stats.chi2.sf(change @ np.linalg.solve(noise, change), len(change)))


def _likeliest(change: Floats, spread: Floats, noise: Floats) -> float:
    """Return the tau of TAUS under which the change is likeliest."""

    def minus(tau: float) -> float:
        total = noise + tau**2 * spread @ spread.T
        return float(np.linalg.slogdet(total)[1] + change @ np.linalg.solve(total, change))

    return min(TAUS, key=minus)


def _posterior(change: Floats, spread: Floats, noise: Floats, tau: float) -> Floats:
    total = noise + tau**2 * spread @ spread.T
    return np.asarray(tau**2 * spread.T @ np.linalg.solve(total, change))


def _expected(scores: Scores, best: int, others: Ints, d: Floats, change: Floats) -> Floats:
    """Return the scores that the best one and the OOFs let expect of the others without a shift (K,)."""
    squares = scores.rmse**2 + 0.0
    squares[others] += 2 * change
    return np.sqrt(np.maximum(squares, 0.0))


def with_weights(scores: Scores) -> Scores:
    """Return the scores with the weights of the OOF blend: the convex combination of least squared OOF error.

    Source: Lawson & Hanson 1974, ch. 23: the sum constraint as a heavy row of non-negative least squares.
    """
    from scipy.optimize import nnls

    residuals = scores.oof - scores.y
    gram = residuals @ residuals.T / residuals.shape[1]
    k, size = len(gram), np.trace(gram) / len(gram)
    root = np.linalg.cholesky(gram + 1e-9 * size * np.eye(k))
    heavy = 1e3 * np.sqrt(size)
    weights, _ = nnls(np.vstack([root.T, np.full((1, k), heavy)]), np.append(np.zeros(k), heavy))
    return replace(scores, weights=weights / weights.sum())
