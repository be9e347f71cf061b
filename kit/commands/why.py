"""`kit why`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, SET, TRUST, guarded


@click.command("why")
@click.argument("recipe")
@SET
@TRUST
@ROOT
@JSON
@DEBUG
def command(recipe: str, set_: tuple[str, ...], root: str, trust: bool, as_json: bool, debug: bool) -> None:
    """Show why stages would run: the ingredients that changed since the last run."""

    def work() -> int:
        from kit import api, report

        listed = api.why(recipe, set=set_, trust=trust, root=root)
        if as_json:
            click.echo(json.dumps({"stages": listed}))
        else:
            report.why(listed)
        return 0

    guarded(work, as_json, debug)
