"""Who is at work in a store: `kit gc` removes nothing while a command may need it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import WRAPPER_ASSIGNMENTS, wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import FileLock, Timeout

from kit.errors import FitError, writing

P = ParamSpec("P")
R = TypeVar("R")


def at_work(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for what writes to the store under its keyword `root`: nothing is removed until it ends.

    A lock of its own tells that it is there. The system lets go of it with the process, however that ends.
    """

    def wrapped(work: Callable[P, R]) -> Callable[P, R]:
        @wraps(work, assigned=(*WRAPPER_ASSIGNMENTS, "__kwdefaults__"))  # some look no further than these
        def watched(*args: P.args, **options: P.kwargs) -> R:
            root = Path(str(options.get("root", "."))).resolve()
            with _present(root / ".kit", name):
                return work(*args, **options)

        return watched

    return wrapped


@contextmanager
def _present(folder: Path, name: str) -> Iterator[None]:
    path = folder / "working" / f"{name}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    with writing(str(folder)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _gate(folder):
            _working(folder)
            mine = FileLock(path)
            mine.acquire()
    try:
        yield
    finally:
        mine.release()
        path.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the gate while things are removed: who begins now waits.

    Raises:
        FitError: a command is at work, or nothing can be written here.
    """
    with writing(str(folder)):
        gate = _gate(folder).acquire()
    with gate:
        for command, pid in _working(folder):
            rule, advice = "results that are in use are not removed", "wait until it ends, then again"
            raise FitError(rule, got=f"kit {command} is at work (process {pid})", next=advice)
        yield


def _working(folder: Path) -> list[tuple[str, str]]:
    """Return command and process of those at work, and remove what killed ones left. The caller holds the gate."""
    found = []
    for path in sorted((folder / "working").glob("*.*.*")):
        try:
            with FileLock(path, timeout=0):
                path.unlink(missing_ok=True)
        except Timeout:
            command, pid, _ = path.name.split(".")
            found.append((command, pid))
    return found


def _gate(folder: Path) -> FileLock:
    return FileLock(folder / "gc.lock")
