"""`kit export`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, ROOT, SET, TRUST, guarded


@click.command("export")
@click.argument("recipe")
@click.option("--model", required=True, metavar="NAME", help="Whose matrices.")
@click.option("--fold", type=int, default=0, show_default=True)
@click.option("-o", "--output", required=True, metavar="FOLDER", help="A new folder for the .npy files.")
@SET
@ROOT
@TRUST
@JSON
@DEBUG
def command(recipe: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Write the matrices of a fold of a model: what a learner of RECIPE is handed, for other tools."""

    def work() -> int:
        from kit import api

        names = ("model", "fold", "output", "root", "trust")
        shapes = api.export(recipe, set=options["set_"], **{name: options[name] for name in names})
        if as_json:
            click.echo(json.dumps({"output": options["output"], "shapes": shapes}))
        else:
            click.echo("\n".join(f"{name}.npy  {tuple(shape)}" for name, shape in shapes.items()))
            click.echo(f"written to {options['output']}")
        return 0

    guarded(work, as_json, debug)
