"""What one fit is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kit.contracts import Fitted, Watch, never
from kit.design import Designs, DesignSpec, Use
from kit.evaluate import Wanted
from kit.sections import StopPolicy
from kit.types import Design, Floats, Ints, Pred, Rows, Task


@dataclass(frozen=True)
class FitSpec:
    """One fit: a model on one fold with one seed.

    `steps`: what the pooled policy chose; None otherwise. `wanted`: the test distribution that stop rows stand for.
    `sources`: columns that hold predictions of other models.
    """

    model: Use
    design: DesignSpec
    task: Task
    split: Use
    stop: StopPolicy
    stop_folds: int | None
    seed_index: int
    steps: int | None = None
    threads: int = 1
    device: Literal["cpu", "cuda"] = "cpu"
    watch: Watch = never
    wanted: Wanted | None = None
    sources: tuple[str, ...] = ()


class Ended(Exception):
    """The watch of a fit ended it: there is no result."""


@dataclass(frozen=True)
class FoldResult:
    """What a fit gives: predictions on the recipe's scale, and what is worth knowing of the model.

    `designs`: the matrices it learnt from, with the learnt features and codec that predict needs. `held_rows`: blind.
    `at_word`: no learning row has predictions of the sources, which were taken to be right.
    """

    held: Pred
    test: Pred
    fitted: Fitted
    best_step: int
    curve: Floats
    designs: Designs
    held_rows: Rows
    held_design: Design
    seconds: float
    n_learn: int
    at_word: bool = False

    def predict(self, design: Design, at: Ints) -> Pred:
        """Return the prediction of a design whose rows are the held rows at positions `at` (n,)."""
        return self.designs.codec.decode(self.fitted.predict(design), self.held_rows.take(at))


@dataclass(frozen=True)
class Handed:
    """What a learner is handed: matrices, and the rows behind them; `stop`: those it is stopped on."""

    designs: Designs
    learn: Rows
    stop: Rows | None
    held: Rows
