"""How hard the test rows are beside the training rows, by what is known of both without their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.contracts import Combiner
from kit.grouped import split as split_name
from kit.paired import Jackknife
from kit.panel import Panel
from kit.stackers._gram import Space, lift, space_of
from kit.types import Floats, Floats32

BLOCKS_PER_SIGN = 10
"""Blocks of rows there must be for each sign, for its slope to be worth having."""

BLOCK = 1 << 18
"""Rows of one pass over the sources."""


@dataclass(frozen=True)
class Signs:
    """What goes with the size of errors: a prediction, its square, and how far the sources lie apart.

    Shape:
        seen: (n, 3) float64, of the scored rows.  there: (3,) float64, means over the test rows and fold models.
    """

    seen: Floats
    there: Floats


@dataclass(frozen=True)
class Adjusted:
    """What the signs make of a score. `shift`: what is to be added for the test rows; `error`: its standard error;
    `se`: that of the score itself, less what the signs explain; `dof`: its degrees of freedom."""

    shift: float
    error: float
    se: float
    dof: int


def signs(panel: Panel, full: Combiner, plain: Floats32, layers: Floats32, metric: str) -> Signs | None:
    """Return the signs of a blend: `plain` (n, m) what it makes of the scored rows, `layers` (K, t, m) of test rows.

    None where test rows do not show what one fold model predicts, as every out-of-fold row does: averages lie closer
    together. None as well of a mean over groups: of test rows nobody says which belong together.
    """
    if split_name(metric)[1] is not None:
        return None
    n_repeats, sources = len(panel.repeats), panel.sources
    n_models = n_repeats * (int(panel.fold.max()) + 1)
    if not layers.shape[1] or len(layers) != n_models or any(len(s.test) != n_models for s in sources):
        return None
    space = space_of(metric)
    weights = np.ones(len(panel)) if full.weights is None else np.abs(full.weights)
    used = np.flatnonzero(weights)
    share, rows = weights[used] / weights.sum(), panel.rows(None)
    preds = panel.preds(None)
    seen = _signs(plain, [preds[s] for s in used], rows, share, space)
    there = np.zeros(3)
    for k in range(n_models // n_repeats):
        # An out-of-fold row of several repeats is the mean of a fold model of each.
        of_fold = [_one_a_repeat(layer, k, n_repeats) for layer in (layers, *(sources[s].test for s in used))]
        there += _signs(of_fold[0], of_fold[1:], None, share, space).mean(axis=0)
    return Signs(seen, there * n_repeats / n_models)


def _one_a_repeat(layers: Floats32, k: int, n_repeats: int) -> Floats32:
    """Return (t, m) what the models of fold k predict, averaged over repeats; layers are repeat after repeat."""
    of_fold = layers[k :: len(layers) // n_repeats]
    return np.asarray(of_fold[0] if n_repeats == 1 else of_fold.mean(axis=0), np.float32)


def _signs(
    blend: Floats32, sources: Sequence[Floats32], rows: np.ndarray | None, share: Floats, space: Space
) -> Floats:
    """Return (n, 3); of sources their `rows` are taken, or all."""
    out = np.empty((len(blend), 3))
    for a in range(0, len(blend), BLOCK):
        at = slice(a, a + BLOCK) if rows is None else rows[a : a + BLOCK]
        here = blend[a : a + BLOCK]
        out[a : a + BLOCK, 0] = lift(here, space).max(axis=1)
        first, second = np.zeros(here.shape), np.zeros(here.shape)
        for source, weight in zip(sources, share, strict=True):
            z = lift(source[at], space) - lift(here, space)
            first += weight * z
            second += weight * z * z
        out[a : a + BLOCK, 2] = np.sqrt(np.maximum(second - first**2, 0).mean(axis=1))
    out[:, 1] = out[:, 0] ** 2
    return out


def adjusted(found: Jackknife, mix: Floats, known: Signs | None, v: Floats, power: int) -> Adjusted:
    """Return what the signs make of the score sum_s mix_s score_s; v (n,) are the scoring weights.

    The scores of the blocks' complements, raised to `power` (a root mean square is no mean, its square is), are
    regressed on the means of the signs there, and carried on to the means over the test rows. What the signs explain of
    the blocks' differences they explain of the test rows' too, so that it is no error any more.
    Source: the regression estimator of survey sampling, Cochran 1977, section 7.
    """
    score, left_out = float(mix @ found.scores), (mix @ found.left_out) ** power
    n_blocks, slope_of_power = len(left_out), power * score ** (power - 1)
    centred = left_out - left_out.mean()
    factor = (n_blocks - 1) / n_blocks * found.share
    plain = Adjusted(0.0, 0.0, float(np.sqrt(factor * (centred @ centred))) / slope_of_power, n_blocks - 1)
    if known is None or not np.isfinite(centred).all():
        return plain
    x, there = _standard(known, v)
    if not x.shape[1] or n_blocks < BLOCKS_PER_SIGN * x.shape[1]:
        return plain
    means = _means_left_out(found, x, v)
    means -= means.mean(axis=0)
    slope, *_ = np.linalg.lstsq(means, centred, rcond=1e-9)
    rest, dof = centred - means @ slope, n_blocks - 1 - x.shape[1]
    away = there - v @ x / v.sum()
    error = float(rest @ rest) / dof * float(away @ np.linalg.pinv(means.T @ means, rcond=1e-9) @ away)
    spread = factor * float(rest @ rest) * (n_blocks - 1) / dof
    moved = float(max(score**power + away @ slope, 0.0) ** (1 / power)) if power > 1 else score + float(away @ slope)
    return Adjusted(moved - score, float(np.sqrt(error)) / slope_of_power, float(np.sqrt(spread)) / slope_of_power, dof)


def _standard(known: Signs, v: Floats) -> tuple[Floats, Floats]:
    """Return the signs and their means on test with mean 0 and deviation 1; those that do not vary are left out."""
    centre = v @ known.seen / v.sum()
    x, there = known.seen - centre, known.there - centre
    size = np.sqrt(v @ x**2 / v.sum())
    varies = size > 1e-9 * (np.abs(centre) + size)
    return x[:, varies] / size[varies], there[varies] / size[varies]


def _means_left_out(found: Jackknife, x: Floats, v: Floats) -> Floats:
    """Return (B, q) the means of x (n, q) under v over the rows of each block's complement."""
    x, v, block, n_blocks = x[found.rows], v[found.rows], found.block, found.left_out.shape[1]
    sums = np.stack([np.bincount(block, v * column, n_blocks) for column in x.T], axis=1)
    weight = np.bincount(block, v, n_blocks)
    return np.asarray((sums.sum(axis=0) - sums) / (weight.sum() - weight)[:, None])
