"""`kit export`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, ROOT, SET, TRUST, guarded


@click.command("export")
@click.argument("recipe")
@click.option("--model", required=True, metavar="NAME", help="Whose matrices.")
@click.option("--fold", default="0", show_default=True, metavar="K|all", help="all: the model of all rows (refit).")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="A new folder for the files.")
@click.option("--form", type=click.Choice(["npy", "parquet"]), default="npy", show_default=True)
@SET
@ROOT
@TRUST
@JSON
@DEBUG
def command(recipe: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Write the matrices of a fold of a model: what its last fit learns from and predicts, for other tools."""

    def work() -> int:
        from kit import api
        from kit.errors import RecipeError

        fold = options["fold"]
        if fold != "all" and not fold.isdecimal():
            raise RecipeError("unknown fold", place="--fold", got=fold, allowed="a number from 0 on, or all")
        given = {name: options[name] for name in ("model", "output", "form", "root", "trust")}
        shapes = api.export(recipe, set=options["set_"], fold=fold if fold == "all" else int(fold), **given)
        if as_json:
            click.echo(json.dumps({"output": options["output"], "shapes": shapes}))
        else:
            click.echo("\n".join(f"{name}  {tuple(shape)}" for name, shape in shapes.items()))
            click.echo(f"written to {options['output']}")
        return 0

    guarded(work, as_json, debug)
