"""`kit submit`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, TRUST, guarded


@click.command("submit")
@click.option("--check", required=True, metavar="FILE", help="The csv to look at.")
@click.option("--recipe", help="Recipe whose sample decides. Left out: the one in the current folder.")
@TRUST
@ROOT
@JSON
@DEBUG
def command(check: str, recipe: str | None, trust: bool, root: str, as_json: bool, debug: bool) -> None:
    """List every fault of a submission against the sample. Errors end with 2; nothing is uploaded."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.submit(check, recipe=recipe, trust=trust, root=root)
        if as_json:
            click.echo(json.dumps({"faults": found}))
        else:
            _ledger.faults(found, check)
        return 2 if any(f["severity"] == "error" for f in found) else 0

    guarded(work, as_json, debug)
