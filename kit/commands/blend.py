"""`kit blend`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.commands._shared import DEBUG, JSON, ROOT, TRUST, guarded

if TYPE_CHECKING:
    from kit.blending import Blend


@click.command("blend")
@click.argument("sources", nargs=-1, metavar="SRC...")
@click.option("--use", metavar="STACKER", help="How to blend (default: shrunk). kit show stackers lists them.")
@click.option("--name", default="blend", show_default=True, help="Name of the result, oof/blends/NAME.")
@click.option("--recipe", "recipe_", metavar="YAML", help="The recipe that knows the sample, weights and groups.")
@click.option("--metric", help="What counts (default: the metric of recipe or sources).")
@click.option("--set", "set_", multiple=True, metavar="a=b", help="Set a parameter of the stacker.")
@click.option("--simple", is_flag=True, help="Take the fewest sources within one standard error of the best.")
@click.option("--mixed-folds", is_flag=True, help="Allow sources made on different folds, and mark the result.")
@click.option("--anyway", is_flag=True, help="Blend in spite of errors that the audit found.")
@click.option(
    "--nested",
    type=click.Choice(["oofs", "full"]),
    default="oofs",
    show_default=True,
    help="full: the sources too are fitted anew without each fold, by their recipes.",
)
@TRUST
@ROOT
@JSON
@DEBUG
def command(sources: tuple[str, ...], as_json: bool, debug: bool, **options: Any) -> None:
    """Blend the OOFs SRC... (recipe:model, recipe:model@key, folders, patterns) into a submission."""

    def work() -> int:
        from kit import api, watching
        from kit.commands import _ledger

        sets, recipe = options.pop("set_"), options.pop("recipe_")
        observer = _ledger.silent if as_json else _ledger.before
        with watching.shown(quiet=as_json or options["nested"] != "full") as progress:
            made = api.blend(sources, set=sets, recipe=recipe, observer=observer, progress=progress, **options)
        if as_json:
            click.echo(json.dumps(made.as_json()))
        else:
            _show(made)
        return 0

    guarded(work, as_json, debug)


def _show(made: Blend) -> None:
    """Print the table, the members and what the blend is worth."""
    from kit.terminal import columns, lay, number, say

    card = made.card
    numbers = (f"nested {card['metric']}", "plain", "behind the best", "sources")
    table = columns("", *numbers, right=numbers)
    for line in card["table"]:
        behind = "" if not line["behind"] else f"{line['behind']:.3g} +- {2 * (line['behind_se'] or 0):.2g}"
        noise = "  noise" if line["noise"] else ""
        own = "> " if line["use"] == card["table_own"] else "  "
        table.add_row(own + line["use"], number(line["nested"]), number(line["plain"]), behind + noise, _whole(line))
    lay(table)
    members = columns("source", "weight", "gain", "", "", right=("weight", "gain"))
    for m in sorted(card["members"], key=lambda m: -abs(m["weight"] or 0.0)):
        weight = "" if m["weight"] is None else f"{m['weight']:.3f}"
        spread = "" if m["se"] is None else f"+- {2 * m['se']:.2g}"
        members.add_row(m["name"], weight, "" if m["gain"] is None else f"{m['gain']:.3g}", spread, m["verdict"])
    if card["members"]:
        lay(members)
    for line in [*_worth(card["nested"]), *_refitted(card), *(f"note: {note}" for note in card["notes"])]:
        say(line)
    say(f"oof: {made.oof}")
    say(_submission(made))


def _submission(made: Blend) -> str:
    """Return where the submission lies; the same bytes keep the number they had."""
    if made.submission is None:
        return "no submission: no test rows"
    own = Path(made.submission).stem.partition("-")[2] == made.name
    return f"submission: {made.submission}" + ("" if own else f" (of the same bytes as {made.name})")


def _worth(worth: dict[str, Any]) -> list[str]:
    """Return in words what a blend will score on the test rows."""
    from kit.terminal import number

    lines = [f"nested score, given the OOFs: {number(worth['score'])} +- {2 * (worth['se'] or 0):.2g}"]
    if worth["expected"] is not None:
        share = f"{100 * worth['level']:.0f} %"
        gained, looked = ("not known" if worth[k] is None else f"{worth[k]:.3g}" for k in ("averaging", "rows"))
        lines.append(
            f"expected on test: {number(worth['expected'])}, {share} within {number(worth['low'])} .. "
            f"{number(worth['high'])} (gain of averaging fold models: {gained}; for how these rows look: {looked})"
        )
    return lines


def _refitted(card: Mapping[str, Any]) -> list[str]:
    """Return in words what a blend scores whose sources were fitted anew without the fold that is scored."""
    from kit.terminal import number

    full = card.get("nested_full")
    if full is None:
        return []
    shown = f"{number(full['score'])} +- {2 * (full['se'] or 0):.2g}"
    return [f"nested score, sources refitted too: {shown} ({full['n_fits']} fits)"]


def _whole(line: dict[str, Any]) -> str:
    return "" if line["used"] is None else str(line["used"])
