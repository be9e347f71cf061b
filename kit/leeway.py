"""How far estimated shares of the test rows may be off, and what that makes of a score.

An estimate errs because the test rows are a sample, and because the training rows are one that tell how a model reads
each bin: both are drawn anew (groups whole) and the shares found again. It errs in two ways more, which no drawing
shows; second readings do. Where the model does not read rows as its std says, shares by sigma and by counts differ,
which are the same under label shift with a true std. And where the predictions tell little, the smoothing decides:
shares drawn towards a flat shape and towards the training rows' differ by what it decides. Either distance is an error
of one of two, and is added as it stands.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; two estimators that agree where a model holds:
Hausman, Specification tests in econometrics, Econometrica 46(6), 1978.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit import em, evaluate
from kit.canon import stream
from kit.evaluate import Bins, By, Estimate, Was
from kit.oof import Oof
from kit.types import Floats, Ints, Pred, Task

DRAWS, STEPS = 50, 50
"""Samples drawn, and steps by which each comes from the shares that were found to its own: it begins near its end."""

SMALL = 1e-12
"""Variance of a share below which it is known."""


@dataclass(frozen=True)
class Leeway:
    """Bin (n,) of each training row, shares (B,) estimated for the bins, and the covariance (B, B) of their error."""

    of: Ints
    shares: Floats
    covariance: Floats

    @classmethod
    def told(cls, about: Mapping[str, Any] | None, y: Floats) -> Leeway | None:
        """Return what a card's `evaluate` tells of rows y (n,); None where no shares were estimated."""
        if about is None or "covariance" not in about:
            return None
        edges = about["edges"]
        of = y.astype(np.int64) if edges is None else evaluate.between(y, np.array(edges)).of
        return cls(of, np.array(about["test_shares"]), np.array(about["covariance"]))

    def variance(self, score: Callable[[Floats], float | None]) -> float:
        """Return the variance of a score that the error of the shares makes; 0 where the score cannot be told.

        `score`: of factors (n,) that the rows' scoring weights are to be taken times. The shares go one standard
        deviation both ways along each principal axis of their covariance.
        """
        middle = score(np.ones(len(self.of)))
        if middle is None or not np.isfinite(middle):
            return 0.0
        found = 0.0
        value, vector = np.linalg.eigh(self.covariance)
        for size, axis in zip(value, vector.T, strict=True):
            for way in (1.0, -1.0) if size > SMALL else ():
                there = np.maximum(self.shares + way * np.sqrt(size) * axis, 0.0)
                moved = score((there / there.sum() / np.maximum(self.shares, 1e-300))[self.of])
                found += (moved - middle) ** 2 / 2 if moved is not None and np.isfinite(moved) else 0.0
        return float(found)


def joined(bins: Bins, into: Bins, covariance: Floats) -> Floats:
    """Return the covariance of the shares of bins that were joined with their neighbours."""
    if bins.edges is None or into.edges is None:
        return covariance
    place = np.searchsorted(into.edges, bins.edges[:-1], side="right") - 1
    sums = (np.arange(len(into))[:, None] == place).astype(np.float64)
    return np.asarray(sums @ covariance @ sums.T)


def covariance(task: Task, oof: Oof, sample: Sample, found: Estimate, by: By, was: Was) -> Floats:
    """Return the covariance (B, B) of the error of the shares `found`, which `evaluate.estimate` made of the same."""
    spread, others = drawn(task, oof, sample, found, by, was), []
    if found.readings is not None:
        others = list(found.readings)
    else:
        if by == "sigma":
            others.append(evaluate.estimate(task, oof, sample.bins, sample.w, "counts").shares)
        if task.kind == "regression":
            others.append(evaluate.estimate(task, oof, sample.bins, sample.w, by, was, towards="rows").shares)
    for apart in (other - found.shares for other in others):
        spread += np.outer(apart, apart)
    return spread


def drawn(task: Task, oof: Oof, sample: Sample, found: Estimate, by: By, was: Was) -> Floats:
    """Return the part (B, B) of the covariance that comes of training and test rows being samples."""
    read = _by_counts if by == "counts" else _by_sigma
    again = read(task, oof, sample, was, found.shares)
    centred = again - again.mean(axis=0)
    return np.asarray(centred.T @ centred / (len(again) - 1))


@dataclass(frozen=True)
class Sample:
    """Bins of the training rows with their weights w (n,) and groups (n,) or None."""

    bins: Bins
    w: Floats
    group: Ints | None

    def draws(self, oof: Oof) -> tuple[Floats, Floats]:
        """Return how often each held training row (R, n) and each test row (R, t) is drawn; groups stay whole."""
        rows, n_test = np.flatnonzero(oof.scored), oof.test.shape[1]
        unit = np.arange(len(rows)) if self.group is None else np.unique(self.group[rows], return_inverse=True)[1]
        rng, n_units = stream(0, "leeway"), int(unit.max()) + 1
        known = rng.multinomial(n_units, np.full(n_units, 1 / n_units), DRAWS)[:, unit]
        new = rng.multinomial(n_test, np.full(n_test, 1 / n_test), DRAWS)
        return known.astype(np.float64), new.astype(np.float64)

    def shares(self, oof: Oof, known: Floats) -> Floats:
        """Return (R, B) the shares of the bins among the training rows drawn."""
        rows, n_bins = oof.scored, len(self.bins)
        mass = np.stack([np.bincount(self.bins.of[rows], self.w[rows] * drawn, n_bins) for drawn in known])
        return np.asarray(mass / mass.sum(axis=1, keepdims=True))


def _by_sigma(task: Task, oof: Oof, sample: Sample, was: Was, first: Floats) -> Floats:
    """Return (R, B) the shares by the model's own distributions, of the rows drawn."""
    known, new = sample.draws(oof)
    train, bins = sample.shares(oof, known), sample.bins
    if was == "uniform":
        even = np.full(train.shape, 1 / train.shape[1])
        return _found(evaluate.even(task, oof.test_mean(), bins), new, (np.ones(train.shape), even, first), task)
    base = train
    if task.kind == "regression":
        pooled, rows = oof.pooled(), oof.scored
        held = Pred(pooled.mean[rows], None if pooled.std is None else pooled.std[rows])
        base = known @ evaluate.sigma(task, held, bins) / known.sum(axis=1, keepdims=True)
    likely = evaluate.sigma(task, oof.test_mean(), bins)
    return _found(likely, new, (np.maximum(base, 1e-9), train, first), task)


def _by_counts(task: Task, oof: Oof, sample: Sample, was: Was, first: Floats) -> Floats:
    """Return (R, B) the shares by how often the training rows drawn of each bin are predicted into each cell."""
    known, new = sample.draws(oof)
    train, rows = sample.shares(oof, known), oof.scored
    cell, cell_test = evaluate.cells_of(task, oof.pooled(), oof.test_mean(), rows)
    of, w, made = sample.bins.of[rows], sample.w[rows], []
    for drawn, there, start in zip(known, new, train, strict=True):
        counts = evaluate.counts_of(cell, of, w * drawn + 1e-9, len(sample.bins))
        seen = np.bincount(cell_test, there, len(counts)).astype(np.float64)
        made.append(_found(counts, seen[None], (np.ones((1, len(start))), start[None], first), task)[0])
    return np.stack(made)


def _found(likely: Floats, counts: Floats, begin: tuple[Floats, Floats, Floats], task: Task) -> Floats:
    """Return (R, B) the shares that make the rows of `likely` (t, B), each counted `counts` (R, t) times, most likely.

    The steps are those of `evaluate.estimate`, for all draws at once. `begin`: what the likelihood is divided by and
    the shares held for likely beforehand (R, B), and the shares to begin with (B,).
    """
    base, start, first = begin
    shares = np.tile(first, (len(counts), 1))
    for _ in range(STEPS):
        part = shares / base
        mix = np.maximum(np.einsum("tb,rb->rt", likely, part), 1e-300)
        shares = part * np.einsum("rt,tb->rb", counts / mix, likely) + em.PRIOR * start
        if task.kind == "regression":
            shares = em.smoothed(shares)
        shares /= shares.sum(axis=1, keepdims=True)
    return shares
