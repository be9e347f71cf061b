"""`kit ls`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("ls")
@ROOT
@JSON
@DEBUG
def command(root: str, as_json: bool, debug: bool) -> None:
    """List models and blends with their scores."""

    def work() -> int:
        from kit import api, report

        listed = api.ls(root)
        if as_json:
            click.echo(json.dumps({"results": listed}))
        else:
            report.ls(listed)
        return 0

    guarded(work, as_json, debug)
