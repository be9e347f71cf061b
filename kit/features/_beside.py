"""Work on torch's tensors side by side: a thread for each core instead of all cores for each small product."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kit.devices import cores

_ONE = threading.Lock()

T = TypeVar("T")


def beside(work: Callable[[T], None], jobs: Sequence[T], device: str) -> None:
    """Do the work of every job, in their order on a GPU, on the CPU in as many threads as there are cores.

    One that fails ends it: what has begun is finished, the rest is left, and the first failure in order is raised.
    """
    workers = min(cores(), len(jobs)) if device == "cpu" else 1
    with threads(cores() // max(1, workers)) as each:
        if workers <= 1:
            for job in jobs:
                work(job)
            return
        pool = ThreadPoolExecutor(workers, "embed", each)
        try:
            for _ in pool.map(work, jobs):
                pass
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def threads(number: int) -> Iterator[Callable[[], None]]:
    """Let torch use so many cores in this thread meanwhile; yields what a further thread calls to do so, too.

    The number holds for the whole process as far as threads to come are concerned: one caller at a time sets it.
    """
    import torch

    with _ONE:
        before = torch.get_num_threads()
        torch.set_num_threads(number)
        try:
            yield lambda: torch.set_num_threads(number)
        finally:
            torch.set_num_threads(before)
