"""`kit merge`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, TRUST, guarded


@click.command("merge")
@click.argument("numbers", nargs=-1, required=True)
@click.option("--recipe", required=True, metavar="FILE", help="The recipe of several targets.")
@TRUST
@ROOT
@JSON
@DEBUG
def command(numbers: tuple[str, ...], recipe: str, trust: bool, root: str, as_json: bool, debug: bool) -> None:
    """Write one submission of the submissions NUMBERS, each of a target of RECIPE."""

    def work() -> int:
        from kit import api, report
        from kit.terminal import say

        made = api.merge(numbers, recipe=recipe, trust=trust, root=root)
        if as_json:
            click.echo(json.dumps(made))
        else:
            say(f"submission: {report.relative(made['submission'], root)}")
        return 0

    guarded(work, as_json, debug)
