"""`kit replay`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, TRUST, guarded


@click.command("replay")
@click.argument("number")
@click.option("--out", metavar="FILE", help="Write the rebuilt csv there too.")
@TRUST
@ROOT
@JSON
@DEBUG
def command(number: str, out: str | None, trust: bool, root: str, as_json: bool, debug: bool) -> None:
    """Rebuild submission NUMBER byte for byte from what is kept of it, or say what is gone (exit 2)."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.replay(number, out=out, trust=trust, root=root)
        if as_json:
            click.echo(json.dumps(found))
        else:
            _ledger.replayed(found)
        return 0 if found["rebuilt"] else 2

    guarded(work, as_json, debug)
