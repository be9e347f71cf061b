"""`kit why`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, NO_TUNED, ROOT, SET, TRUST, guarded


@click.command("why")
@click.argument("recipe")
@SET
@NO_TUNED
@TRUST
@ROOT
@JSON
@DEBUG
def command(recipe: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Show why stages would run: the ingredients that changed since the last run."""

    def work() -> int:
        from kit import api, report

        listed = api.why(
            recipe,
            set=options["set_"],
            trust=options["trust"],
            root=options["root"],
            no_tuned=options["no_tuned"],
        )
        if as_json:
            click.echo(json.dumps({"stages": listed}))
        else:
            report.why(listed)
        return 0

    guarded(work, as_json, debug)
