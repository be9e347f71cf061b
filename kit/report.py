"""What a person sees of runs, plans, results, checks and plug-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.terminal import columns, err, lay, number, say

if TYPE_CHECKING:
    from kit.describe import Page
    from kit.running import Result

WIDE = 100
"""Tables of more columns than this are told by runs of columns that are alike."""
FEW = 4
"""Shorter runs are told column by column."""


def started(found: Mapping[str, Any]) -> None:
    """Print what `kit init` wrote and guessed, and what comes next."""
    say(f"wrote {found['recipe']}")
    table = columns("", "", "")
    for key, guess in found["guessed"].items():
        table.add_row(key, guess["value"] or "none", guess["why"])
    lay(table)
    say(f"next: put the competition's metric in, if it is another; then kit check {found['recipe']}")


def failures(result: Result, *, debug: bool) -> None:
    """Print what failed, each reason once, with the worker's trace where it is asked for."""
    told: dict[tuple[str, ...], list[str]] = {}
    for failure in result.failures:
        why = (str(failure.stage.local.get("model")), failure.problem.rule, failure.problem.got)
        told.setdefault(why, []).append(failure.stage.name)
        if len(told[why]) == 1:
            say(failure.problem.render(), to=err, style="red")
            if debug and failure.trace:
                say(failure.trace, to=err)
    for names in told.values():
        if len(names) > 1:
            say(f"the same: {', '.join(names[1:])}", to=err)


def result(result: Result, root: str) -> None:
    """Print the score table of a run and where its results lie."""
    scores(result)
    ending(result, root)


def scores(result: Result) -> None:
    """Print the score table of a run and what is to be said of its models and blends."""
    first: Mapping[str, Any] = next(iter(result.cards.values()), {"metric": "score", "also": {}})
    scored = (first["metric"], *first["also"])
    table = columns("", *scored, "folds", "", "seconds", right=(*scored, "seconds"))
    for kind in (result.models, result.blends):
        for name, line in kind.items():
            card = result.cards[name]
            scores = [number(value) for value in (line["score"], *card["also"].values())]
            table.add_row(name, *scores, _spread(line["fold_scores"]), _about(card), f"{card['seconds']:.1f}")
        table.add_section()
    if table.row_count:
        remarks = table.columns[-2]  # of which no word is broken where names of metrics are long
        remarks.min_width = min(max(len(word) for cell in remarks.cells for word in (str(cell).split() or [""])), 12)
        lay(table)
    for metric, names in _unscored(result).items():
        say(f"no {metric[0]} for {', '.join(names)}: {metric[1]}")
    left_out = {(m, *n) for card in result.cards.values() for m, n in card.get("groups", {}).items() if n[1]}
    for metric, n_groups, n_lost in sorted(left_out):
        say(f"{metric}: {n_lost} of {n_groups} groups are left out, it is not defined there")
    for name, card in result.cards.items():
        _remarks(name, card)
    _declared(result)


def ending(result: Result, root: str) -> None:
    """Print what was done and where the submission lies."""
    counts = result.stages
    further = "the same command goes on from the fits that were"
    further = "no fit ended in it: allow more time, or fewer rounds" if result.idle else further
    if result.stand_in in result.models:
        say(f"{result.stand_in}: a quick model, as no other was complete in time; {further}")
    if result.truncated:
        say(f"truncated: the time limit left out {', '.join(result.missing) or 'nothing'}")
    lost = "failed" if result.failures or not result.truncated else "left out"
    lost += " or left out" if result.failures and result.truncated else ""
    say(f"stages: {counts['run']} run, {counts['reused']} reused, {counts['failed']} {lost}")
    if result.submission:
        say(f"submission: {relative(result.submission, root)}")
    elif result.truncated and not result.models:
        what = "not every target has a model that is" if result.targets else "no model was"
        say(f"no submission: {what} complete in time; {further}")
    elif not result.failures:
        say("no submission: the recipe has no test rows, or its blend lacks a model")


def _unscored(result: Result) -> dict[tuple[str, str], list[str]]:
    """Return the results that lack a score, by metric and reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, card in result.cards.items():
        for metric, why in card.get("unscored", {}).items():
            found.setdefault((metric, why), []).append(name)
    return found


def _collapsed(name: str, spread: Mapping[str, Mapping[str, float]]) -> str:
    parts = [
        f"{part} {m['min']:.4g} .. {m['max']:.4g}, mean {m['mean']:.4g}, std {m['std']:.2g}"
        for part in ("oof", "test")
        if (m := spread[part])
    ]
    return f"collapsed: {name} predicts nearly the same for all rows ({'; '.join(parts)})"


def _remarks(name: str, card: Mapping[str, Any]) -> None:
    """Print what is to be said of one model or blend beside its scores."""
    if card.get("spread", {}).get("collapsed"):
        say(_collapsed(name, card["spread"]))
    if tuned := card.get("tuned"):
        text = f"{name}: params from {tuned['file']}, tuned on {tuned['tuned_on']} (study {tuned['study']})"
        say(text)
    for note in card.get("notes", ()):
        say(f"{name}: {note}")


def _declared(result: Result) -> None:
    """Print plain scores beside those of a declared test distribution, and how the distribution came about."""
    cards = {name: card for name, card in result.cards.items() if "evaluate" in card}
    if not cards:
        return
    table = columns("", "declared", "+-", "effective rows", "plain", "+-")
    for name, card in cards.items():
        cells = [card[key] for key in ("score", "score_se", "effective_rows", "plain_score", "plain_score_se")]
        table.add_row(name, *(number(cell, 4) for cell in cells))
    lay(table)
    about = next(iter(cards.values()))["evaluate"]
    shares = [f"{b}: {p:.1%} -> {q:.1%}" for b, p, q in zip(*(about[k] for k in SHARES), strict=True)]
    how = ", estimated from the test rows (transductive)" if about["transductive"] else ""
    say(f"train -> test{how}: " + ", ".join(shares))
    if "distance" in about:
        told = f"the estimate leaves {about['distance']:.1%} of the predictions for test unexplained"
        say(told + (": more than label shift is at work" if about["distance"] > UNEXPLAINED else ""))


SHARES = ("bins", "train_shares", "test_shares")

UNEXPLAINED = 0.1
"""Share of test predictions that an estimate may leave unexplained before a person is told that it is a lot."""


def _about(card: Mapping[str, Any]) -> str:
    marks = [mark for mark in ("peeked", "transductive", "truncated") if card[mark]]
    marks += ["scores"] if card.get("unscaled") else []
    weights = card["weights"] or {}
    shown = [f"{name} {weight:.2f}" for name, weight in weights.items() if abs(weight) >= 0.005]
    return ", ".join([" ".join(shown), *marks] if shown else marks)


def _spread(scores: Sequence[float | None]) -> str:
    known = [s for s in scores if s is not None]
    return f"{min(known):.5g} .. {max(known):.5g}" if known else ""


def relative(path: str, root: str) -> str:
    """Return a path as seen from where the command was given, where outputs lie there."""
    base = Path(root).resolve()
    return str(Path(path).relative_to(base)) if root == "." else path


def plan(listed: Sequence[Mapping[str, str]]) -> None:
    """Print the stages of a plan."""
    table = columns("stage", "key", "")
    for line in listed:
        table.add_row(line["name"], line["key"][:12], line["state"])
    lay(table)
    states = [line["state"] for line in listed]
    say(", ".join(f"{states.count(s)} {s}" for s in ("run", "reuse", "blocked")))


def why(listed: Sequence[Mapping[str, Any]]) -> None:
    """Print why stages would run."""
    if not listed:
        say("nothing would run")
    for line in listed:
        say(line["name"])
        for reason in line["because"]:
            say(f"    {reason}")


def ls(listed: Sequence[Mapping[str, Any]]) -> None:
    """Print models and blends with their scores."""
    if not listed:
        say("no results here yet: kit run RECIPE")
        return
    table = columns("recipe", "model", "learner or stacker", "metric", "score", "", right=("score",))
    for line in listed:
        marks = [m for m in ("peeked", "truncated") if line[m]] + (["not in its last run"] if line["left"] else [])
        table.add_row(
            line["recipe"], line["model"], line["use"], line["metric"], number(line["score"]), ", ".join(marks)
        )
    lay(table)


def check(found: Mapping[str, Any]) -> None:
    """Print what was inferred of a recipe and its data, and what to look at."""
    lines = {name: found[name] for name in ("recipe", "task", "rows", "folds", "fits", "submission")}
    for name, text in {**lines, "cost": found["cost"]["text"]}.items():
        say(f"{name + ':':<12}{text}")
    table = columns("column", "kind", "read as", "levels", "missing", "role", right=("levels", "missing"))
    for like in _alike(found["columns"]):
        first, last = like[0], like[-1]
        name = first["name"] if len(like) == 1 else f"{first['name']} .. {last['name']} ({len(like)} columns)"
        levels = _from_to([str(line["levels"] or "") for line in sorted(like, key=lambda line: line["levels"])])
        missing = _from_to([_percent(share) for share in sorted(line.get("missing", 0) for line in like)])
        table.add_row(name, first["kind"], first["form"], levels, missing, first["role"])
    lay(table)
    findings(found["findings"])


def findings(listed: Sequence[Mapping[str, Any]]) -> None:
    """Print what to look at, each with the next step."""
    for finding in listed:
        what = ": ".join(part for part in (finding["severity"], finding["column"], finding["what"]) if part)
        style = "yellow" if finding["severity"] == "warning" else None
        say(what, style=style)
        if finding["next"]:
            say(f"  next: {finding['next']}")
    if not listed:
        say("nothing to look at was found")


def _alike(lines: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the lines of columns; of a wide table, neighbours of one kind and role together."""
    runs = [list(run) for _, run in groupby(lines, key=lambda line: (line["kind"], line["form"], line["role"]))]
    short = len(lines) <= WIDE
    return [part for run in runs for part in ([[line] for line in run] if short or len(run) < FEW else [run])]


def _from_to(told: Sequence[str]) -> str:
    """Return the first and the last of some values, one where they are the same."""
    return told[0] if told[0] == told[-1] else f"{told[0] or 0} .. {told[-1]}"


def _percent(share: float) -> str:
    return "" if not share else "< 0.1%" if share < 0.001 else f"{share:.1%}"


def show(pages: Sequence[Page], *, whole: bool) -> None:
    """Print plug-ins: a line each, or the whole page with its parameters."""
    for page in pages:
        if not whole:
            say(f"{page.name:<18}{page.summary.split('. ')[0]}")
            continue
        say(f"{page.name}: {page.summary}")
        table = columns("parameter", "type", "default", "search range", "what it is")
        for entry in page.entries:
            table.add_row(entry.name, entry.type, entry.default, entry.range, entry.doc)
        if page.entries:
            lay(table)
        if page.n_native:
            say(f"and {page.n_native} native names and aliases of the library")
