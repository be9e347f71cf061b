"""`kit predict`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, ROOT, TRUST, guarded


@click.command("predict")
@click.argument("recipe")
@click.argument("data")
@click.option("-o", "--output", required=True, metavar="FILE", help="csv or parquet to write.")
@click.option("--model", metavar="NAME", help="A model or blend (default: what the recipe submits).")
@click.option("--layout", type=click.Choice(["oof", "submission"]), default="oof", show_default=True)
@click.option("--interval", type=float, metavar="SHARE", help="Add lower and upper, to hold this share of truths.")
@ROOT
@TRUST
@JSON
@DEBUG
def command(recipe: str, data: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Predict the rows of DATA with the kept models of RECIPE; the training data are not needed."""

    def work() -> int:
        from kit import api

        names = ("output", "model", "layout", "interval", "root", "trust")
        made = api.predict(recipe, data, **{name: options[name] for name in names})
        if as_json:
            click.echo(json.dumps({"rows": len(made), "columns": made.columns, "output": options["output"]}))
        else:
            click.echo(f"{len(made)} rows: {options['output']}")
        return 0

    guarded(work, as_json, debug)
