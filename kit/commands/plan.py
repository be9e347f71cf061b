"""`kit plan`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ONLY, ROOT, SET, guarded


@click.command("plan")
@click.argument("recipe")
@SET
@ONLY
@ROOT
@JSON
@DEBUG
def command(recipe: str, set_: tuple[str, ...], only: tuple[str, ...], root: str, as_json: bool, debug: bool) -> None:
    """Show what `kit run` would do: which stages run, which are reused."""

    def work() -> int:
        from kit import api, report

        listed = api.plan(recipe, set=set_, only=only, root=root)
        if as_json:
            click.echo(json.dumps({"stages": listed}))
        else:
            report.plan(listed)
        return 0

    guarded(work, as_json, debug)
