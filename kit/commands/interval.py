"""`kit interval`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("interval")
@click.argument("result")
@click.option("--coverage", type=float, default=0.9, show_default=True, help="Share of rows that are to lie inside.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write id, pred, lower, upper of test.")
@ROOT
@JSON
@DEBUG
def command(result: str, coverage: float, output: str | None, root: str, as_json: bool, debug: bool) -> None:
    """Make prediction intervals of RESULT (recipe:model) for test, and say what they are worth on held rows."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.interval(result, coverage=coverage, output=output, root=root)
        if as_json:
            click.echo(json.dumps(found))
        else:
            _ledger.intervals(found)
        return 0

    guarded(work, as_json, debug)
