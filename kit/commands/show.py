"""`kit show`."""

from __future__ import annotations

import click

from kit.commands._shared import DEBUG, TRUST, guarded


@click.command("show")
@click.argument("kind")
@click.argument("name", required=False)
@TRUST
@DEBUG
def command(kind: str, name: str | None, trust: bool, debug: bool) -> None:
    """Show the parameters of a plug-in (KIND is its folder: models, features, ...), or the names of a kind."""

    def work() -> int:
        from kit import api, report

        report.show(api.show(kind, name, trust=trust), whole=name is not None)
        return 0

    guarded(work, False, debug)
