"""`kit init`."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("init")
@click.argument("folder", default=".")
@click.option("--train", metavar="FILE", help="The training rows, where no file name begins with train.")
@click.option("--test", metavar="FILE", help="The test rows, where no file name begins with test.")
@click.option("--sample", metavar="FILE", help="The sample submission, where no file name begins with sample.")
@click.option("--target", metavar="COLUMN", help="What is to be predicted.")
@click.option("--id", metavar="COLUMN", help="What names the rows.")
@click.option("--metric", help="The competition's metric; else one that fits the target.")
@click.option("--out", "-o", metavar="RECIPE", help="The recipe to write; else <folder>.yaml.")
@ROOT
@JSON
@DEBUG
def command(folder: str, root: str, out: str | None, as_json: bool, debug: bool, **said: str | None) -> None:
    """Write a first recipe for the competition's files in FOLDER, with what was guessed and why."""

    def work() -> int:
        from kit import api, report

        found = api.init(folder, out=out, root=root, **said)
        if as_json:
            click.echo(json.dumps(found))
        else:
            report.started(found)
        return 0

    guarded(work, as_json, debug)
