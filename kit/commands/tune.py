"""`kit tune`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, ROOT, SET, TRUST, guarded, left


@click.command("tune")
@click.argument("recipe")
@click.option(
    "--model", multiple=True, metavar="MODEL", help="Tune these models only (default: all with something to search)."
)
@click.option("--trials", type=click.IntRange(1), help="Trials of a study in all (default: 100, or the recipe's).")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="End within S seconds.")
@click.option("--jobs", type=click.IntRange(1), help="Worker processes (default: one per core).")
@click.option("--sampler", metavar="NAME", help="auto, tpe, gp, cmaes or random.")
@click.option("--storage", metavar="URL", help="An Optuna storage to share (default: a journal file under oof/).")
@click.option(
    "--for", "for_", default="model", show_default=True, help="Score to improve: model, blend, or a blend's name."
)
@click.option("--nested", is_flag=True, help="Also tune inside each fold, for a score that is not too good.")
@click.option("--split-seed", type=click.IntRange(0), metavar="N", help="Tune on other folds, drawn with this seed.")
@click.option("--new", is_flag=True, help="Begin another study instead of going on with the last one.")
@SET
@TRUST
@ROOT
@JSON
@click.option("--quiet", is_flag=True, help="Print the result only.")
@DEBUG
def command(recipe: str, as_json: bool, debug: bool, quiet: bool, **options: Any) -> None:
    """Search params for the models of RECIPE; writes NAME.tuned.yaml beside it, which `kit run` uses."""

    def work() -> int:
        from kit import api
        from kit._tune.results import listed
        from kit.commands import _tuning

        with _tuning.progress(quiet=quiet or as_json) as observer:
            results = api.tune(recipe, **_named(options), observer=observer)
        if as_json:
            click.echo(json.dumps(listed(results)))
        else:
            _tuning.show(results, options["root"])
        return 130 if any(result.interrupted for result in results) else 0

    guarded(work, as_json, debug)


def _named(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options under the names of `kit.tune`."""
    given = {name: value for name, value in options.items() if name != "set_"}
    return {**given, "set": options["set_"], "timeout": left(options["timeout"])}
