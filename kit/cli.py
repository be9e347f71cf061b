"""The command line: each command is a thin call into kit.api."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import click

STARTED = time.monotonic()
"""When this process began: what --time-limit is counted from."""

SET = click.option("--set", "set_", multiple=True, metavar="a.b=c", help="Change one value of the recipe.")
ROOT = click.option("--root", default=".", show_default=True, help="Where .kit, oof and submissions lie.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else there.")
DEBUG = click.option("--debug", is_flag=True, help="Show tracebacks.")
ONLY = click.option("--only", multiple=True, metavar="MODEL", help="Fit these models only.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kaggle-kit", prog_name="kit")
def main() -> None:
    """Recipes in; out-of-fold predictions, blends and submissions out."""


@main.command()
@click.argument("recipe")
@SET
@ONLY
@click.option("--jobs", type=click.IntRange(1), help="Worker processes (default: one per core).")
@click.option("--time-limit", type=click.FloatRange(min=0, min_open=True), metavar="S", help="End within S seconds.")
@ROOT
@click.option("--keep-models", is_flag=True, help="Keep the trained models beside their OOFs.")
@JSON
@click.option("--quiet", is_flag=True, help="Print the result only.")
@DEBUG
def run(recipe: str, as_json: bool, debug: bool, quiet: bool, **options: Any) -> None:
    """Carry out RECIPE: fits, out-of-fold predictions, blends, submission."""

    def work() -> int:
        from kit import api, report

        with report.progress(quiet=quiet or as_json) as observer:
            result = api.run(
                recipe,
                set=options["set_"],
                only=options["only"],
                jobs=options["jobs"],
                time_limit=_left(options["time_limit"]),
                root=options["root"],
                keep_models=options["keep_models"],
                observer=observer,
            )
        report.failures(result, debug=debug)
        if as_json:
            click.echo(json.dumps(result.as_json()))
        else:
            report.result(result, options["root"])
        return 3 if result.failures else 0

    _guarded(work, as_json, debug)


@main.command()
@click.argument("recipe")
@SET
@ONLY
@ROOT
@JSON
@DEBUG
def plan(recipe: str, set_: tuple[str, ...], only: tuple[str, ...], root: str, as_json: bool, debug: bool) -> None:
    """Show what `kit run` would do: which stages run, which are reused."""

    def work() -> int:
        from kit import api, report

        listed = api.plan(recipe, set=set_, only=only, root=root)
        if as_json:
            click.echo(json.dumps({"stages": listed}))
        else:
            report.plan(listed)
        return 0

    _guarded(work, as_json, debug)


@main.command()
@click.argument("recipe")
@SET
@ROOT
@JSON
@DEBUG
def why(recipe: str, set_: tuple[str, ...], root: str, as_json: bool, debug: bool) -> None:
    """Show why stages would run: the ingredients that changed since the last run."""

    def work() -> int:
        from kit import api, report

        listed = api.why(recipe, set=set_, root=root)
        if as_json:
            click.echo(json.dumps({"stages": listed}))
        else:
            report.why(listed)
        return 0

    _guarded(work, as_json, debug)


@main.command()
@click.argument("recipe")
@SET
@ROOT
@JSON
@DEBUG
def check(recipe: str, set_: tuple[str, ...], root: str, as_json: bool, debug: bool) -> None:
    """Check RECIPE and its data without fitting, and show what was inferred."""

    def work() -> int:
        from kit import api, report

        found = api.check(recipe, set=set_, root=root)
        if as_json:
            click.echo(json.dumps(found))
        else:
            report.check(found)
        return 0

    _guarded(work, as_json, debug)


@main.command(name="ls")
@ROOT
@JSON
@DEBUG
def ls_(root: str, as_json: bool, debug: bool) -> None:
    """List models and blends with their scores."""

    def work() -> int:
        from kit import api, report

        listed = api.ls(root)
        if as_json:
            click.echo(json.dumps({"results": listed}))
        else:
            report.ls(listed)
        return 0

    _guarded(work, as_json, debug)


@main.command()
@ROOT
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@JSON
@DEBUG
def gc(root: str, dry_run: bool, as_json: bool, debug: bool) -> None:
    """Remove stored results that no recipe's last run uses. OOFs and submissions stay."""

    def work() -> int:
        from kit import api

        objects, size = api.gc(root, dry=dry_run)
        if as_json:
            click.echo(json.dumps({"objects": objects, "bytes": size, "dry_run": dry_run}))
        else:
            verb = "would free" if dry_run else "freed"
            click.echo(f"{verb} {size / 1e6:.1f} MB in {objects} results")
        return 0

    _guarded(work, as_json, debug)


@main.command()
@click.argument("kind")
@click.argument("name", required=False)
@DEBUG
def show(kind: str, name: str | None, debug: bool) -> None:
    """Show the parameters of a plug-in (KIND is its folder: models, features, ...), or the names of a kind."""

    def work() -> int:
        from kit import api, report

        report.show(api.show(kind, name), whole=name is not None)
        return 0

    _guarded(work, False, debug)


@main.command()
@click.argument("key")
@ROOT
@DEBUG
def stage(key: str, root: str, debug: bool) -> None:
    """Carry out one stage of the last run in this process, by (the start of) its KEY."""

    def work() -> int:
        from kit import api

        click.echo(f"done: {api.stage(key, root).name}")
        return 0

    _guarded(work, False, debug)


def _left(time_limit: float | None) -> float | None:
    """Return what is left of a time limit that counts from the start of the process."""
    return None if time_limit is None else time_limit - (time.monotonic() - STARTED)


def _guarded(work: Callable[[], int], as_json: bool, debug: bool) -> None:
    """Run a command: user errors end with 2 and no traceback, bugs with 1, failed stages with 3."""
    from kit.errors import KitError

    try:
        code = work()
    except KitError as error:
        if debug:
            raise
        if as_json:
            click.echo(json.dumps({"error": error.problems[0].as_dict()}))
        click.echo(str(error), err=True)
        code = 2
    except KeyboardInterrupt:
        click.echo("stopped; finished fits are kept, the same command goes on from there", err=True)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
