"""Long files past the system's cache: the bytes are those of a usual file, whatever the disk says to it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit import direct, objectfiles
from kit.direct import BLOCK, ROOM, DirectFile, Way
from kit.errors import FitError
from kit.store import Store

needs_direct = pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="the system has no O_DIRECT")
KEY = "ab" * 32
BYTES = np.random.default_rng(0).integers(0, 256, 3 * ROOM, dtype=np.uint8).tobytes()
BORDERS = (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, ROOM - 1, ROOM, ROOM + 1, ROOM + BLOCK, 2 * ROOM, 3 * ROOM - 7)
WHOLE = 2 * ROOM + 3 * BLOCK
SIZE = WHOLE + 5
ALWAYS, NEVER = -1.0, 1e9


class Disk(FileIO):
    """A file on a disk that does something else at one of the writes to it."""

    at, does = -1, len

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wb")
        self.sizes: list[int] = []

    def write(self, part: Any) -> int:
        self.sizes.append(len(part))
        return super().write(part[: self.does(part)] if len(self.sizes) - 1 == self.at else part)


def refusing(number: int) -> Callable[[bytes], int]:
    def refuse(_: bytes) -> int:
        raise OSError(number, os.strerror(number))

    return refuse


def fill(file: DirectFile, size: int) -> None:
    """Write so many bytes, the first ones by themselves as a header is."""
    file.write(BYTES[:128][:size])
    file.write(memoryview(BYTES)[128:size])
    assert file.tell() == size


def dear() -> Way:
    way = Way()
    way.dear = True
    return way


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(direct, "SLOW", NEVER)


@pytest.mark.parametrize("way", [Way, dear])
@pytest.mark.parametrize("cache", [ALWAYS, NEVER])
@pytest.mark.parametrize("disk", [ALWAYS, NEVER])
@pytest.mark.parametrize("size", BORDERS)
def test_every_size_is_written_whole(tmp_path, monkeypatch, way, cache, disk, size):
    monkeypatch.setattr(direct, "DEAR", cache)
    monkeypatch.setattr(direct, "SLOW", disk)
    with direct.create(tmp_path / "a", way()) as file:
        fill(file, size)
    assert (tmp_path / "a").read_bytes() == BYTES[:size]


@pytest.fixture
def turns(monkeypatch):
    """What goes past the cache: from where to where."""
    made: list[list[int]] = []
    turn = direct._turn

    def noted(file: FileIO, *, on: bool) -> None:
        turn(file, on=on)
        made.append([file.tell()]) if on else made[-1].append(file.tell())

    monkeypatch.setattr(direct, "_turn", noted)
    return made


@needs_direct
def test_whole_blocks_go_past_a_cache_that_is_dear(tmp_path, turns):
    way = dear()
    with direct.create(tmp_path / "a", way) as file:
        fill(file, SIZE)
    if not way.able:
        pytest.skip("this disk takes no such files")
    assert turns == [[0, ROOM], [ROOM, 2 * ROOM], [2 * ROOM, WHOLE]]


@needs_direct
def test_the_cache_is_used_until_it_is_dear_and_for_all_of_a_slow_disk(tmp_path, turns, monkeypatch):
    monkeypatch.setattr(direct, "DEAR", NEVER)
    with direct.create(tmp_path / "a", Way()) as file:
        fill(file, 3 * ROOM)
    assert turns == []
    monkeypatch.setattr(direct, "DEAR", ALWAYS)
    way = Way()
    with direct.create(tmp_path / "b", way) as file:
        file.write(BYTES[:ROOM])  # in one piece: a shorter one tells nothing of the cache
        file.write(BYTES[ROOM:])
    if not way.able:
        pytest.skip("this disk takes no such files")
    assert turns == [[ROOM, 2 * ROOM], [2 * ROOM, 3 * ROOM]]
    turns.clear()
    monkeypatch.setattr(direct, "SLOW", ALWAYS)
    for name in "cd":
        with direct.create(tmp_path / name, way) as file:
            fill(file, 3 * ROOM)
    assert turns == [[0, ROOM]], "it is not tried again"


@pytest.mark.parametrize("where", ["turn", 0, 1, 2])
def test_what_is_refused_past_the_cache_goes_through_it(tmp_path, monkeypatch, where):
    way, disk = dear(), Disk(tmp_path / "a")
    if where == "turn":
        monkeypatch.setattr(direct, "_turn", lambda file, on: refusing(errno.EINVAL)(b"") if on else None)
    else:
        monkeypatch.setattr(direct, "_turn", lambda file, on: None)
        disk.at, disk.does = where, refusing(errno.EINVAL)
    with disk:
        file = DirectFile(disk, memoryview(bytearray(ROOM)), way)
        fill(file, SIZE)
        file.finish()
    assert (tmp_path / "a").read_bytes() == BYTES[:SIZE]
    assert not way.able


@pytest.mark.parametrize("way", [Way, dear])
@pytest.mark.parametrize("at", range(4))
def test_what_a_disk_takes_in_parts_is_continued(tmp_path, monkeypatch, way, at):
    monkeypatch.setattr(direct, "_turn", lambda file, on: None)
    disk = Disk(tmp_path / "a")
    disk.at, disk.does = at, lambda part: len(part) // 2
    with disk:
        file = DirectFile(disk, memoryview(bytearray(ROOM)), way())
        fill(file, SIZE)
        file.finish()
    assert (tmp_path / "a").read_bytes() == BYTES[:SIZE]


@pytest.mark.parametrize("way", [Way, dear])
@pytest.mark.parametrize("at", range(4))
def test_a_full_disk_is_the_usual_error(tmp_path, monkeypatch, way, at):
    monkeypatch.setattr(direct, "_turn", lambda file, on: None)
    disk = Disk(tmp_path / "a")
    disk.at, disk.does = at, refusing(errno.ENOSPC)
    file = DirectFile(disk, memoryview(bytearray(ROOM)), way())
    with disk, pytest.raises(OSError, match="No space left on device"):
        fill(file, SIZE)
        file.finish()


def test_a_system_without_such_files_uses_the_cache(tmp_path, monkeypatch, turns):
    monkeypatch.delattr(os, "O_DIRECT", raising=False)
    with direct.create(tmp_path / "a", dear()) as file:
        fill(file, SIZE)
    assert (tmp_path / "a").read_bytes() == BYTES[:SIZE]
    assert turns == []


def arrays() -> dict[str, Any]:
    x = np.frombuffer(BYTES, np.float32)
    return {"x": x, "columns": np.asfortranarray(x.reshape(3, -1)), "text": BYTES[: ROOM + 9], "short": x[:7]}


@pytest.fixture
def all_huge(monkeypatch):
    monkeypatch.setattr(objectfiles, "MANY_BYTES", 0)
    monkeypatch.setattr(objectfiles, "HUGE_BYTES", 0)
    monkeypatch.setattr(objectfiles, "Way", dear)


def test_an_object_past_the_cache_is_what_it_is_through_it(tmp_path, all_huge, monkeypatch):
    made = Store(tmp_path / "a").commit(KEY, arrays(), {}, {})
    assert made.intact()
    monkeypatch.setattr(objectfiles, "HUGE_BYTES", 1 << 40)
    usual = Store(tmp_path / "b").commit(KEY, arrays(), {}, {})
    assert made.files == usual.files
    for file in usual.folder.iterdir():
        assert (made.folder / file.name).read_bytes() == file.read_bytes()


@needs_direct
def test_an_object_for_which_the_disk_is_too_full_is_not_there(tmp_path, all_huge, monkeypatch):
    store = Store(tmp_path)
    monkeypatch.setattr(direct, "_turn", lambda file, on: refusing(errno.ENOSPC)(b""))
    with pytest.raises(FitError, match="a result could not be written") as told:
        store.commit(KEY, arrays(), {}, {})
    assert "No space left on device" in str(told.value)
    assert not store.has(KEY)
    assert not list((store.root / "tmp").iterdir())
