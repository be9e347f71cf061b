"""What a blend will score on the test rows: the nested score, what averaging fold models adds, and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kit import averaging, registry
from kit.contracts import Combiner
from kit.difficulty import Signs, adjusted
from kit.evaluate import effective
from kit.leeway import Leeway
from kit.paired import Said, Truth, jackknife
from kit.panel import Panel
from kit.stackers._gram import Space, Weighted, lift
from kit.stackers._halves import Halves
from kit.standings import NOISE, Standing, number
from kit.types import Floats, Floats32

LEAST_REALISED, SMALL = 0.1, 1e-9
"""Share of its variance out of fold that a difference between sources must have on test, for honest ones about 1; and
a ridge that makes duplicates differ in neither."""

LEVEL, NORMAL = 0.9, 1.6448536269514722
"""Coverage of the interval and the normal quantile for it."""


@dataclass(frozen=True)
class Estimate:
    """What a blend is worth.

    `score`: nested, given the OOFs: weights, choices and thresholds were made without the fold that is scored, the
    sources as they are. `plain`: on the rows the weights were fitted on. `averaging`: what test rows gain because the
    average of fold models predicts them, None = not known. `rows`: what is added to the score because these test rows
    look harder or easier than the training rows. `expected`, `low`, `high`: the score on the test rows and the
    interval it lies in with probability `level`; None without test rows. `se`: standard error of the nested score.
    `overfitted`: in words, where stacking is seen to overfit.
    """

    score: float | None
    plain: float | None
    se: float | None
    averaging: float | None
    rows: float | None
    expected: float | None
    low: float | None
    high: float | None
    level: float = LEVEL
    given: str = "the OOFs"
    overfitted: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return asdict(self)


def towards_plain(n_folds: int) -> float:
    """Return how far on the way from the nested to the plain score the one on new rows lies.

    Weights fitted on n rows are worse than the best ones by c / n on new rows, and look better by as much on their own.
    Nested ones are fitted on n (K - 1) / K rows, so that they are worse by c / n K / (K - 1).

    >>> towards_plain(5)
    0.1111111111111111
    """
    return 1 / (2 * n_folds - 1) if n_folds > 1 else 0.0


def estimate(  # noqa: PLR0913 - what is known of the test rows comes on top
    truth: Truth,
    nested: Said,
    plain: Said,
    layers: Floats32,
    known: Signs | None = None,
    n_folds: int = 5,
    *,
    doubt: Leeway | None = None,
) -> Estimate:
    """Return the estimate of nested and plain predictions; layers (K, t, m) are the blend's for test.

    Expected is a score between the nested and the plain one, averaging added, and what the signs `known` tell of the
    test rows. The interval adds up the error of that score and the sampling of the test rows, as if they were drawn
    like the training rows, groups whole; what the signs explain is no part of either. `doubt`: how far estimated shares
    of the test rows may be off that the truth's weights rest on; that error is added, and the test rows are then set
    against the effective training rows.
    """
    metric = registry.metric(truth.metric)
    found = jackknife(truth, [nested, plain])
    score, seen = found.scores
    se, n_test = float(np.sqrt(found.spread().covariance[0, 0])), layers.shape[1]
    gained = averaging.gain(truth, nested, layers) if len(layers) > 1 and n_test else None
    gained = gained if gained is not None and np.isfinite(gained) else None
    shares = 0.0 if doubt is None else doubt.variance(lambda f: replace(truth, v=truth.v * f).score(nested))
    n_rows = len(truth.y) if doubt is None else effective(truth.v)
    told = number(score), number(seen), number(se if doubt is None else float(np.hypot(se, np.sqrt(shares)))), gained
    if not n_test or not np.isfinite(score):
        return Estimate(*told, None, None, None, None)
    if not np.isfinite(seen):
        found = jackknife(truth, [nested, nested])
    share = towards_plain(n_folds)
    mix = np.array([1 - share, share])
    fit = adjusted(found, mix, known, truth.v, 2 if truth.metric in averaging.SQUARES else 1)
    mixed = float(mix @ found.scores)
    expected = mixed - metric.sign * (gained or 0.0) + fit.shift
    # Where rows are harder their errors are not only larger but vary as much more.
    grown = (mixed + fit.shift) / mixed if metric.sign > 0 and mixed > 0 else 1.0
    half = _student(fit.dof) * np.sqrt(fit.se**2 * (1 + grown**2 * n_rows / n_test) + fit.error**2 + shares)
    bounds = getattr(registry.load("metrics", metric.name), "RANGE", (None, None))
    mid, low, high = (number(_within(bounds, end)) for end in (expected, expected - half, expected + half))
    return Estimate(*told, number(fit.shift) if known else None, mid, low, high)


def _within(bounds: tuple[float | None, float | None], score: float) -> float:
    """Return the score, or the end of what the metric can have that it passes."""
    low, high = (np.inf * sign if end is None else end for sign, end in zip((-1, 1), bounds, strict=True))
    return float(min(max(score, low), high))


def _student(dof: int) -> float:
    """Return the quantile of Student's t: the normal one, corrected to the first order (Abramowitz & Stegun 26.7.5)."""
    return NORMAL * (1 + (NORMAL**2 + 1) / (4 * max(dof, 1)))


def unrealised(panel: Panel, names: Sequence[str], full: Combiner) -> str:
    """Return in words that a blend leans on a difference between sources that the test predictions do not have.

    Honest sources differ as much on test rows, one fold model at a time, as out of fold. A blend beside its own
    sources does not: out of fold its weights change with the fold, on test they do not, and that change is made of y.
    Looked for is the direction that varies least on test for what it varies out of fold; it harms where the weights
    follow it further than a mean of sources could.
    """
    if isinstance(full, Halves):
        full = Weighted(full.weights)
    if not isinstance(full, Weighted) or not panel.has_spread or len(panel) == 1:
        return ""
    rows = panel.rows(None)
    seen = _covariance([p[rows] for p in panel.preds(None)], full.space)
    layers = [[s.test[k] for s in panel.sources] for k in range(len(panel.sources[0].test))]
    there = np.mean([_covariance(layer, full.space) for layer in layers], axis=0)
    small = SMALL * np.trace(seen) / len(seen) * np.eye(len(seen))
    root = np.linalg.inv(np.linalg.cholesky(seen + small))
    value, vector = np.linalg.eigh(root @ (there + small) @ root.T)
    direction = root.T @ vector[:, 0]
    direction /= direction[np.argmax(np.abs(direction))]
    followed = (full.weights @ seen @ direction) / (direction @ seen @ direction)
    if value[0] >= LEAST_REALISED or abs(followed) <= 1:
        return ""
    source = names[int(np.argmax(np.abs(direction)))]
    return (
        f"stacked overfitting: {source} differs from the other sources out of fold, hardly on test "
        f"({100 * value[0]:.0f} % of the variance), and the weights enlarge that; leave out what is made of others"
    )


def _covariance(z: Sequence[Floats32], space: Space) -> Floats:
    """Return (S, S) the covariance of sources over rows, all outputs pooled."""
    flat = np.stack([lift(one, space).ravel() for one in z])
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat @ flat.T / flat.shape[1])


def overfitting(use: str, lines: list[Standing], metric: str) -> str:
    """Return in words that stacking overfits, or nothing.

    It does where a blend beats the best single source or the average on the rows it was fitted on, but not on folds it
    has not seen, and loses more on the way than chance explains.
    """
    sign = registry.metric(metric).sign
    by_use = {line.use: line for line in lines}
    own, simple = by_use[use], [by_use[u] for u in ("best", "mean") if u in by_use and u != use]
    known = [s for s in simple if s.nested is not None]
    if not known or own.nested is None or own.plain is None or own.se is None:
        return ""
    rival = min(known, key=lambda s: sign * (s.nested or 0.0))
    lost, ahead = sign * (own.nested - own.plain), sign * ((rival.nested or 0.0) - own.nested)
    if sign * ((rival.nested or 0.0) - own.plain) <= 0 or ahead >= 0:
        return ""
    if lost <= NOISE * (own.behind_se or own.se) and -ahead <= NOISE * (own.behind_se or own.se):
        return ""
    return (
        f"stacked overfitting: {use} scores {own.plain:.6g} on the rows it was fitted on, {own.nested:.6g} on folds it "
        f"has not seen, where {rival.use} scores {rival.nested:.6g}"
    )
