"""What is left of a time limit, and which models can still be fitted in it."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Clock:
    """The deadline and what a fit of each model costs, learnt as fits end. In seconds.

    `reserve` is kept for OOFs, blend and submission.
    """

    def __init__(self, deadline: float | None, hints: Mapping[str, float]) -> None:
        self.deadline = deadline
        self.hints = dict(hints)
        self.reserve = 2.0
        self.seen: dict[str, list[float]] = {}
        self.tried: set[str] = set()
        """Models that are tried until the time is over: the first fit of a worker takes longer than those after it."""

    def record(self, model: str, seconds: float) -> None:
        """Note the cost of a finished fit."""
        self.seen.setdefault(model, []).append(seconds)

    def estimate(self, model: str) -> float:
        """Return the seconds a fit of `model` takes: the median of those that ended, 0 where none did yet."""
        seen = sorted(self.seen.get(model, [0.0]))
        return seen[len(seen) // 2]

    def fits(self, model: str, fits_left: int, slots: int) -> bool:
        """Return whether `fits_left` more fits of `model` can end in time on `slots` workers.

        Unknown until one has ended: a model that may not make it is tried, for time left over is worth nothing.
        """
        if self.deadline is None or model in self.tried:
            return True
        rounds = -(-fits_left // max(slots, 1))
        return time.monotonic() + rounds * self.estimate(model) < self.deadline - self.reserve

    def over(self) -> bool:
        """Return whether the time for fits is used up."""
        return self.deadline is not None and time.monotonic() >= self.deadline - self.reserve
