"""What a plan will cost: as measured where the same fits ran before, else a rough estimate that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit import devices, registry
from kit._finetune.cost import Size, size_of
from kit.engine import states
from kit.opening import Opened, last_keys
from kit.stage import Stage

START = 1.0
CELL = 20e-6
"""Seconds of a fit with default parameters, in itself and per cell of its matrix and output, times the learner's COST.
Measured on 6 real sets with one thread: California housing 43, Ames 19, Telco churn 6 microseconds per cell."""

ROUGHLY = 5.0
"""An estimate may be wrong by this factor: rounds until a fit stops, categories and machines differ that much."""

MEASURED = 1.5
"""What was measured may be wrong by this factor: other parameters, another load."""

WORKER_MIB = {"openmp": 350.0, "torch": 700.0}
"""Memory of a worker before it reads a row, by what its libraries run on."""

COPIES = 2.5
"""Matrices of the size of the learning rows a fit holds: its own, the library's, the held and test rows'."""


@dataclass(frozen=True)
class Cost:
    """What the fits still to be made will take: seconds on all workers together, and memory of all of them."""

    fits: int
    seconds: tuple[float, float]
    mib: tuple[float, float]
    jobs: int
    basis: str

    def __str__(self) -> str:
        """Return the cost as a person reads it."""
        if not self.fits:
            return "nothing to fit"
        low, high = (duration(s) for s in self.seconds)
        memory = " to ".join(f"{m / 1024:.1f}" for m in self.mib)
        return f"{self.fits} fits, about {low} to {high} on {self.jobs} workers, {memory} GiB ({self.basis})"


def planned(opened: Opened) -> Cost:
    """Return the cost of a plan with the usual number of workers."""
    found = states(opened.plan, opened.store)
    todo = [s for s in opened.plan.stages if s.verb in ("fit", "curve", "refit") and found[s.key] == "run"]
    jobs = max(1, min(devices.cores(), len(todo)))
    past = last_keys(opened)
    times: list[tuple[float, bool]] = []
    for name in dict.fromkeys(str(s.local.get("model")) for s in todo):
        mine = [s for s in todo if s.local.get("model") == name]
        known = _measured([s for s in opened.plan.stages if s.local.get("model") == name], past, opened)
        each = known if known is not None else _estimate(mine[0], opened)
        times.append((each * len(mine), known is not None))
    low = sum(t / (MEASURED if known else ROUGHLY) for t, known in times) / jobs
    high = sum(t * (MEASURED if known else ROUGHLY) for t, known in times) / jobs
    share = [known for _, known in times]
    basis = "as earlier fits took" if all(share) else "a rough estimate"
    basis = "partly as earlier fits took, partly a rough estimate" if any(share) and not all(share) else basis
    base = max((_memory(s, opened) for s in todo), default=0.0)
    return Cost(len(todo), (low, high), (base * jobs / 1.5, base * jobs * 1.5), jobs, basis)


def most(opened: Opened, model: str) -> float:
    """Return the seconds that the missing fits of a model may take at most, on the usual number of workers."""
    found = states(opened.plan, opened.store)
    own = [s for s in opened.plan.stages if s.local.get("model") == model]
    todo = [s for s in own if s.verb in ("fit", "curve", "refit") and found[s.key] == "run"]
    if not todo:
        return 0.0
    known = _measured(own, last_keys(opened), opened)
    each = _estimate(todo[0], opened) * ROUGHLY if known is None else known * MEASURED
    return each * -(-len(todo) // devices.cores())


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(5), duration(150), duration(9000)
    ('5 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _measured(stages: Sequence[Stage], past: Mapping[str, str], opened: Opened) -> float | None:
    """Return the median seconds of the fits of a model that are stored, those of its last run included."""
    keys = {s.key for s in stages} | {past[s.name] for s in stages if s.name in past}
    seen = sorted(
        float(opened.store.open(key).meta["seconds"])
        for key in keys
        if opened.store.has(key) and "best_step" in opened.store.open(key).meta
    )
    return seen[len(seen) // 2] if seen else None


def _estimate(stage: Stage, opened: Opened) -> float:
    use = str(stage.ingredients["model"]["use"])
    use = stage.local["files"].get(use, use)
    if (text := _text_model(stage)) is not None:
        size, length = text
        epochs = int(stage.ingredients["model"]["params"].get("epochs", 3))
        return START + size.seconds(_rows(stage, opened), length, epochs, str(stage.ingredients["device"]))
    cost = float(registry.load("models", use).COST)
    outputs = 1 if _runtime(stage) == "torch" else opened.facts.task.n_out  # boosters grow trees for each class
    return cost * (START + CELL * _cells(stage, opened) * outputs)


def _cells(stage: Stage, opened: Opened) -> float:
    """Return rows times columns of what a fit learns from."""
    facts = opened.facts
    widths = [facts.header[name].width for name in stage.ingredients["x"] if name in facts.header]
    computed = [_width(key, opened) for key in stage.ingredients["columns"].values()]
    return _rows(stage, opened) * max(1, sum(widths) + sum(computed))


def _rows(stage: Stage, opened: Opened) -> float:
    """Return about how many rows a fit learns from."""
    facts = opened.facts
    folds = max(2, facts.n_folds // opened.recipe.repeats)
    rows = facts.n_train * (1 - 1 / folds) + facts.n_extra
    return rows * (2 if stage.ingredients["design"]["augment"] else 1)


def _width(key: str, opened: Opened) -> int:
    """Return the width of a computed column: 384, that of a small text model, where it is not there yet."""
    made: Any = opened.store.open(key).meta if opened.store.has(key) else {}
    return int(made.get("width", 384 if opened.plan.of(key).verb == "column" else 1))


def _memory(stage: Stage, opened: Opened) -> float:
    """Return the MiB of the worker that carries out a fit."""
    mib = WORKER_MIB[_runtime(stage)] + COPIES * 4 * _cells(stage, opened) / 2**20
    if (text := _text_model(stage)) is not None:
        mib += text[0].mib(int(stage.ingredients["model"]["params"].get("batch", 16)), text[1])
    return mib


def _text_model(stage: Stage) -> tuple[Size, int] | None:
    """Return the size of the text model that a fit trains and the tokens of a text; None where it trains none."""
    for feature in stage.ingredients["design"]["features"]:
        if getattr(
            registry.load("features", stage.local["files"].get(feature["use"], feature["use"])), "TOKENS", False
        ):
            params = feature["params"]
            return size_of(Path(stage.local["files"][params["model"]])), int(params["length"])
    return None


def _runtime(stage: Stage) -> str:
    return "torch" if "torch" in stage.ingredients.get("libs", {}) else "openmp"
