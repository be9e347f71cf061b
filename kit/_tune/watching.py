"""Follows the steps of a fit and ends it: when the study is to stop, or when its curve says that it cannot win."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kit._tune.racing import FIRST_LOOK, optimistic

LOOKS_PER_DOUBLING = 4
"""Curves are judged at steps that grow by the fourth root of 2."""

ASK_SECONDS = 0.3
"""How often the file that ends a study is looked for."""


@dataclass
class Stop:
    """Tells whether to end: the deadline has come, or somebody said so."""

    deadline: float | None
    file: Path
    _asked: float = 0.0

    def __call__(self) -> bool:
        """Return whether to end."""
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline:
            return True
        if now - self._asked < ASK_SECONDS:
            return False
        self._asked = now
        return self.file.exists()


@dataclass
class Watcher:
    """The watch of one fit. `hopeless(loss)`: whether a fit that ends with this stop loss is to be given up.

    `most`: steps the fit may take; 0 = its curve may not be extrapolated (a net's learning rate falls at the end of its
    schedule, and its loss with it): then only the end of the first phase is judged.
    """

    stop: Stop
    hopeless: Callable[[float], bool] | None
    most: int
    curve: list[float] = field(default_factory=list)
    steps: int = 0
    loss: float = math.nan
    why: str = ""
    _next: float = FIRST_LOOK

    def __call__(self, step: int, stop_score: float) -> bool:
        """Return whether to end the fit after this step."""
        self.steps += 1
        if self.stop():
            self.why = "stopped"
        elif not math.isnan(stop_score):
            self.curve.append(stop_score)
            if self.most and step >= self._next:
                self._next = max(step + 1, step * 2 ** (1 / LOOKS_PER_DOUBLING))
                self._judge(optimistic(self.curve, self.most))
        elif self.curve and step == 1:  # the rounds are chosen, and all learning rows are trained on from the start
            self._judge(min(self.curve))
        return bool(self.why)

    def _judge(self, loss: float) -> None:
        self.loss = loss
        if self.hopeless is not None and self.hopeless(loss):
            self.why = "hopeless"
