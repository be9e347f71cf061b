"""Long files, written past the cache in which the system keeps what is written, where that costs much.

In the cache every byte gets memory first, and fresh memory may be dear: in a virtual machine that hands free memory
back to its host 480 MB took 1.2 s of CPU through the cache, 0.2 s past it, and 0.1 s through it where memory was not
fresh.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

ROOM = 1 << 20
"""Bytes that are handed over at once."""

BLOCK = 1 << 12
"""Past the cache only whole blocks can be written."""

DEAR = ROOM / 1e9
"""Seconds of CPU from which on the cache is dear."""

SLOW = ROOM / 250e6
"""Seconds from which on the disk is too slow to be waited for."""

_FREE: list[memoryview[int]] = []
"""Buffers of files that are finished, for the next ones."""


class Way:
    """How files go to a disk: through the cache until that is dear, then past it unless the disk is slow or refuses."""

    def __init__(self) -> None:
        self.dear, self.able = False, hasattr(os, "O_DIRECT")

    @property
    def direct(self) -> bool:
        """Whether the next bytes go past the cache."""
        return self.dear and self.able


class DirectFile:
    """A new file. What goes past the cache is gathered in a buffer first, for it has to begin at a page."""

    def __init__(self, file: FileIO, room: memoryview[int], way: Way) -> None:
        self._file, self._room, self._way = file, room, way
        self._direct, self._size = False, 0

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def write(self, part: bytes | memoryview[int]) -> None:
        """Write bytes to the end."""
        left = memoryview(part)
        while left:
            at = self._size % ROOM
            if not at:
                self._direct = self._way.direct
            piece, left = left[: ROOM - at], left[ROOM - at :]
            self._size += len(piece)
            if not self._direct:
                self._through_cache(piece)
                continue
            self._room[at : at + len(piece)] = piece
            if at + len(piece) == ROOM:
                self._past_cache(self._room)

    def finish(self) -> None:
        """Write what is still held; after it nothing else can be written."""
        if self._direct and (held := self._size % ROOM):
            whole = held // BLOCK * BLOCK
            self._past_cache(self._room[:whole])
            self._through_cache(self._room[whole:held])

    def _through_cache(self, piece: memoryview[int]) -> None:
        begun, size = time.thread_time(), len(piece)
        while piece:
            piece = piece[self._file.write(piece) :]
        self._way.dear |= size == ROOM and time.thread_time() - begun > DEAR

    def _past_cache(self, piece: memoryview[int]) -> None:
        begun = time.perf_counter()
        try:
            _turn(self._file, on=True)
            while piece:
                piece = piece[self._file.write(piece) :]
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._way.able = False
        self._way.able &= time.perf_counter() - begun < SLOW
        _turn(self._file, on=False)
        self._through_cache(piece)


def _turn(file: FileIO, *, on: bool) -> None:
    """Let what is written to the file from now on go past the cache, or not."""
    import fcntl  # not there where there is no O_DIRECT

    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_DIRECT if on else flags & ~os.O_DIRECT)


@contextmanager
def create(path: Path, way: Way) -> Iterator[DirectFile]:
    """Give a new file.

    Raises:
        OSError: it cannot be written.
    """
    room = _FREE.pop() if _FREE else memoryview(mmap.mmap(-1, ROOM))
    try:
        with path.open("wb", buffering=0) as raw:
            file = DirectFile(raw, room, way)
            yield file
            file.finish()
    finally:
        _FREE.append(room)
