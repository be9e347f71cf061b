"""`kit errors`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("errors")
@click.argument("result")
@click.option("--rows", type=click.IntRange(0), default=10, show_default=True, help="Worst rows to show.")
@ROOT
@JSON
@DEBUG
def command(result: str, rows: int, root: str, as_json: bool, debug: bool) -> None:
    """Show where RESULT (recipe:model) is wrong: its worst rows, and residuals by segment of the data."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.errors(result, rows=rows, root=root)
        if as_json:
            click.echo(json.dumps(found))
        else:
            _ledger.errors(found)
        return 0

    guarded(work, as_json, debug)
