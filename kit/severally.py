"""What a person sees of a recipe of several targets: each as a recipe of one is told, and then all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kit import report
from kit.api import Result
from kit.combined import mean_of
from kit.terminal import columns, lay, number, say


def result(found: Result, root: str) -> None:
    """Print the score table of a run, one for each target, and where the results lie."""
    if not found.targets:
        report.result(found, root)
        return
    for target, part in found.targets.items():
        say(f"{target}: {part.recipe}")
        report.scores(part)
        say("")
    _means(found.targets)
    report.ending(found, root)


def _means(targets: Mapping[str, Result]) -> None:
    """Print what is submitted of each target, and the mean of the scores."""
    named = {target: str(part.submits) for target, part in targets.items()}
    shown = {target: part.cards[named[target]] for target, part in targets.items() if named[target] in part.cards}
    if not shown:
        return
    metrics = {target: str(card["metric"]) for target, card in shown.items()}
    one = next(iter(metrics.values())) if len(set(metrics.values())) == 1 else None
    table = columns("target", "submitted", one or "score", "", right=(one or "score",))
    for target, card in shown.items():
        table.add_row(target, named[target], number(card["score"]), "" if one else metrics[target])
    if one and len(shown) == len(targets) > 1:
        table.add_section()
        table.add_row("mean", "", number(mean_of([card["score"] for card in shown.values()])), "")
    lay(table)


def check(found: Mapping[str, Any]) -> None:
    """Print what was inferred of a recipe and its data; of several targets, the columns and what all share once."""
    if "targets" not in found:
        report.check(found)
        return
    parts = found["targets"]
    shared = [
        f for f in next(iter(parts.values()))["findings"] if all(f in part["findings"] for part in parts.values())
    ]
    for i, (target, part) in enumerate(parts.items()):
        say(f"target: {target}")
        own = [f for f in part["findings"] if f not in shared]
        report.check({**part, "columns": part["columns"][: 1 if i else None], "findings": own})
        say("")
    if shared:
        say("all targets")
        report.findings(shared)
