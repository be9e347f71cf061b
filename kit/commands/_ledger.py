"""What a person sees of submissions, boards, comparisons and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kit.terminal import columns, lay, number, say
from kit.wording import plural

if TYPE_CHECKING:
    from kit.auditing import Finding


def log(found: Mapping[str, Any]) -> None:
    """Print all submissions and how the boards stand to CV."""
    if not found["submissions"]:
        say("no submissions yet: kit run RECIPE")
        return
    scores = ("cv", "nested", "public", "private")
    table = columns("number", "recipe", "from", "metric", *scores, "made of", right=scores)
    for line in found["submissions"]:
        shown = [number(line[name]) for name in scores]
        gone = "" if line["file"] else "(file gone) "
        made = [line["number"], line["recipe"] or "-", str(line["from"] or "-"), line["metric"] or "-"]
        table.add_row(*made, *shown, gone + made_of(line))
    lay(table)
    for board, fit in found["boards"].items():
        say(f"{board}: {agreement(fit)}")


def made_of(line: Mapping[str, Any]) -> str:
    """Return the models of a submission with their weights, largest first."""
    largest = sorted(line["models"].items(), key=lambda item: -abs(item[1] or 0.0))
    shown = [name if weight is None else f"{name} {weight:.2f}" for name, weight in largest if weight != 0]
    more = len(shown) - 6
    return " ".join(shown[:6]) + (f" and {more} more" if more > 0 else "")


def agreement(fit: Mapping[str, Any]) -> str:
    """Return how a board stands to CV, in a line or two."""
    if not fit["n"]:
        return "no submission has both an estimate and a score"
    level = f"{fit['level']:+.5g}"
    error = "" if fit["level_se"] is None else f" ± {fit['level_se']:.2g}"
    which = f"the latest {fit['n']} of " if fit["of"] > fit["n"] else ""
    lines = f"{which}{plural(fit['of'], 'submission')}, board minus CV {level}{error}"
    if fit["n"] > 1:
        lines += f", scatter {fit['scatter']:.2g}"
        lines += "" if fit["noise"] is None else f" (noise makes {fit['noise']:.2g})"
    return f"{lines}: {fit['verdict']}"


def scored(line: Mapping[str, Any]) -> None:
    """Print a submission whose score was written down."""
    boards = [f"{name} {number(line[name])}" for name in ("public", "private") if line[name] is not None]
    say(f"{line['number']} {line['recipe'] or line['from']}: CV {number(line['cv'])}, {', '.join(boards)}")


def compare(listed: Sequence[Mapping[str, Any]]) -> None:
    """Print the results of each recipe side by side."""
    if not listed:
        say("no results here yet: kit run RECIPE")
    for group in listed:
        numbers = (group["metric"], "behind", "±", "errors alike")
        table = columns(group["recipe"], *numbers, "", right=numbers)
        for line in group["results"]:
            behind = (number(line["behind"], 3), number(line["behind_se"], 2))
            first = line is group["results"][0]
            verdict = "best" if first else "noise" if line["noise"] else "worse"
            alike = number(line["correlation"], 3)
            table.add_row(line["name"].partition(":")[2], number(line["score"]), *behind, alike, verdict)
        lay(table)
        for other in group["apart"]:
            say(f"not beside them: {other['name']} ({other['why']})")
        for note in group["notes"]:
            say(f"note: {note}")


MOST_CLASSES = 8
"""Of more classes than this a row's probabilities are not all shown."""


def _of_classes(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row as it is shown: of many classes the likeliest one, its probability and that of the true one."""
    proba = {name.removeprefix("pred_"): p for name, p in row.items() if name.startswith("pred_")}
    if len(proba) <= MOST_CLASSES:
        return row
    likeliest = max(proba, key=lambda name: proba[name])
    told = {"likeliest": likeliest, "its p": proba[likeliest], "p of y": proba[str(row["y"])]}
    at = list(row).index(f"pred_{next(iter(proba))}")
    kept = [(name, value) for name, value in row.items() if not name.startswith("pred_")]
    return dict([*kept[:at], *told.items(), *kept[at:]])


def errors(found: Mapping[str, Any], *, most: int = 15) -> None:
    """Print the worst rows of a result and the segments where it differs most from itself."""
    how = ", each counting its weight in scoring" if found["weighted"] else ""
    say(f"{found['result']}: {found['metric']} {number(found['score'])} over {found['n']} rows{how}")
    say(f"loss: {found['loss_is']}, on average {number(found['loss'])}")
    if found["worst"]:
        rows = [_of_classes(row) for row in found["worst"]]
        names = [name for name in rows[0] if name != "fold" or rows[0]["fold"] is not None]
        table = columns(*names, right=names[1:])
        for row in rows:
            table.add_row(*(number(row[n]) if isinstance(row[n], float) else str(row[n]) for n in names))
        lay(table)
    if found["segments"]:
        numbers = ("rows", "bias", "±", "loss", "elsewhere", "z")
        table = columns("column", "segment", *numbers, "", right=numbers)
        for s in found["segments"][:most]:
            shown = [number(s["bias"], 3), number(s["bias_se"], 2), number(s["loss"], 3), number(s["rest"], 3)]
            mark = "*" if s["stands_out"] else ""
            table.add_row(s["column"], s["level"], str(s["n"]), *shown, f"{s['z']:.1f}", mark)
        lay(table)
        if any(s["stands_out"] for s in found["segments"][:most]):
            say("* stands out by more than chance explains among so many segments")
    if found["note"]:
        say(found["note"])


def imported(card: Mapping[str, Any]) -> None:
    """Print what was imported and what is to be said about it."""
    origin = card["imported"]
    score = f"{card['metric']} {number(card['score'])}"
    say(f"{card['recipe']}:{card['model']} {score}, rows matched {origin['rows']}, folds {origin['folds']}")
    if origin["layers"]:
        say(f"test predictions: {origin['layers']}")
    findings(card["audit"])


def findings(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the findings of an audit."""
    if not found:
        say("nothing found")
    alike: dict[tuple[str, ...], list[str]] = {}
    for f in found:
        alike.setdefault(tuple(f[k] for k in ("severity", "check", "reason", "next")), []).append(f["source"])
    for (severity, check, reason, advice), sources in alike.items():
        more = f" and {len(sources) - 5} more" if len(sources) > 6 else ""
        named = ", ".join(sources[:5] if more else sources)
        say(f"{severity:<8}{named}{more}: {check}: {reason}")
        say(f"        next: {advice}")


def before(found: Sequence[Finding]) -> None:
    """Print what the audit found before a blend; nothing where it found nothing."""
    if found:
        findings([asdict(f) for f in found])


def silent(found: Sequence[Finding]) -> None:
    """Print nothing: the findings stand in the JSON."""


def lb_blend(found: Mapping[str, Any]) -> None:
    """Print a blend by leaderboard scores."""
    lb = found["lb"]
    table = columns("number", "score", "expected", "OOF weight", "weight", right=("score", "expected", "weight"))
    for name, weight in found["weights"].items():
        shown = [number(lb[key][name]) for key in ("scores", "expected")]
        table.add_row(name, *shown, f"{lb['oof_weights'][name]:.3f}", f"{weight:.3f}")
    lay(table)
    say(
        f"a shift that noise does not explain (p {lb['p']:.1g}): level {lb['level']:+.4g}, stretch {lb['stretch']:+.3f}"
    )
    say(f"{lb['board']} {found['metric']} to expect: {number(lb['after'])}, of the OOF blend {number(lb['before'])}")
    for line in found["left_out"]:
        say(f"left out: {line}")
    say(f"submission: {found['submission']}")


def lb_final(found: Mapping[str, Any]) -> None:
    """Print the submissions to select."""
    scores = ("estimate", "public", "expected", "±")
    table = columns("number", "recipe", "from", *scores, "", right=scores)
    for i, line in enumerate(found["finals"]):
        numbers = [number(line[name]) for name in scores[:3]]
        gain = f"beats the first with {line['beats_first']:.0%}, adds {line['gain']:.2g}" if i else "best expected"
        table.add_row(line["number"], line["recipe"] or "-", str(line["from"]), *numbers, number(line["se"], 2), gain)
    lay(table)
    which = f"the foremost {found['judged']} of " if found["of"] > found["judged"] else ""
    scored = f"{found['with_public']} of them with a public score"
    say(f"{found['metric']} of {which}{plural(found['of'], 'submission')}, {scored}")
    if found["with_public"]:
        say(f"public minus estimate {found['level']:+.4g}{_shift(found)}")
    if found["left_out"]:
        say(f"left out (no OOF here, another metric, the same file): {', '.join(found['left_out'])}")
    if found["otherwise"]:
        say(f"note: rows count otherwise in the own scores of {', '.join(found['otherwise'])}")


def _shift(found: Mapping[str, Any]) -> str:
    if not found["shift"]:
        return "; noise explains the rest, so that the estimates weigh most"
    return f"; beyond noise submissions scatter by {found['shift']:.2g}, so that public scores weigh more"


def faults(found: Sequence[Mapping[str, Any]], file: str) -> None:
    """Print the faults of a submission file."""
    if not found:
        say(f"{file}: nothing found")
    for f in found:
        say(f"{f['severity']:<8}{f['fault']}: {f['got']}")
        if f["next"]:
            say(f"        next: {f['next']}")


def replayed(found: Mapping[str, Any]) -> None:
    """Print what a replay did, or why it could not."""
    if found["rebuilt"]:
        state = {"same": "as it stands", "restored": "which was gone and is back", "altered": "which was altered since"}
        say(f"{found['number']}: rebuilt byte for byte from {found['how']}, {state[found['file']]}")
        if found["written"]:
            say(f"written: {found['written']}")
    for line in found["gone"]:
        say(f"{found['number']}: {line}")
    if found["next"]:
        say(f"        next: {found['next']}")


def intervals(found: Mapping[str, Any]) -> None:
    """Print how intervals do on held rows, over all and by std."""
    say(f"{found['result']}: intervals that are to hold {found['asked']:.0%} of the rows, on {found['n']} held rows")
    numbers = ("held", "width", "Winkler score")
    table = columns("interval", *numbers, right=numbers)
    for kind in found["kinds"]:
        held = f"{kind['coverage']:.1%} ± {kind['se']:.1%}"
        table.add_row(kind["kind"], held, number(kind["width"], 4), number(kind["winkler"], 4))
    lay(table)
    if found["by_std"]:
        parts = columns("std from", "to", "rows", *numbers[:2], right=("std from", "to", "rows", *numbers[:2]))
        for part in found["by_std"]:
            held = f"{part['coverage']:.1%} ± {part['se']:.1%}"
            ends = number(part["from"], 4), number(part["to"], 4)
            parts.add_row(*ends, str(part["n"]), held, number(part["width"], 4))
        lay(parts)
    drawn = f"test rows: {found['drawn_in']:.0%} of the width of CV+, for the average of the fold models errs less"
    written = f"written: {found['written']}" if found["written"] else ""
    for line in (drawn if found["drawn_in"] < 1 else "", found["note"], written):
        if line:
            say(line)
