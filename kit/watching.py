"""What a person sees while fits are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kit.engine import IN_WORKERS, Observer
from kit.stage import Stage
from kit.terminal import duration, err, say

T = TypeVar("T")


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


def shown(*, quiet: bool) -> AbstractContextManager[Observer]:
    """Give the observer of fits that suits where stderr goes."""
    return suited(Observer if quiet else _Plain, _Live, ("left", "scores"), quiet=quiet)


@contextmanager
def suited(lines: Callable[[], T], live: Callable[[Progress], T], fields: Sequence[str], *, quiet: bool) -> Iterator[T]:
    """Give what tells of progress: `live` on a bar with these fields of a task, or `lines` (silence where `quiet`)
    where stderr is no terminal.
    """
    if quiet or not err.is_terminal:
        yield lines()
        return
    told = [TextColumn(f"{{task.fields[{field}]}}") for field in fields]
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), *told)
    with Progress(*columns, console=err, transient=True) as bar:
        yield live(bar)
