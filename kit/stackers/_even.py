"""Sources of which one gives scores of a ranking, brought to one scale before a stacker sees them.

Within queries, each has the standard deviation of the target there, around its mean; probabilities in log odds, with
one of 1 around the share of the positive class. What a source adds to all rows of a query orders none of them, so a
mean over sources weighs their orders alike, whatever their scales. No row's blend hangs on the others, and rows to
predict need no query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kit.contracts import Combiner, Context
from kit.rowgroups import Groups, one_group
from kit.types import Floats, Floats32, Pred, Task

EDGE = 1e-6
"""Probabilities nearer to 0 and 1 count as this."""


@dataclass(frozen=True)
class Even:
    """A combiner over sources of one scale.

    Shape: centre, scale (S,) of each source as it is; to: the centre and scale of all.
    """

    inner: Any
    centre: Floats
    scale: Floats
    to: tuple[float, float]

    @property
    def weights(self) -> Floats | None:
        """(S,) how much each source counts, once they have one scale."""
        found: Floats | None = self.inner.weights
        return found

    @property
    def chosen(self) -> Mapping[str, Any]:
        """What the combiner chose."""
        found: Mapping[str, Any] = getattr(self.inner, "chosen", {})
        return found

    def __call__(self, z: Floats32, ctx: Context) -> Pred:
        """Return the combined prediction of z (S, n, m)."""
        made: Pred = self.inner(self.lifted(z, ctx.task), replace(ctx, std=None))
        return made

    def lifted(self, z: Floats32, task: Task) -> Floats32:
        """Return the sources (S, n, 1) on one scale."""
        out = np.empty(z.shape, np.float32)
        for s, each in enumerate(z):
            even = self.to[0] + self.to[1] * (_odds(each, task) - self.centre[s]) / self.scale[s]
            out[s] = 1 / (1 + np.exp(-even)) if task.kind == "binary" else even
        return out


def even(ctx: Context, z: Floats32, y: Floats, v: Floats) -> Even:
    """Return what brings sources z (S, n, 1) to the scale of y (n,), by rows that count v (n,); no combiner yet."""
    within = ctx.metric.within
    groups = one_group(v) if within is None else within.groups(v)
    means, scales = np.empty(len(z)), np.empty(len(z))
    for s, each in enumerate(z):
        means[s], scales[s] = _spread(_odds(each[:, 0], ctx.task), groups)
    mean, scale = _spread(y, groups)
    if ctx.task.kind == "binary":
        share = min(max(mean, EDGE), 1 - EDGE)
        mean, scale = float(np.log(share / (1 - share))), 1.0
    return Even(None, means, np.where(scales > 0, scales, 1.0), (mean, scale or 1.0))


def over(made: Even, inner: Combiner) -> Even:
    """Return the combiner `inner` over sources of one scale."""
    return replace(made, inner=inner)


def _spread(values: Floats, groups: Groups) -> tuple[float, float]:
    """Return the mean of values (n,), and their standard deviation within groups."""
    ordered = values[groups.order]
    off = ordered - groups.mean(ordered)[groups.of]
    return float(np.average(ordered, weights=groups.v)), float(np.sqrt(np.average(off**2, weights=groups.v)))


def _odds(p: Floats32, task: Task) -> Floats:
    """Return values as they are, probabilities as log odds."""
    wide = p.astype(np.float64)
    if task.kind != "binary":
        return wide
    inside = np.clip(wide, EDGE, 1 - EDGE)
    return np.asarray(np.log(inside / (1 - inside)))
