"""Who works on a trial. A worker holds a lease and renews it; a trial whose worker is gone is queued again.

Its finished folds lie in the store under their keys, so whoever takes it next goes on behind them.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit._tune.studies import START

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

LEASE, DEATHS, PROBLEM = "lease", "deaths", "problem"

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
"""A lease nobody renewed for so long is void, wherever its holder is; one whose process is gone from here at once."""

BETWEEN_SECONDS = 15.0
"""A trial that was taken and has no lease after this long: its worker died in between."""

MOST_DEATHS = 10
"""A trial that ended so many workers, no fold finished in between, is given up, unless the study begins with it."""


def here() -> str:
    """Return a name of this machine, until it starts again, and of the processes that can be seen from here."""
    parts = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text("utf-8").strip())
        except OSError:
            continue
    return "/".join(parts)


def born(pid: int) -> str:
    """Return when a process of this machine began, in the kernel's clock; "" where it is gone or cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""


class Lease:
    """A worker's lease, renewed by a thread, for a fit may take longer than a lease lasts."""

    def __init__(self, storage: BaseStorage, trial_id: int, done: int) -> None:
        self._storage, self._trial = storage, trial_id
        self._ended = threading.Event()
        self._value: dict[str, Any] = {"host": here(), "pid": os.getpid(), "born": born(os.getpid()), "beat": 0}
        self._value["done"] = done
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Lease:
        self._storage.set_trial_user_attr(self._trial, LEASE, self._value)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def note(self, done: int) -> None:
        """Say how many folds are finished."""
        self._value = {**self._value, "done": done}

    def _renew(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._value = {**self._value, "beat": self._value["beat"] + 1}
            try:
                self._storage.set_trial_user_attr(self._trial, LEASE, self._value)
            except Exception:
                return  # finished by another, or the storage is away: the worker will meet it when it tells


@dataclass
class Watchman:
    """Finds trials whose worker is gone and queues them again. `seen`: trial -> (its lease, since when, by our clock).

    Leases are compared with themselves, never with a clock of another machine.
    """

    storage: BaseStorage
    study: Study
    clock: Callable[[], float] = time.monotonic
    seen: dict[int, tuple[Mapping[str, Any], float]] = field(default_factory=dict)

    def look(self, between: float = BETWEEN_SECONDS) -> list[FrozenTrial]:
        """Queue again what was left behind; return the trials that are still worked on.

        `between`: for how many seconds a trial that was taken may have no lease.
        """
        from optuna.trial import TrialState

        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        now = self.clock()
        held = []
        for trial in running:
            lease = dict(trial.user_attrs.get(LEASE) or {})
            known = self.seen.get(trial.number)
            if known is None or known[0] != lease:
                self.seen[trial.number] = (lease, now)
            if _is_void(lease, now - self.seen[trial.number][1], between):
                requeue(self.storage, self.study, trial, died=True)
                self.seen.pop(trial.number)
            else:
                held.append(trial)
        return held


def _is_void(lease: Mapping[str, Any], unchanged: float, between: float) -> bool:
    if "pid" not in lease:
        return unchanged >= between
    if lease.get("host") == here() and lease.get("born"):
        return bool(born(int(lease["pid"])) != lease["born"])
    return bool(unchanged > STALE_SECONDS)


def requeue(storage: BaseStorage, study: Study, trial: FrozenTrial, *, died: bool) -> None:
    """Put a trial back into the queue, with its parameters; or give it up where it ends every worker."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    trial_id = id_of(storage, study, trial.number)
    done = int((trial.user_attrs.get(LEASE) or {}).get("done", 0))
    before = trial.user_attrs.get(DEATHS) or {"count": 0, "done": -1}
    deaths = before["count"] + 1 if before["done"] == done else 1
    try:
        if died:
            storage.set_trial_user_attr(trial_id, DEATHS, {"count": deaths, "done": done})
        if died and deaths >= MOST_DEATHS and START not in trial.user_attrs:
            storage.set_trial_user_attr(
                trial_id, PROBLEM, f"its worker died {deaths} times, most often for want of memory"
            )
            storage.set_trial_state_values(trial_id, TrialState.FAIL)
            return
        storage.set_trial_user_attr(trial_id, LEASE, None)
        storage.set_trial_state_values(trial_id, TrialState.WAITING)
    except UpdateFinishedTrialError:
        return  # its worker lived and told the result just now


def id_of(storage: BaseStorage, study: Study, number: int) -> int:
    """Return a storage's id of a trial."""
    study_id = storage.get_study_id_from_name(study.study_name)
    return storage.get_trial_id_from_study_id_trial_number(study_id, number)
