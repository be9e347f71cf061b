"""What a person sees of `kit tune`: live progress, the final table, importances."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import groupby

from rich.progress import Progress, TaskID

from kit._tune.results import Result
from kit._tune.supervising import TuneObserver, View
from kit.report import relative
from kit.terminal import columns, duration, err, lay, number, say
from kit.watching import suited

SHOWN_IMPORTANCES = 6


class _Plain(TuneObserver):
    """A line whenever the best score changes or another tenth of the trials ended: for files and pipes."""

    def __init__(self) -> None:
        self._said: tuple[float | None, int] = (None, 0)

    def begin(self, title: str) -> None:
        self._said = (None, 0)
        say(f"tuning {title}", to=err)

    def look(self, view: View) -> None:
        now = (view.best, 10 * view.finished // max(view.wanted, 1))
        if now != self._said and view.finished:
            self._said = now
            say(f"[{view.finished}/{view.wanted}] {told(view)}", to=err)


class _Live(TuneObserver):
    """A bar with trials done, the best score, the share that was pruned and the time left."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def begin(self, title: str) -> None:
        self._task = self._bar.add_task(title, total=None, told="")

    def look(self, view: View) -> None:
        if self._task is not None:
            self._bar.update(self._task, total=view.wanted, completed=view.finished, told=told(view))

    def end(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def told(view: View) -> str:
    """Return a study's state in a line."""
    parts = [f"best {number(view.best)}", f"defaults {number(view.default)}"]
    if view.finished:
        parts.append(f"{100 * view.pruned // view.finished} % pruned")
    if view.failed:
        parts.append(f"{view.failed} failed")
    if view.left is not None:
        parts.append(f"{duration(view.left)} left")
    return "  ".join(parts)


def progress(*, quiet: bool) -> AbstractContextManager[TuneObserver]:
    """Give the observer of studies that suits where stderr goes."""
    return suited(TuneObserver if quiet else _Plain, _Live, ("told",), quiet=quiet)


def show(results: Sequence[Result], root: str) -> None:
    """Print what was found, target by target where there are several."""
    for target, found in groupby(results, key=lambda result: result.target):
        if target is not None:
            say(f"target: {target}")
        _show_all(list(found), root)


def _show_all(results: Sequence[Result], root: str) -> None:
    for result in results:
        if result.study:
            _show(result, root)
    none = ", ".join(r.model for r in results if r.summary.best is None)
    if none:
        say(f"not tuned, for no trial of it is complete: {none}; the same command goes on where this one ended")
    if (last := results[-1]).blend_score is not None:
        with_all = "all its models with what was found for them, as kit run gives it"
        say(f"{last.blend}: {last.metric} {number(last.blend_score)}, {with_all}")


def _show(result: Result, root: str) -> None:
    summary = result.summary
    table = columns(result.model, result.metric, "seconds", "params", right=(result.metric, "seconds"))
    for line in summary.lines:
        params = ", ".join(f"{name} {value}" for name, value in sorted(line["settings"].items()))
        label = f"trial {line['trial']}" + (f" ({line['start']})" if line["start"] else "")
        table.add_row(label, number(line["score"]), f"{line['seconds']:.1f}", params)
    if table.row_count:
        lay(table)
    counts = summary.counts
    by = ", ".join(f"{n} by {what}" for what, n in result.pruned_by.items() if n)
    pruned = f"{counts['pruned']} pruned" + (f" ({by})" if by else "")
    text = f"trials: {counts['complete']} complete, {pruned}, {counts['failed']} failed"
    say(f"{text}; {summary.folds_trained} folds trained")
    for problem in result.problems[:3]:
        say(f"failed: {problem}")
    if summary.importances:
        top = sorted(summary.importances.items(), key=lambda pair: -pair[1])[:SHOWN_IMPORTANCES]
        say("what matters: " + "  ".join(f"{name} {share:.2f}" for name, share in top))
    _end(result, root)


def _end(result: Result, root: str) -> None:
    if result.summary.best is None:
        return
    say(f"study: {result.study} in {relative(result.place, root)}")
    page = relative(result.page, root) if result.page else "none: pip install plotly"
    say(f"page: {page}")
    say(f"written: {result.tuned_recipe}")
    if result.left:
        say(f"fits left for kit run: {result.left}")
    if result.nested_score is not None:
        say(f"nested: {number(result.nested_score)}, what tuning gives on folds it never saw")
    say(verdict(result))


def verdict(result: Result) -> str:
    """Return the last line: the score, what it was tuned on, whether the gain over the defaults is more than noise."""
    summary, gain = result.summary, result.summary.gain
    head = f"best {result.metric} {number(summary.best)}, tuned on {result.tuned_on}"
    if gain is None or summary.start == "defaults":
        return f"{head}; " + ("the defaults are the best found" if gain is not None else "the defaults were not scored")
    interval = f"{gain.mean:.3g} ({gain.low:.3g} .. {gain.high:.3g}, 95 % by rows)"
    return f"{head}; gain over the defaults {interval}: " + ("more than noise" if gain.real else "within noise")
