"""What the commands share: options, the clock of the process, and how an error ends one."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kit.errors import KitError

STARTED = time.monotonic()
"""When this process began: what --time-limit is counted from."""

SET = click.option("--set", "set_", multiple=True, metavar="a.b=c", help="Change one value of the recipe.")
ROOT = click.option("--root", default=".", show_default=True, help="Where .kit, oof and submissions lie.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else there.")
DEBUG = click.option("--debug", is_flag=True, help="Show tracebacks.")
TRUST = click.option("--trust", is_flag=True, help="Let the recipe run files of its own (use: ./file.py).")
NO_TUNED = click.option("--no-tuned", is_flag=True, help="Leave out the params that `kit tune` found.")
ONLY = click.option("--only", multiple=True, metavar="MODEL", help="Fit these models, and those they wait for, only.")


def left(time_limit: float | None) -> float | None:
    """Return what is left of a time limit that counts from the start of the process."""
    return None if time_limit is None else time_limit - (time.monotonic() - STARTED)


def guarded(work: Callable[[], int], as_json: bool, debug: bool) -> None:
    """Run a command: user errors end with 2 and no traceback, bugs with 1, failed stages with 3."""
    from kit.errors import KitError, refusal, refused_path
    from kit.paths import require_utf8

    try:
        require_utf8(_here(), *sys.argv[1:])
        code = work()
        if sys.stdout is not None:  # it may be closed
            sys.stdout.flush()
    except KitError as error:
        if debug:
            raise
        code = _tell(error, as_json)
    except OSError as error:
        if debug or not (refusal(error) or refused_path(error)):
            raise
        if told := refused_path(error):
            sys.exit(_tell(told, as_json))
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to print has no place
        click.echo(f"nothing more can be written: {error.strerror}; results that are whole are kept", err=True)
        code = 2
    except Exception as error:
        from kit.owned import blamed

        if debug or (blame := blamed(error)) is None:
            raise
        code = _tell(blame, as_json)
    except KeyboardInterrupt:
        click.echo("stopped; finished fits are kept, the same command goes on from there", err=True)
        code = 130
    sys.exit(code)


def _here() -> str:
    from kit.errors import DataError

    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise DataError("the current folder is gone", next="cd to one that is there") from error


def _tell(error: KitError, as_json: bool) -> int:
    """Print an error; return the exit code of what a person can mend."""
    if as_json:
        click.echo(json.dumps({"error": error.problems[0].as_dict()}))
    click.echo(str(error), err=True)
    return 2
