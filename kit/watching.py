"""What a person sees while fits are made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kit.engine import IN_WORKERS, Observer
from kit.stage import Stage
from kit.terminal import duration, err, say


class _Plain(Observer):
    """One line per fit: for files and pipes."""

    def __init__(self) -> None:
        self._total = self._done = 0

    def begin(self, stages: list[Stage]) -> None:
        self._total += sum(s.verb in IN_WORKERS for s in stages)

    def done(self, stage: Stage, seconds: float, score: float | None = None) -> None:
        if stage.verb in IN_WORKERS:
            self._done += 1
            shown = "" if score is None else f"  {score:.6g}"
            line = f"[{self._done}/{self._total}] {stage.name}{shown}  {seconds:.1f} s"
            say(line, to=err)


class _Live(_Plain):
    """A bar with fits done, time left and the running score of each model."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self._bar, self._task = bar, bar.add_task("fits", total=None, left="", scores="")
        self._scores: dict[str, list[float]] = {}
        self._began = time.monotonic()

    def begin(self, stages: list[Stage]) -> None:
        super().begin(stages)
        self._bar.update(self._task, total=self._total)

    def done(self, stage: Stage, seconds: float, score: float | None = None) -> None:
        if stage.verb not in IN_WORKERS:
            return
        self._done += 1
        if score is not None:
            self._scores.setdefault(str(stage.local.get("model")), []).append(score)
        scores = "  ".join(f"{m} {sum(s) / len(s):.5g}" for m, s in self._scores.items())
        left = (time.monotonic() - self._began) / self._done * (self._total - self._done)
        self._bar.update(self._task, completed=self._done, left=f"{duration(left)} left", scores=scores)


@contextmanager
def shown(*, quiet: bool) -> Iterator[Observer]:
    """Give the observer that suits where stderr goes: a live bar, plain lines, or silence."""
    if quiet:
        yield Observer()
    elif not err.is_terminal:
        yield _Plain()
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[scores]}"),
        )
        with Progress(*columns, console=err, transient=True) as bar:
            yield _Live(bar)
