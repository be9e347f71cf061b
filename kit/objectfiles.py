"""The files of a stored object: short arrays and blobs all in one, and long ones too where they are few bytes together.

An entry says where a value lies: `file`, `size` in bytes, `blake3`, and `at` where it begins in a file of several.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from blake3 import blake3

from kit import devices
from kit.canon import digest_file, digest_object
from kit.types import Array

Entry = Mapping[str, Any]

PACK = "short.bin"
"""The file of several values."""

SHORT = 1 << 16
"""Values of at most so many bytes are short: to make a file takes as long as to write that much."""

MANY_BYTES = 1 << 24
"""More bytes than this in long values are written by several threads, each value to a file of its own."""

_ALIGNED = 64
"""Values in a file of several begin at multiples of this, as numpy's do behind a header."""

_PREFIX = 10
"""Bytes of numpy's format before the text of a header; the last two say how long that is."""

_CACHED = 1 << 20
"""Bytes that stay in the processor's cache from the one look at them to the other."""

_SOUND: set[tuple[object, ...]] = set()
"""Values whose digest was right, with the state their file was in."""


class Later(NamedTuple):
    """An array that is made when it is written, and about how many bytes it will have."""

    make: Callable[[], Array]
    nbytes: int


Value = Array | bytes | Later


def write_all(temp: Path, files: Mapping[str, Value]) -> dict[str, Entry]:
    """Write the values, each once, and return their entries; many bytes by several threads: they leave Python.

    Few bytes go to one file together: to make one each takes longer than to write them.
    """
    once = {id(value): value for value in files.values()}  # an array may stand under two names
    short = {key: value for key, value in once.items() if _size(value) <= SHORT}
    long = {key: value for key, value in once.items() if key not in short}
    if sum(map(_size, long.values())) <= MANY_BYTES:
        short, long = once, {}
    entries: dict[int, Entry] = {}
    if short:
        with (temp / PACK).open("wb") as file:
            entries |= {key: {"file": PACK, **_append(file, value)} for key, value in short.items()}
    if long:
        with ThreadPoolExecutor(devices.cores()) as pool:
            written = pool.map(lambda item: _write(temp, *item), enumerate(long.values()))
            entries |= zip(long, written, strict=True)
    return {name: entries[id(value)] for name, value in files.items()}


def take_in(temp: Path, folder: Path) -> dict[str, Entry]:
    """Copy the files of a folder and return their entries, named `<folder name>/<file>`."""
    taken: dict[str, Entry] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        (temp / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, temp / name)
        taken[name] = {"file": name, "size": path.stat().st_size, "blake3": digest_object(temp / name)}
    return taken


def read_array(folder: Path, entry: Entry, *, mmap: bool) -> Array:
    """Return the array of an entry; `mmap`: read-only, a long one memory-mapped, wherever it lies."""
    path = folder / str(entry["file"])
    if "at" not in entry:
        alone: Array = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
        return alone
    if mmap and entry["size"] > SHORT:
        return _parsed(np.memmap(path, np.uint8, "r", entry["at"], (entry["size"],)))
    data = read_bytes(folder, entry)
    return _parsed(np.frombuffer(data if mmap else bytearray(data), np.uint8))


def _parsed(data: Array) -> Array:
    """Return the array that bytes in numpy's format hold, as `numpy.load` would."""
    start = _PREFIX + int.from_bytes(data[_PREFIX - 2 : _PREFIX], "little")
    shape, fortran, dtype = _header(data[:start].tobytes())
    return data[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape, order="F" if fortran else "C")


@lru_cache(maxsize=1024)  # it is parsed as Python, and there are few shapes in a project
def _header(text: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, the order and the type that a header tells."""
    file = io.BytesIO(text)
    if (version := np.lib.format.read_magic(file)) != (1, 0):
        raise ValueError(f"no stored array is of version {version} of numpy's format")
    return np.lib.format.read_array_header_1_0(file)


def read_bytes(folder: Path, entry: Entry) -> bytes:
    """Return the bytes of an entry."""
    with (folder / str(entry["file"])).open("rb") as file:
        file.seek(entry.get("at", 0))
        return file.read(entry["size"])


def digest_in(entry: Entry) -> str:
    """Return the digest of an entry; sha256 is what objects of older kits have."""
    return str(entry["blake3"] if "blake3" in entry else entry["sha256"])


def is_intact(folder: Path, entry: Entry) -> bool:
    """Return whether the bytes of an entry still have its digest."""
    path = folder / str(entry["file"])
    made = digest_object(path, entry.get("at", 0), entry["size"]) if "blake3" in entry else digest_file(path)
    return made == digest_in(entry)


def is_sound(folder: Path, entry: Entry) -> bool:
    """Return whether a value may be read: a process asks once for the digest of a file that stays as it is.

    Raises:
        OSError: it is not there.
    """
    path = os.path.join(folder, str(entry["file"]))
    now = os.stat(path)
    seen = (path, entry.get("at", 0), digest_in(entry), now.st_ino, now.st_size, now.st_mtime_ns)
    if seen not in _SOUND:
        if not is_intact(folder, entry):
            return False
        _SOUND.add(seen)
    return True


def are_whole(folder: Path, entries: Iterable[Entry]) -> bool:
    """Return whether every file has its full size.

    Raises:
        OSError: one is not there.
    """
    sizes: dict[str, int] = {}
    for entry in entries:
        end = entry.get("at", 0) + entry["size"]
        sizes[entry["file"]] = max(sizes.get(entry["file"], 0), end)
    at = str(folder)  # a table has a file per long column: a Path of each takes longer than the look at it
    return all(os.stat(os.path.join(at, file)).st_size == size for file, size in sizes.items())


def _size(value: Value) -> int:
    return len(value) if isinstance(value, bytes) else value.nbytes


def _write(temp: Path, number: int, value: Value) -> Entry:
    """Write a value to a file of its own and return its entry."""
    name = f"{number}.bin" if isinstance(value, bytes) else f"{number}.npy"
    with (temp / name).open("wb") as file:
        written = _append(file, value)
    return {"file": name, "size": written["size"], "blake3": written["blake3"]}


def _append(file: IO[bytes], value: Value) -> Entry:
    """Write an array in numpy's format, or bytes, to the end of a file; hashed on the way, as it is in memory."""
    value = value.make() if isinstance(value, Later) else value
    file.write(bytes(-file.tell() % _ALIGNED))
    digest, at = blake3(), file.tell()
    for part in [value] if isinstance(value, bytes) else _npy(value):
        for start in range(0, len(part), _CACHED):
            piece = part[start : start + _CACHED]
            file.write(piece)
            digest.update(piece)
    return {"at": at, "size": file.tell() - at, "blake3": digest.hexdigest()}


def _npy(array: Array) -> Iterator[bytes | memoryview[int]]:
    """Yield what `numpy.save` would write: the header, then the values as they lie in memory."""
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    yield header.getvalue()
    if array.size:
        yield (array if array.flags.c_contiguous else array.T).reshape(-1).view(np.uint8).data
