"""Where studies lie: a journal file each, or any storage Optuna knows by its URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import FitError, KitError, RecipeError, refusal

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

LOCK_SECONDS = 10
"""After this long a lock on a journal is taken for the rest of a killed process; it is held for milliseconds."""


@dataclass(frozen=True)
class Place:
    """Where a study lies. `url`: an Optuna storage, "" = the journal file; `name`: of the study, in either."""

    url: str
    journal: str
    name: str

    @property
    def shown(self) -> str:
        """Return what a person opens: the journal's path, or the URL without its password."""
        return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", self.url) if self.url else self.journal


def connect(place: Place) -> BaseStorage:
    """Return the storage of a place, made if it is not there.

    Raises:
        KitError: it cannot be reached, or a driver is missing.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not place.url:
        return _journal(Path(place.journal))
    try:
        if place.url.startswith(("redis://", "rediss://")):
            from optuna.storages.journal import JournalRedisBackend

            return optuna.storages.JournalStorage(JournalRedisBackend(place.url))
        waits = {"connect_args": {"timeout": 100}} if place.url.startswith("sqlite") else {}
        return optuna.storages.RDBStorage(place.url, engine_kwargs=waits)
    except ImportError as error:
        missing = getattr(error, "name", None) or str(error).splitlines()[0]
        raise RecipeError("this storage needs a package", place="--storage", got=missing, next="install it") from error
    except Exception as error:
        raise _unreachable(place, error) from error


def _unreachable(place: Place, error: Exception) -> KitError:
    """Return the error of a storage that cannot be opened. What a driver raises is of no common class."""
    return RecipeError(
        "the storage cannot be opened",
        place="--storage",
        got=f"{place.shown}: {str(error).strip().splitlines()[0]}",
        allowed="sqlite:///FILE, postgresql://..., mysql://..., redis://...; without it a journal file",
        next="check the URL and that the server runs",
    )


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileSymlinkLock(str(path), grace_period=LOCK_SECONDS)

    class Mended(JournalFileBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            _mend(path, lock)
            super().append_logs(logs)

    try:
        backend = Mended(str(path), lock)
        _mend(path, lock)
        return JournalStorage(backend)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        if refusal(error):
            raise
        advice = "restore the file, or kit tune --new, which begins another study"
        raise FitError("the journal cannot be read", place=str(path), got=repr(error), next=advice) from error


def _mend(path: Path, lock: Any) -> None:
    """Cut off a last line that a kill left half written: with another one behind it, nobody could read the journal."""
    if _is_whole(path):
        return
    lock.acquire()  # a line that somebody is writing just now is whole once the lock is ours
    try:
        content = path.read_bytes()
        with path.open("r+b") as stream:
            stream.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _is_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 1))
        return size == 0 or stream.read(1) == b"\n"
