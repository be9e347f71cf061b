"""`kit run`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, NO_TUNED, ONLY, ROOT, SET, TRUST, guarded, left


@click.command("run")
@click.argument("recipe")
@SET
@NO_TUNED
@ONLY
@click.option("--jobs", type=click.IntRange(1), help="Worker processes (default: one per core).")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="S", help="End within S seconds.")
@TRUST
@ROOT
@click.option("--keep-models", is_flag=True, help="Keep the trained models beside their OOFs.")
@JSON
@click.option("--quiet", is_flag=True, help="Print the result only.")
@DEBUG
def command(recipe: str, as_json: bool, debug: bool, quiet: bool, **options: Any) -> None:
    """Carry out RECIPE: fits, out-of-fold predictions, blends, submission."""

    def work() -> int:
        from kit import api, report, severally, watching

        with watching.shown(quiet=quiet or as_json) as observer:
            result = api.run(
                recipe,
                set=options["set_"],
                only=options["only"],
                jobs=options["jobs"],
                time_limit=left(options["time_limit"]),
                root=options["root"],
                trust=options["trust"],
                keep_models=options["keep_models"],
                no_tuned=options["no_tuned"],
                observer=observer,
            )
        report.failures(result, debug=debug)
        if as_json:
            click.echo(json.dumps(result.as_json()))
        else:
            severally.result(result, options["root"])
        return 3 if result.failures else 0

    guarded(work, as_json, debug)
