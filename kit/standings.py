"""Stackers side by side on the same nested folds: what each is worth, and which differences are noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from kit import registry
from kit.contracts import Combiner
from kit.crossfit import Blended, BlendSpec, applied, fitted, held_out
from kit.oof import average
from kit.paired import Truth, spread
from kit.panel import Panel
from kit.params import Params
from kit.types import Pred

NOISE = 2.0
"""Standard errors below which a difference is called noise."""

USES = ("best", "mean", "hill_climb", "nnls", "ridge", "shrunk")
"""What every blend is compared with: the best single source, the average and the stackers that need no setting."""


@dataclass(frozen=True)
class Trial:
    """A stacker on a panel's scored rows: `nested`, by combiners that have not seen a row's fold, and `plain`, by
    `full`, the one fitted on all rows."""

    use: str
    nested: Pred
    plain: Pred
    full: Combiner


@dataclass(frozen=True)
class Standing:
    """A line of the table. `nested`: the score given the OOFs; `plain`: on the rows the weights were fitted on.

    `behind`: how far behind the best nested score, above 0 is worse; `behind_se`: its paired standard error; `noise`:
    whether that may be chance. `used`: sources of weight other than 0.
    """

    use: str
    nested: float | None
    plain: float | None
    se: float | None
    behind: float | None
    behind_se: float | None
    noise: bool
    used: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return asdict(self)


def truth_of(panel: Panel, metric: str) -> Truth:
    """Return what the panel's scored rows are scored against."""
    return Truth(panel.task, metric, panel.y, panel.v, panel.group).at(panel.rows(None))


def trial(spec: BlendSpec, panel: Panel, made: Blended | None = None) -> Trial:
    """Return what a stacker makes of the scored rows; `made`, where it is at hand, saves the fits."""
    rows = panel.rows(None)
    pred, std = (made.oof.pred, made.oof.std) if made is not None else held_out(spec, panel)
    full = made.full if made is not None else fitted(spec, panel)
    nested = average(pred[:, rows], None if std is None else std[:, rows])
    return Trial(label(spec), nested, applied(spec, full, panel, None, rows), full)


def label(spec: BlendSpec) -> str:
    """Return how a stacker is called in the table: by its name, with a star where its parameters are not the usual."""
    use = registry.shown(spec.stacker.use)
    return use if spec.stacker.params == plain_params(spec.stacker.use) else f"{use}*"


def plain_params(use: str) -> Params | None:
    """Return a stacker's params as they are by default, None where it cannot do without some."""
    try:
        params: Params = registry.load("stackers", use).Params()
    except ValidationError:
        return None
    return params


def fits(use: str, panel: Panel) -> bool:
    """Return whether a stacker takes this task and so many sources."""
    module = registry.load("stackers", use)
    return panel.task.kind in module.TASKS and module.SOURCES[0] <= len(panel) <= module.SOURCES[1]


def standings(trials: Sequence[Trial], truth: Truth) -> list[Standing]:
    """Return a line per trial, the best nested score first."""
    sign = registry.metric(truth.metric).sign
    found = spread(truth, [t.nested for t in trials])
    losses = np.where(np.isfinite(found.scores), sign * found.scores, np.inf)
    best = int(np.argmin(losses))
    lines = []
    for i in np.argsort(losses, kind="stable"):
        behind = float(losses[i] - losses[best]) if np.isfinite(losses[i]) else np.nan
        se = found.of_difference(int(i), best)
        lines.append(
            Standing(
                trials[i].use,
                number(found.scores[i]),
                number(truth.score(trials[i].plain)),
                number(float(np.sqrt(found.covariance[i, i]))),
                number(behind),
                number(se),
                bool(i != best and behind <= NOISE * se),
                used(trials[i].full),
            )
        )
    return lines


def used(combiner: Combiner) -> int | None:
    """Return how many sources have a weight other than 0, None where there are no weights."""
    return None if combiner.weights is None else int(np.count_nonzero(combiner.weights))


def number(value: float) -> float | None:
    """Return a finite number as JSON takes it, else None."""
    return float(value) if np.isfinite(value) else None
