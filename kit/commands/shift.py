"""`kit shift`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, SET, TRUST, guarded


@click.command("shift")
@click.argument("recipe")
@SET
@TRUST
@ROOT
@JSON
@DEBUG
def command(recipe: str, set_: tuple[str, ...], root: str, trust: bool, as_json: bool, debug: bool) -> None:
    """Tell whether the test rows of RECIPE differ from its training rows, and by which columns."""

    def work() -> int:
        from kit import api

        found = api.shift(recipe, set=set_, trust=trust, root=root)
        if as_json:
            click.echo(json.dumps(found))
            return 0
        click.echo(f"train and test are {found['verdict']}: AUC {found['auc']:.3f} +- {found['auc_se']:.3f}")
        for column in found["columns"] if found["verdict"] != "alike" else []:
            click.echo(f"  {column['share']:6.1%}  {column['name']}")
        if found["left_out"]:
            click.echo(f"not compared: {', '.join(found['left_out'])}")
        click.echo(f"weighted to look like test, {found['effective_share']:.0%} of the training rows would count")
        return 0

    guarded(work, as_json, debug)
