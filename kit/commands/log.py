"""`kit log`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("log")
@ROOT
@click.option("--share", type=click.FloatRange(0, 1, True, True), default=0.3, show_default=True, help="Public share.")
@JSON
@DEBUG
def command(root: str, share: float, as_json: bool, debug: bool) -> None:
    """List submissions with what they are made of, CV and leaderboard scores, and whether noise explains the gap."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.log(root, share=share)
        if as_json:
            click.echo(json.dumps(found))
        else:
            _ledger.log(found)
        return 0

    guarded(work, as_json, debug)
