"""Weights of sum one from a Gram matrix: exact, with or without negative ones, drawn towards a prior."""

from __future__ import annotations

import numpy as np

from kit.types import Floats

JITTER = 1e-9
"""Ridge relative to the mean squared error of the sources: it makes duplicates share their weight evenly."""

SLACK = 1e-10
"""Share of the error by which a source outside must promise to lower it before it is taken in."""


def unit_ridge(gram: Floats, strength: float, prior: Floats | None = None, trust: Floats | None = None) -> Floats:
    """Return (S,) the w of sum one that minimises w'Rw + l sum_s (w_s - prior_s)^2 / trust_s, l = strength tr R / S.

    w = A^-1 (L prior + nu 1) with A = R + L. `prior` defaults to equal weights, `trust` to ones.
    Source: ridge regression with a prior mean, under a linear constraint.
    """
    n = len(gram)
    scale = np.trace(gram) / n
    if scale <= 0:
        return np.full(n, 1 / n) if prior is None else prior / prior.sum()
    pull = np.full(n, strength) if trust is None else strength / trust
    start = np.full(n, 1 / n) if prior is None else prior
    sides = np.linalg.solve(gram / scale + np.diag(pull + 1e-12), np.column_stack([pull * start, np.ones(n)]))
    nu = (1 - sides[:, 0].sum()) / sides[:, 1].sum()
    return np.asarray(sides[:, 0] + nu * sides[:, 1])


def simplex(gram: Floats, pull: float = 0.0, prior: Floats | None = None, start: Floats | None = None) -> Floats:
    """Return (S,) the w >= 0 of sum one that minimises w'Rw + l |w - prior|^2, l = pull tr R / S.

    An active-set method: on the sources in use the optimum solves a linear system; on the way to it the first weight
    that reaches zero leaves, and once there the source with the steepest descent comes in. It ends at the exact
    optimum after finitely many steps. `start` (S,), an earlier solution, saves most of them.
    Source: Lawson & Hanson 1974, with the sum held by a multiplier.
    """
    n = len(gram)
    scale = np.trace(gram) / n
    centre = np.full(n, 1 / n) if prior is None else prior
    if scale <= 0:
        return centre
    a = gram / scale + (pull + JITTER) * np.eye(n)
    b = pull * centre + JITTER / n
    w = _begin(a, b, start)
    for _ in range(30 * (n + 10)):
        used = w > 0
        w = _settle(a, b, w, used)
        slope = a @ w - b
        level = w @ slope
        worst = int(np.argmin(np.where(w > 0, np.inf, slope))) if (w == 0).any() else -1
        if worst < 0 or slope[worst] >= level - SLACK * (abs(level) + 1e-12):
            break
        w = _enter(a, b, w, worst)
    return np.asarray(w / w.sum())


def _begin(a: Floats, b: Floats, start: Floats | None) -> Floats:
    if start is not None and (start > 0).any():
        w = np.maximum(start, 0)
        return np.asarray(w / w.sum())
    w = np.zeros(len(a))
    w[np.argmin(np.diag(a) / 2 - b)] = 1.0
    return w


def _target(a: Floats, b: Floats, used: np.ndarray) -> Floats:
    """Return the optimum of sum one over the sources in `used`, whatever its signs; zero elsewhere."""
    sides = np.linalg.solve(a[np.ix_(used, used)], np.column_stack([b[used], np.ones(int(used.sum()))]))
    nu = (1 - sides[:, 0].sum()) / sides[:, 1].sum()
    out = np.zeros(len(a))
    out[used] = sides[:, 0] + nu * sides[:, 1]
    return out


def _settle(a: Floats, b: Floats, w: Floats, used: np.ndarray) -> Floats:
    """Return the optimum over (a part of) the sources in use, weights that would turn negative dropped on the way."""
    while True:
        goal = _target(a, b, used)
        falling = used & (goal <= 0)
        if not falling.any():
            return goal
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(falling, w / (w - goal), np.inf)
        step = min(1.0, float(np.nanmin(steps)))
        w = np.where(used, w + step * (goal - w), 0.0)
        w[falling & (steps <= step)] = 0.0
        w = np.where(w > 0, w, 0.0)
        used = w > 0


def _enter(a: Floats, b: Floats, w: Floats, s: int) -> Floats:
    """Return w with source s in use: moved towards it by the best step, which is more than 0 and less than 1."""
    toward = -w
    toward[s] += 1.0
    curve = toward @ a @ toward
    step = -(toward @ (a @ w - b)) / curve if curve > 0 else 0.5
    return np.asarray(w + float(np.clip(step, 1e-12, 1 - 1e-12)) * toward)
