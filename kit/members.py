"""What each source adds to a blend: the paired gain of having it, with its error and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kit import registry
from kit.averaging import SQUARES
from kit.canon import stream
from kit.contracts import Combiner
from kit.crossfit import BlendSpec, applied, fitted
from kit.grouped import split, whole_groups
from kit.paired import Said, Spread, Truth, spread
from kit.panel import Panel
from kit.stackers._gram import OF_DISTRIBUTION, Weighted, lift
from kit.stackers._gram import cut as trimmed
from kit.standings import Trial, number
from kit.types import Floats, Ints

ADDS, HURTS = 0.6, -2.0
"""Standard errors above which a source adds, below which it hurts. A gain is measured with weights fitted on all
rows, with the source and without, so that it is about half an error too high. See docs/blending.md for how often they
hold."""

MOST_ROWS = 50_000
"""Rows that a stacker is fitted on once per source, where each of its fits goes through them; gains are measured on all
rows still."""

TRIFLE = 1e-6
"""Share of the score below which a gain is none, whatever its error."""

BLOCK = 1 << 22
"""Numbers of one block of rows that many combinations are made of at once."""


@dataclass(frozen=True)
class Member:
    """A source in a blend. `gain`: what the score is better for having it; `low`, `high`: two standard errors off."""

    name: str
    weight: float | None
    gain: float | None
    se: float | None
    low: float | None
    high: float | None
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return asdict(self)


def members(
    spec: BlendSpec, panel: Panel, truth: Truth, own: Trial, asked: Sequence[int] | None = None
) -> list[Member]:
    """Return a line per source of a blend, `own` as it is with all of them; of the sources `asked` about alone."""
    if len(panel) == 1:
        return []
    full, plain = own.full, own.plain
    learn = _cut(spec, panel)
    if learn is not panel:
        full = fitted(spec, learn)
        plain = applied(spec, full, panel, None, panel.rows(None))
    weights = [None] * len(panel) if full.weights is None else [float(w) for w in full.weights]
    idle = _idle(spec, full)
    wanted = range(len(panel)) if asked is None else asked
    tried = [s for s in wanted if s not in idle]
    others = _without(spec.pinned(full), panel, learn, tried)
    preds = [plain, *(pred for pred, _ in others)]
    found = spread(truth, preds)
    scores = _as_tested(truth, found.scores, panel, [full.weights, *(w for _, w in others)])
    lines = {s: _line(truth, found, scores, i) for i, s in enumerate(tried, 1)}
    none = (0.0, 0.0, "noise")
    return [_member(spec.sources[s], weights[s], *lines.get(s, none)) for s in wanted]


def _member(name: str, weight: float | None, gain: float, se: float, verdict: str) -> Member:
    ends = (number(gain - 2 * se), number(gain + 2 * se))
    return Member(name, weight, number(gain), number(se), *ends, verdict)


def _idle(spec: BlendSpec, full: Combiner) -> set[int]:
    """Return the sources whose going changes nothing: those that a choice of sources has left out."""
    if full.weights is None or spec.stacker.use not in ("hill_climb", "nnls", "best", "shrunk"):
        return set()
    return {int(s) for s in np.flatnonzero(full.weights == 0)}


def _cut(spec: BlendSpec, panel: Panel) -> Panel:
    """Return the panel that a blend is fitted on once per source: not all rows, where each fit goes through them."""
    module, rows = registry.load("stackers", spec.stacker.use), panel.rows(None)
    if len(rows) <= MOST_ROWS or (hasattr(module, "solve") and module.sums(spec.metric) is not None):
        return panel
    rng, within = stream(0, "members"), registry.metric(spec.metric).within
    if within is not None:
        return panel.at(rows[whole_groups(within, panel.v[rows], MOST_ROWS, rng)])
    return panel.at(np.sort(rng.choice(rows, MOST_ROWS, replace=False)))


def _without(spec: BlendSpec, panel: Panel, learn: Panel, tried: list[int]) -> list[tuple[Said, Floats | None]]:
    """Return for each source that is left out the blend of the scored rows and its weights (S,), 0 at that."""
    rows = panel.rows(None)
    cut = []
    for s in tried:
        left = np.delete(np.arange(len(panel)), s)
        part = spec.of(left)
        cut.append((left, part, fitted(part, learn.of(left))))
    if split(spec.metric)[0] not in OF_DISTRIBUTION and all(isinstance(c, Weighted) for _, _, c in cut):
        return _at_once(panel, rows, [(left, c) for left, _, c in cut])
    return [(applied(part, c, panel.of(left), None, rows), None) for left, part, c in cut]


def _at_once(panel: Panel, rows: Ints, cut: list[tuple[Ints, Any]]) -> list[tuple[Said, Floats | None]]:
    """Return the same where all are weighted sums: one pass over the sources, by matrix products."""
    if not cut:
        return []
    weights, centres = np.zeros((len(cut), len(panel))), np.zeros((len(cut), len(panel)))
    for i, (left, combiner) in enumerate(cut):
        weights[i, left] = combiner.weights
        centres[i, left] = combiner.weights if combiner.centre is None else combiner.centre
    space, limits, z = cut[0][1].space, cut[0][1].limits, panel.preds(None)
    n_out = panel.task.n_out
    made = np.empty((len(cut), len(rows), n_out), np.float32)
    size = max(1, BLOCK // (len(panel) * n_out))
    bounded = any(combiner.centre is not None for _, combiner in cut)
    for a in range(0, len(rows), size):
        at = rows[a : a + size]
        lifted = np.stack([trimmed(lift(one[at], space), limits).ravel() for one in z])
        total = (weights @ lifted).reshape(-1, len(at), n_out)
        middle = (centres @ lifted).reshape(total.shape) if bounded else total
        for i, (_, combiner) in enumerate(cut):
            made[i, a : a + size] = combiner.finish(total[i], middle[i], panel.task)
    return list(zip(made, weights, strict=True))


def _as_tested(truth: Truth, scores: Floats, panel: Panel, weights: list[Floats | None]) -> Floats:
    """Return the scores as averages of fold models would have them, where squared error tells: less their spread."""
    if truth.metric not in SQUARES or not panel.has_spread or any(w is None for w in weights):
        return scores
    spread_ = panel.spread("log1p" if truth.metric == "rmsle" else "identity")
    taken = np.array([w @ spread_ @ w for w in weights if w is not None])
    return np.asarray(np.sqrt(np.maximum(scores**2 - taken, 0.0)))


def _line(truth: Truth, found: Spread, scores: Floats, i: int) -> tuple[float, float, str]:
    """Return gain, standard error and verdict of the source without which blend number i was made."""
    gain = float(registry.metric(truth.metric).sign * (scores[i] - scores[0]))
    se = found.of_difference(0, i)
    if not np.isfinite(gain) or se <= 0 or abs(gain) < TRIFLE * abs(scores[0]):
        return gain, se, "noise"
    return gain, se, "adds" if gain > ADDS * se else "hurts" if gain < HURTS * se else "noise"
