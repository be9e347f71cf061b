"""`kit audit`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("audit")
@click.argument("sources", nargs=-1)
@ROOT
@JSON
@DEBUG
def command(sources: tuple[str, ...], root: str, as_json: bool, debug: bool) -> None:
    """Look for faults in SOURCES (recipe:model, a recipe, patterns, folders; all if left out). Errors end with 2."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.audit(sources, root=root)
        if as_json:
            click.echo(json.dumps({"findings": found}))
        else:
            _ledger.findings(found)
        return 2 if any(f["severity"] == "error" for f in found) else 0

    guarded(work, as_json, debug)
