"""Ridges of many strengths and centres, averaged by how well each does on parts of the rows that are left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit.stackers._gram import Grams
from kit.stackers._simplex import simplex
from kit.types import Floats

STRENGTHS = 10.0 ** np.arange(-4, 2.01, 0.5)
"""Strengths of the pull that are tried, relative to the mean squared error of the sources."""

WARMTH = 2.0
"""Standard errors by which a candidate must be worse to count 1 / e as much. Of 0.5, 1, 2 and 4 on the odd splits of
docs/blending.md; taking the best candidate alone follows chance where rows are few or errors have long tails."""

REACH = 4.0
"""Root mean squares of the correction beyond which it is cut off. On rows seen hardly one is; on a row where a source
goes wild, weights below zero would follow it."""


@dataclass(frozen=True)
class Averaged:
    """`weights` (S,) of sum one; `centre` (S,): the best of at least zero; `shares`: how much each candidate counts.

    `reach`: how far from what the centre makes of a row the weights may lead.
    """

    weights: Floats
    centre: Floats
    shares: Floats
    reach: float


def averaged(grams: Grams, strengths: Floats = STRENGTHS, shares: tuple[float, ...] = ()) -> Averaged:
    """Return the mean of ridges drawn to the best weights of at least zero, to equal ones and to the best source.

    Each counts exp(-loss / T), its loss being that of parts it was not fitted on and T two of the standard errors by
    which candidates differ. `shares`: what each counts, where that is known. One strength alone is drawn to the best
    weights of at least zero.
    Source: Leung & Barron 2006, Information theory and mixing least-squares regressions.
    """
    near = simplex(grams.residuals())
    one = len(strengths) == 1

    def candidates(gram: Floats, start: Floats = near) -> Floats:
        inner = simplex(gram, start=start)
        return ridges(gram, strengths, inner[None] if one else _centres(gram, inner))

    full = candidates(grams.residuals())
    if len(shares) == len(full):
        share = np.asarray(shares)
    elif len(full) == 1 or len(grams) == 1:
        share = np.eye(len(full))[len(strengths) - 1]
    else:
        share = _shares(grams.left_out(lambda gram: list(candidates(gram))))
    weights = share @ full
    away, gram = weights - near, grams.mean()[:-1, :-1]
    return Averaged(weights, near, share, REACH * float(np.sqrt(max(float(away @ gram @ away), 0.0))))


def ridges(gram: Floats, strengths: Floats, centres: Floats) -> Floats:
    """Return (len(centres) * len(strengths), S): what `unit_ridge` returns for each centre (S,) and strength.

    One decomposition of the Gram matrix serves them all.
    """
    n = len(gram)
    scale = np.trace(gram) / n
    if scale <= 0:
        return np.repeat(centres, len(strengths), axis=0)
    value, vector = np.linalg.eigh(gram / scale)
    value, one = np.maximum(value, 0) + 1e-12, vector.T @ np.ones(n)
    found = []
    for centre in centres:
        at = vector.T @ centre
        for strength in strengths:
            inverse = 1 / (value + strength)
            free, flat = vector @ (inverse * strength * at), vector @ (inverse * one)
            found.append(free + (1 - free.sum()) / flat.sum() * flat)
    return np.array(found)


def _centres(gram: Floats, near: Floats) -> Floats:
    """Return (3, S): the best weights of at least zero, equal ones, and the best source alone."""
    n = len(gram)
    best = np.asarray(np.arange(n) == np.argmin(np.diag(gram)), np.float64)
    return np.stack([near, np.full(n, 1 / n), best])


def _shares(losses: Floats) -> Floats:
    """Return (C,) how much each candidate counts, from their losses (C, P) on parts left out."""
    best = int(np.argmin(losses.sum(axis=1)))
    gaps = losses - losses[best]
    errors = gaps.std(axis=1, ddof=1) * np.sqrt(losses.shape[1])
    if not (errors > 0).any():
        return np.asarray(np.eye(len(losses))[best])
    raised = np.exp(-gaps.sum(axis=1) / (WARMTH * np.median(errors[errors > 0])))
    return np.asarray(raised / raised.sum())
