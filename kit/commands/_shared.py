"""What the commands share: options, the clock of the process, and how an error ends one."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
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

    _heed_sigterm()
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
    except KeyboardInterrupt as error:
        click.echo("stopped; finished fits are kept, the same command goes on from there", err=True)
        code = 143 if error.args else 130
    sys.exit(code)


def _heed_sigterm() -> None:
    """Let SIGTERM, by which a queue or a container ends a command, end it as Ctrl-C does: nothing is half-written."""

    def end(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)


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
