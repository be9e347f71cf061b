"""Workers: long-lived spawned processes, one task in flight each, that can be ended and survive a death.

Each slot is a pebble pool of one process, so the engine decides which fit goes to which worker (the one that holds its
design) and ends one task without touching another.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.spawning import Spawning
from kit.stage import Stage
from kit.stages import run
from kit.store import Store

APART = sys.platform != "linux"
"""Whether torch and the boosters must not share a process: elsewhere than on Linux each brings an OpenMP of its own."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass
class Slot:
    """One worker process. `design`: what the last fit left in its memory. `runtime`: what its libraries run on."""

    pool: Any
    design: str = ""
    runtime: str = ""
    stage: Stage | None = None
    future: Future[None] | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def busy(self) -> bool:
        """Whether a task is in flight."""
        return self.future is not None


class Workers:
    """`jobs` slots. Use as a context manager: leaving it ends every process."""

    def __init__(self, jobs: int, root: Path, threads: int = 1) -> None:
        self._root, self._threads = str(root), threads
        self.slots = [Slot(self._pool()) for _ in range(jobs)]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self.slots:
            slot.pool.stop()
        for slot in self.slots:
            slot.pool.join()

    def start(self, slot: Slot, stage: Stage) -> None:
        """Hand a stage to a free slot, in a new process where the old one's libraries would not go with its own."""
        runtime = "torch" if "torch" in stage.ingredients.get("libs", {}) else "openmp"
        if APART and slot.runtime not in ("", runtime):
            slot.pool.stop()
            slot.pool.join()
            slot.pool = self._pool()
        slot.runtime = runtime
        slot.stage, slot.began = stage, time.monotonic()
        slot.future = slot.pool.schedule(_work, args=(stage.to_json(), self._root, self._threads))

    def _pool(self) -> Any:
        from pebble import ProcessPool  # whoever looks on without fitting has no use for it

        return ProcessPool(max_workers=1, context=Spawning(), initializer=settle, initargs=[self._threads])

    def end(self, slot: Slot) -> None:
        """End the task of a slot, its process with it; the next task gets a new process."""
        if slot.future is not None:
            slot.future.cancel()
        slot.stage, slot.future, slot.design = None, None, ""


class Crew:
    """Workers that outlive one plan: those of the next find the processes there, and their libraries loaded.

    Use as a context manager: leaving it ends every process.
    """

    def __init__(self) -> None:
        self._workers: Workers | None = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.__exit__()

    @contextmanager
    def hired(self, begin: Callable[[], Workers]) -> Iterator[Workers]:
        """Lend the workers, which `begin` brings in where there are none yet."""
        if self._workers is None:
            self._workers = begin()
        yield self._workers


def settle(threads: int) -> None:
    """Set up a worker: thread numbers before any library reads them, silence on Ctrl-C, death with the parent."""
    import signal

    from threadpoolctl import threadpool_limits

    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "passive"  # a spinning thread takes the core of the other worker
    threadpool_limits(threads)  # numpy is loaded by now and reads no variable any more
    os.dup2(2, 1)  # what a library prints must not mix with the JSON on stdout
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("kit").setLevel(logging.ERROR)
    if sys.platform == "linux":
        _die_with_parent()


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies: a killed run leaves no worker that goes on computing.

    A parent that died before it could be asked, while this process was still importing, is found by its number.
    """
    import ctypes
    import multiprocessing
    import signal

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid != os.getppid():
        os._exit(1)


class Foreign(Exception):
    """An error of a library, by its name and words."""


def _work(line: str, root: str, threads: int) -> None:
    """Carry out a stage in a worker, whatever numpy warns of on the way.

    Raises:
        Foreign: a library raised an error of its own. The process that waits may be unable to load its class (that of
            CatBoost lies in a module which nobody else can import), and would wait for ever.
    """
    import numpy as np

    try:
        with np.errstate(all="ignore"):
            run(Stage.from_json(line), Store(Path(root)), threads)
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("builtins", "kit"):
            raise
        raise Foreign(f"{type(error).__name__}: {error}") from error
