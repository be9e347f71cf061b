"""`kit check`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, SET, TRUST, guarded


@click.command("check")
@click.argument("recipe")
@SET
@TRUST
@ROOT
@JSON
@DEBUG
def command(recipe: str, set_: tuple[str, ...], root: str, trust: bool, as_json: bool, debug: bool) -> None:
    """Check RECIPE and its data without fitting, and show what was inferred."""

    def work() -> int:
        from kit import api, severally

        found = api.check(recipe, set=set_, trust=trust, root=root)
        if as_json:
            click.echo(json.dumps(found))
        else:
            severally.check(found)
        return 0

    guarded(work, as_json, debug)
