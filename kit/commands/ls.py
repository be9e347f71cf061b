"""`kit ls`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("ls")
@click.argument("recipes", nargs=-1)
@click.option("--compare", is_flag=True, help="Side by side: paired differences to the best, and noise.")
@ROOT
@JSON
@DEBUG
def command(recipes: tuple[str, ...], compare: bool, root: str, as_json: bool, debug: bool) -> None:
    """List models and blends with their scores, of RECIPES (names) or of all."""

    def work() -> int:
        from kit import api

        listed = api.ls(root, compare=compare, recipes=recipes)
        if as_json:
            click.echo(json.dumps({"results": listed}))
        elif compare:
            from kit.commands import _ledger

            _ledger.compare(listed)
        else:
            from kit import report

            report.ls(listed)
        return 0

    guarded(work, as_json, debug)
