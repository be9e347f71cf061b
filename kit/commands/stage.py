"""`kit stage`."""

from __future__ import annotations

import click

from kit.commands._shared import DEBUG, ROOT, guarded


@click.command("stage")
@click.argument("key")
@ROOT
@DEBUG
def command(key: str, root: str, debug: bool) -> None:
    """Carry out one stage of the last run in this process, by (the start of) its KEY."""

    def work() -> int:
        from kit import api

        click.echo(f"done: {api.stage(key, root).name}")
        return 0

    guarded(work, False, debug)
