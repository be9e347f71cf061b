"""`kit gc`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.command("gc")
@ROOT
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@JSON
@DEBUG
def command(root: str, dry_run: bool, as_json: bool, debug: bool) -> None:
    """Remove stored results that no recipe's last run uses. OOFs, submissions and vectors of texts stay."""

    def work() -> int:
        from kit import api, vectors

        objects, size = api.gc(root, dry=dry_run)
        folder = Path(root) / ".kit" / "embeddings"
        kept = vectors.size(folder)
        if as_json:
            click.echo(json.dumps({"objects": objects, "bytes": size, "dry_run": dry_run, "embeddings": kept}))
        else:
            verb = "would free" if dry_run else "freed"
            click.echo(f"{verb} {size / 1e6:.1f} MB in {objects} results")
            if kept:
                click.echo(f"kept {kept / 1e6:.1f} MB of vectors of texts, for any recipe: {folder} may be deleted")
        return 0

    guarded(work, as_json, debug)
