"""The leaderboard score of a submission, guessed from those of others: what they have in common, how they scored."""

from __future__ import annotations

import numpy as np

from kit.types import Floats

TAUS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Sizes of the weights by which the target may differ from the best known submission; the likeliest is taken."""


def guess(test: Floats, rmse: Floats, step: Floats, rows: float, new: Floats) -> float:
    """Return the rmse to expect of predictions `new` (t,) where submissions test (K, t) scored rmse (K,).

    With b the best of them, D_k = x_k - b and rho = y - b: r_k^2 = r_b^2 + mean D_k^2 - 2 mean(D_k rho). Taken is
    rho = B' beta + noise, beta ~ N(0, tau^2) over the directions to all submissions, a constant and a stretch of b, so
    that what is known of some D_k rho tells of D_new rho. tau = 0: only the distance to the best one counts.

    Source: as kit/quiz.py; Toescher, Jahrer & Bell 2009, section 7.
    """
    best = int(np.argmin(rmse))
    others = np.flatnonzero(np.arange(len(rmse)) != best)
    base, r = test[best], float(rmse[best])
    d, to_new = test[others] - base, new - base
    known = ((d**2).mean(axis=1) + r**2 - rmse[others] ** 2) / 2
    basis = np.vstack([d, to_new, np.full(len(base), r), base - base.mean()])
    t = len(base)
    spread, ahead = d @ basis.T / t, to_new @ basis.T / t
    noise = r**2 * (d @ d.T) / t / rows + np.diag((rmse[others] * step[others]) ** 2 / 12 + 1e-9 * r**4)
    noise += (r * step[best]) ** 2 / 12

    def minus(tau: float) -> float:
        total = noise + tau**2 * spread @ spread.T
        return float(np.linalg.slogdet(total)[1] + known @ np.linalg.solve(total, known))

    tau = min(TAUS, key=minus) if len(others) else 0.0
    total = noise + tau**2 * spread @ spread.T
    along = float(tau**2 * ahead @ spread.T @ np.linalg.solve(total, known)) if len(others) else 0.0
    return float(np.sqrt(max(r**2 + (to_new**2).mean() - 2 * along, 0.0)))


def left_out(test: Floats, rmse: Floats, step: Floats, rows: float) -> tuple[float, float]:
    """Return how far, root mean square, each score is from what the others let guess, and from the others' mean."""
    kept = [np.flatnonzero(np.arange(len(rmse)) != i) for i in range(len(rmse))]
    guessed = [guess(test[k], rmse[k], step[k], rows, test[i]) for i, k in enumerate(kept)]
    means = [rmse[k].mean() for k in kept]
    return float(np.sqrt(np.mean((guessed - rmse) ** 2))), float(np.sqrt(np.mean((means - rmse) ** 2)))
