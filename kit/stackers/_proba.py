"""Probabilities for stackers: logarithms that stay finite, rows that sum to one, convex fits by Newton's method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kit.stackers._gram import one_thread
from kit.types import Floats, Task

EPS = 1e-6
"""Probabilities are kept this far from 0 and 1 before a logarithm is taken; float32 still tells 1 - 1e-6 from 1."""

STEPS = 100
DONE = 1e-14
"""A Newton decrement below this share of the value ends a fit."""

ARMIJO = 1e-4
"""Share of the promised decrease that a step must keep."""

SHORTEST = 2.0**-40

Problem = Callable[[Floats], tuple[float, Floats, Floats]]
"""`problem(w)` returns the value, gradient (d,) and Hessian (d, d) of a convex function."""


def logit(p: NDArray[np.floating]) -> Floats:
    """Return log(p / (1 - p)) in float64, p kept within [1e-6, 1 - 1e-6]."""
    inside = np.clip(p.astype(np.float64), EPS, 1 - EPS)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def logs(p: NDArray[np.floating]) -> Floats:
    """Return log(p) in float64, p kept at 1e-6 or above."""
    return np.log(np.maximum(p.astype(np.float64), EPS))


def expit(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return np.asarray(np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))))


def softmax(scores: Floats) -> Floats:
    """Return exp(scores) made to sum to one over the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def proper(task: Task, mean: Floats) -> Floats:
    """Return the mean (n, m) as a prediction of the task: probabilities cut to [0, 1], classes made to sum to one."""
    if task.kind == "regression":
        return mean
    cut = np.clip(mean, 0, 1)
    if task.kind == "binary":
        return cut
    total = cut.sum(axis=1, keepdims=True)
    return np.where(total > 0, cut / np.where(total > 0, total, 1), 1 / cut.shape[1])


def effective(v: Floats) -> float:
    """Return (sum v)^2 / sum v^2: how many rows of equal weight tell as much."""
    return float(v.sum() ** 2 / (v**2).sum())


def newton(problem: Problem, start: Floats) -> Floats:
    """Return (d,) where a convex function is least, by Newton's method with steps halved until they pay.

    Source: Boyd & Vandenberghe 2004, Convex optimization, 9.5.
    """
    w = start
    with one_thread():
        value, slope, curve = problem(w)
        for _ in range(STEPS):
            step = np.linalg.solve(curve, slope)
            decrement = float(slope @ step)
            if decrement <= DONE * (1 + abs(value)):
                break
            size = 1.0
            while size > SHORTEST:
                tried = problem(w - size * step)
                if tried[0] <= value - ARMIJO * size * decrement:
                    break
                size /= 2
            else:
                break
            w = w - size * step
            value, slope, curve = tried
    return w


def fit_logistic(x: Floats, target: Floats, v: Floats, l2: Floats, centre: Floats) -> Floats:
    """Return (d,) the w that minimises the mean of -log likelihood of y under expit(w'x) + sum l2 (w - centre)^2 / 2.

    Shape: x (d, n); target (n,) from 0 to 1; v (n,); l2, centre (d,).
    """
    share = v / v.sum()

    def problem(w: Floats) -> tuple[float, Floats, Floats]:
        score = w @ x
        p = expit(score)
        # log(1 + exp(s)) - t s
        loss = np.maximum(score, 0) + np.log1p(np.exp(-np.abs(score))) - target * score
        away = w - centre
        value = float((share * loss).sum() + (l2 * away**2).sum() / 2)
        slope = x @ (share * (p - target)) + l2 * away
        curve = (x * (share * p * (1 - p))) @ x.T + np.diag(l2)
        return value, slope, curve

    return newton(problem, centre.copy())
