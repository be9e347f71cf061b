"""`kit import`."""

from __future__ import annotations

import json
from typing import Any

import click

from kit.commands._shared import DEBUG, JSON, ROOT, SET, TRUST, guarded


@click.command("import")
@click.argument("oof")
@click.option("--name", required=True, help="What the result is called.")
@click.option("--recipe", help="Recipe whose rows, target and test rows these are.")
@SET
@click.option("--test", help="File of test predictions.")
@click.option("--folds", help="A file, column:NAME, 'KFold(5, shuffle=True, random_state=1)', or `recipe`.")
@click.option("--id", help="Column of ids.")
@click.option("--columns", multiple=True, metavar="NAME", help="Column of predictions; once per class, in class order.")
@click.option("--metric", help="Metric, where no recipe says it.")
@click.option("--anyway", is_flag=True, help="Import in spite of what the audit found.")
@TRUST
@ROOT
@JSON
@DEBUG
def command(oof: str, as_json: bool, debug: bool, **options: Any) -> None:
    """Import predictions made elsewhere: OOF is a .npy, csv, parquet or json file, or a folder of oof.* and test.*."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        card = api.import_oof(
            oof,
            name=options["name"],
            recipe=options["recipe"],
            set=options["set_"],
            test=options["test"],
            folds=options["folds"],
            id=options["id"],
            columns=options["columns"],
            metric=options["metric"],
            anyway=options["anyway"],
            trust=options["trust"],
            root=options["root"],
        )
        if as_json:
            click.echo(json.dumps(card))
        else:
            _ledger.imported(card)
        return 0

    guarded(work, as_json, debug)
