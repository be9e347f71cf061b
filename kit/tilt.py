"""Mean and std of a prediction as what the row alone says of y, whatever distribution of y the prediction was made for.

A model says base(y) * L(y): how y is distributed where it learnt, times the likelihood of the row's x. With L taken for
exp(a y + b y^2) the two numbers of the prediction fix a and b. Put another distribution in place of base, and the same
L says what holds there. Base and L end with the range of y, where a plain normal distribution would go on.

Source: exponential tilting (natural parameters from moments, by Newton's method, as for a truncated normal
distribution); prior shift: Saerens, Latinne and Decaestecker, Neural Computation 14, 2002.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kit.types import Floats

POINTS = 200
"""Values of y that a density is held at."""

STEPS = 60
SAME = 1e-9
"""Steps of Newton's method at most; and the error of the moments, on the unit range, at which a row is done."""

ROWS = 4096
"""Rows worked on at a time."""

WIDEST = 0.95
"""Share of the largest variance a mean leaves room for on the range, beyond which none is believed."""

FLOOR = 1e-3
"""Share of the mean density that every value of y is given at least: no value is impossible."""


def grid(low: float, high: float) -> Floats:
    """Return (g,) the middles of equal parts of a range."""
    return low + (high - low) * (np.arange(POINTS) + 0.5) / POINTS


def pieces(n_rows: int) -> Iterator[slice]:
    """Return the rows in pieces whose densities take a few MiB."""
    return (slice(lo, lo + ROWS) for lo in range(0, n_rows, ROWS))


def density(at: Floats, edges: Floats, shares: Floats) -> Floats:
    """Return (g,) the shares at the points `at`, of sum one: `shares` (B,) spread evenly between `edges` (B + 1,)."""
    place = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(shares) - 1)
    inside = (at >= edges[0]) & (at <= edges[-1])
    high = np.where(inside, (shares / np.diff(edges))[place], 0.0)
    high = np.maximum(high, FLOOR * high.mean())
    return np.asarray(high / high.sum())


def likelihood(mean: Floats, std: Floats, at: Floats, base: Floats) -> Floats:
    """Return (n, g) how likely rows are at values `at` (g,) of y, 1 at most, from predictions made for `base` (g,).

    Shape: mean, std (n,) of the predictions; those outside of the range, and wider than it, are drawn in. A row's
    likelihood is 8 g bytes: of many rows ask for `pieces`.
    """
    low, step = at[0], at[1] - at[0]
    x, width = (at - low) / (step * POINTS) + 0.5 / POINTS, step * POINTS
    unit = np.clip((mean - low) / width + 0.5 / POINTS, x[0] + 1 / POINTS, x[-1] - 1 / POINTS)
    var = np.clip((std / width) ** 2, (2 / POINTS) ** 2, WIDEST * unit * (1 - unit))
    out = np.empty((len(unit), len(at)))
    for part in pieces(len(unit)):
        a, b = _natural(unit[part], var[part], x, np.log(base))
        log = a[:, None] * x + b[:, None] * x**2
        out[part] = np.exp(log - log.max(axis=1, keepdims=True))
    return out


def _natural(mean: Floats, var: Floats, x: Floats, log_base: Floats) -> tuple[Floats, Floats]:
    """Return a and b (n,) with which base(x) exp(a x + b x^2) has these means and variances.

    Each row goes its own way, and stops by itself, so that none depends on the others.
    """
    a, b = mean / var, -0.5 / var
    left = np.arange(len(mean))
    for _ in range(STEPS):
        m1, m2, m3, m4 = _moments(a[left], b[left], x, log_base)
        off1, off2 = mean[left] - m1, var[left] + mean[left] ** 2 - m2
        v11, v12, v22 = m2 - m1**2 + 1e-12, m3 - m1 * m2, m4 - m2**2 + 1e-12
        det = np.maximum(v11 * v22 - v12**2, 1e-18)
        da, db = (v22 * off1 - v12 * off2) / det, (v11 * off2 - v12 * off1) / det
        # Far from the end a whole step may overshoot: none is longer than the numbers themselves, or 20.
        long = np.maximum(np.abs(da), np.abs(db)) / np.maximum(20.0, np.maximum(np.abs(a[left]), np.abs(b[left])) / 2)
        a[left] += da / np.maximum(long, 1.0)
        b[left] += db / np.maximum(long, 1.0)
        left = left[np.maximum(np.abs(off1), np.abs(off2)) > SAME]
        if not len(left):
            break
    return a, b


def _moments(a: Floats, b: Floats, x: Floats, log_base: Floats) -> tuple[Floats, ...]:
    """Return the first four moments (n,) of base(x) exp(a x + b x^2)."""
    log = a[:, None] * x + b[:, None] * x**2 + log_base
    share = np.exp(log - log.max(axis=1, keepdims=True))
    total = share.sum(axis=1)
    # Row by row and not by BLAS, which adds up in an order that depends on the number of rows.
    return tuple((share * x**k).sum(axis=1) / total for k in (1, 2, 3, 4))
