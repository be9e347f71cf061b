"""Long files past the system's cache: the bytes are those of a usual file, whatever the disk says to it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit import direct, objectfiles
from kit.direct import BLOCK, ROOM, DirectFile
from kit.errors import FitError
from kit.store import Store

needs_direct = pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="the system has no O_DIRECT")
KEY = "ab" * 32
BYTES = np.random.default_rng(0).integers(0, 256, 3 * ROOM, dtype=np.uint8).tobytes()
BORDERS = (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, ROOM - 1, ROOM, ROOM + 1, ROOM + BLOCK, 2 * ROOM, 3 * ROOM - 7)


def put(path: Path, size: int, first: int = 128) -> type:
    """Write so many bytes, the first ones by themselves as a header is; return what file took them."""
    with direct.create(path) as file:
        file.write(BYTES[:first][:size])
        file.write(memoryview(BYTES)[first:size])
        assert file.tell() == size
    return type(file)


class Writes:
    """Stands for os.write: notes the sizes, and refuses one of the writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refused: int = -1, number: int = errno.EINVAL) -> None:
        self.sizes: list[int] = []
        self._refused, self._number, self._write = refused, number, os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, number: int, part: memoryview) -> int:
        self.sizes.append(len(part))
        if len(self.sizes) - 1 == self._refused:
            raise OSError(self._number, os.strerror(self._number))
        return self._write(number, part)


@pytest.mark.parametrize("patience", [-1.0, 1e9])
@pytest.mark.parametrize("size", BORDERS)
def test_every_size_is_written_whole(tmp_path, monkeypatch, size, patience):
    monkeypatch.setattr(direct, "PATIENCE", patience)
    put(tmp_path / "a", size)
    assert (tmp_path / "a").read_bytes() == BYTES[:size]


@needs_direct
def test_whole_blocks_go_past_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(direct, "PATIENCE", 1e9)
    used: list[int] = []
    cached = DirectFile._use_cache

    def noted(self: DirectFile) -> None:
        used.append(len(writes.sizes))
        cached(self)

    monkeypatch.setattr(DirectFile, "_use_cache", noted)
    writes = Writes(monkeypatch)
    if put(tmp_path / "a", 2 * ROOM + 3 * BLOCK + 5) is not DirectFile:
        pytest.skip("this disk takes no such files")
    assert writes.sizes == [ROOM, ROOM, 3 * BLOCK, 5]
    assert used == [3]


@needs_direct
@pytest.mark.parametrize("refused", range(3))
def test_a_piece_that_is_refused_goes_through_the_cache(tmp_path, monkeypatch, refused):
    monkeypatch.setattr(direct, "PATIENCE", 1e9)
    size = 2 * ROOM + 3 * BLOCK + 5
    writes = Writes(monkeypatch, refused)
    put(tmp_path / "a", size)
    assert (tmp_path / "a").read_bytes() == BYTES[:size]
    assert sum(writes.sizes) == size + writes.sizes[refused]


@needs_direct
def test_a_piece_of_which_the_disk_takes_a_part_is_continued(tmp_path, monkeypatch):
    write, size = os.write, ROOM + 5
    monkeypatch.setattr(os, "write", lambda number, part: write(number, part[: max(1, len(part) // 2)]))
    put(tmp_path / "a", size)
    assert (tmp_path / "a").read_bytes() == BYTES[:size]


def test_a_system_or_disk_that_has_no_such_files_gives_a_usual_one(tmp_path, monkeypatch):
    opened = os.open

    def refusing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & getattr(os, "O_DIRECT", 0):
            raise OSError(errno.EINVAL, "Invalid argument")
        return opened(path, flags, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        assert put(tmp_path / "a", ROOM + 1) is not DirectFile
    monkeypatch.delattr(os, "O_DIRECT", raising=False)
    assert put(tmp_path / "b", ROOM + 1) is not DirectFile
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == BYTES[: ROOM + 1]


def test_a_folder_that_is_not_there_is_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError), direct.create(tmp_path / "none" / "a"):
        pass


@pytest.fixture
def all_huge(monkeypatch):
    monkeypatch.setattr(objectfiles, "MANY_BYTES", 0)
    monkeypatch.setattr(objectfiles, "HUGE_BYTES", 0)


def arrays() -> dict[str, Any]:
    x = np.frombuffer(BYTES, np.float32)
    return {"x": x, "columns": np.asfortranarray(x.reshape(3, -1)), "text": BYTES[: ROOM + 9], "short": x[:7]}


def test_an_object_past_the_cache_is_what_it_is_through_it(tmp_path, all_huge, monkeypatch):
    made = Store(tmp_path / "a").commit(KEY, arrays(), {}, {})
    assert made.intact()
    monkeypatch.setattr(objectfiles, "HUGE_BYTES", 1 << 40)
    usual = Store(tmp_path / "b").commit(KEY, arrays(), {}, {})
    assert made.files == usual.files
    for file in usual.folder.iterdir():
        assert (made.folder / file.name).read_bytes() == file.read_bytes()


@needs_direct
@pytest.mark.parametrize("at", range(4))
def test_a_disk_that_gets_full_is_one_error_and_leaves_nothing(tmp_path, all_huge, monkeypatch, at):
    store = Store(tmp_path)
    Writes(monkeypatch, at, errno.ENOSPC)
    with pytest.raises(FitError, match="a result could not be written") as told:
        store.commit(KEY, arrays(), {}, {})
    assert "No space left on device" in str(told.value)
    assert not store.has(KEY)
    assert not list((store.root / "tmp").iterdir())
