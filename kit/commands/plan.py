"""`kit plan`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, NO_TUNED, ONLY, ROOT, SET, TRUST, guarded


@click.command("plan")
@click.argument("recipe")
@SET
@NO_TUNED
@ONLY
@TRUST
@ROOT
@JSON
@DEBUG
def command(recipe: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Show what `kit run` would do: which stages run, which are reused."""

    def work() -> int:
        from kit import api, report

        listed = api.plan(
            recipe,
            set=options["set_"],
            only=options["only"],
            root=options["root"],
            trust=options["trust"],
            no_tuned=options["no_tuned"],
        )
        if as_json:
            click.echo(json.dumps({"stages": listed}))
        else:
            report.plan(listed)
        return 0

    guarded(work, as_json, debug)
