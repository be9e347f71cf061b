"""Long files that go to the disk past the cache in which the system keeps what is written, where it lets them.

In that cache every byte gets memory first, and fresh memory may be dear: in a virtual machine 480 MB took 1.2 s of CPU,
past the cache 0.2 s.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOM = 1 << 20
"""Bytes that are handed over at once."""

BLOCK = 1 << 12
"""Without the cache only whole blocks can be written."""

PATIENCE = ROOM / 250e6
"""Seconds after which a disk is too slow to be waited for."""


class DirectFile:
    """A new file that takes what is written to it past the cache, in pieces that begin at a page as they have to.

    Where the system refuses a piece, or the disk is slow, the rest of the file goes through the cache.
    """

    def __init__(self, number: int) -> None:
        self._number, self._direct = number, True
        self._room, self._held, self._size = memoryview(mmap.mmap(-1, ROOM)), 0, 0

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def write(self, part: bytes | memoryview[int]) -> None:
        """Write bytes to the end."""
        left = memoryview(part)
        self._size += len(left)
        while left:
            n = min(len(left), ROOM - self._held)
            self._room[self._held : self._held + n] = left[:n]
            self._held, left = self._held + n, left[n:]
            if self._held == ROOM:
                self._hand_over(0, ROOM)
                self._held = 0

    def finish(self) -> None:
        """Write what is still held; after it nothing else can be written."""
        whole = self._held // BLOCK * BLOCK
        self._hand_over(0, whole)
        self._use_cache()
        self._hand_over(whole, self._held)

    def _hand_over(self, start: int, end: int) -> None:
        while start < end:
            begun = time.perf_counter()
            try:
                start += os.write(self._number, self._room[start:end])
            except OSError as error:
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._use_cache()
            if time.perf_counter() - begun > PATIENCE:
                self._use_cache()

    def _use_cache(self) -> None:
        import fcntl  # not where there is no O_DIRECT either

        if self._direct:
            flags = fcntl.fcntl(self._number, fcntl.F_GETFL)
            fcntl.fcntl(self._number, fcntl.F_SETFL, flags & ~os.O_DIRECT)
            self._direct = False


@contextmanager
def create(path: Path) -> Iterator[DirectFile | IO[bytes]]:
    """Give a new file, a usual one where the system or the disk knows no other.

    Raises:
        OSError: it cannot be written.
    """
    number = _opened(path)
    if number is None:
        with path.open("wb") as usual:
            yield usual
        return
    try:
        file = DirectFile(number)
        yield file
        file.finish()
    finally:
        os.close(number)


def _opened(path: Path) -> int | None:
    """Return the number of a new file that takes whole blocks only, None where there is none to be had."""
    flag = getattr(os, "O_DIRECT", 0)
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flag, 0o666) if flag else None
    except OSError:  # of another reason the usual way tells
        return None
