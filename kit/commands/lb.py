"""`kit lb`: what the leaderboard said, and what it is good for."""

from __future__ import annotations

import json

import click

from kit.commands._shared import DEBUG, JSON, ROOT, guarded


@click.group("lb")
def command() -> None:
    """Leaderboard scores of submissions."""


@command.command("add", context_settings={"ignore_unknown_options": True})  # a score may be below 0
@click.argument("number")
@click.argument("score")
@click.option("--board", default="public", show_default=True, help="public or private.")
@click.option("--note", default="", help="A word to remember it by.")
@ROOT
@JSON
@DEBUG
def add(number: str, score: str, as_json: bool, debug: bool, **options: str) -> None:
    """Write down the leaderboard SCORE of submission NUMBER (0007, or a csv made elsewhere)."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.lb_add(number, score, board=options["board"], note=options["note"], root=options["root"])
        if as_json:
            click.echo(json.dumps(found))
        else:
            _ledger.scored(found)
        return 0

    guarded(work, as_json, debug)


@command.command("blend")
@click.option("--board", default="public", show_default=True, help="public or private.")
@click.option("--share", type=click.FloatRange(0, 1, True, True), default=0.3, show_default=True, help="Public share.")
@click.option("--name", default="lb", show_default=True, help="What the submission is called.")
@ROOT
@JSON
@DEBUG
def blend(board: str, share: float, name: str, root: str, as_json: bool, debug: bool) -> None:
    """Blend past submissions by their leaderboard scores; refused unless these show a shift that noise does not."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.lb_blend(board=board, share=share, name=name, root=root)
        if as_json:
            click.echo(json.dumps(found))
        else:
            _ledger.lb_blend(found)
        return 0

    guarded(work, as_json, debug)


@command.command("final")
@click.option("--count", type=click.IntRange(1, 10), default=2, show_default=True, help="How many may be selected.")
@click.option("--share", type=click.FloatRange(0, 1, True, True), default=0.3, show_default=True, help="Public share.")
@ROOT
@JSON
@DEBUG
def final(count: int, share: float, root: str, as_json: bool, debug: bool) -> None:
    """Say which submissions to select for the private leaderboard, by estimates and public scores together."""

    def work() -> int:
        from kit import api
        from kit.commands import _ledger

        found = api.lb_final(count=count, share=share, root=root)
        if as_json:
            click.echo(json.dumps(found))
        else:
            _ledger.lb_final(found)
        return 0

    guarded(work, as_json, debug)
