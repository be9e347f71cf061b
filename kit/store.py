"""The object store under `.kit/objects`: results by key, committed whole or not at all, checked when read."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3

from kit import devices
from kit.canon import FORMAT, canonical, digest_file, digest_object
from kit.errors import FitError, writing
from kit.types import Array

log = logging.getLogger("kit")

MANY_BYTES, LONG_BYTES = 1 << 24, 1 << 16
"""An object of more bytes is written by several threads where its files are that long as a rule: threads that make many
short ones wait for each other in the folder."""

STALE_SECONDS = 86_400
"""Age after which a temporary folder is taken for the rest of a killed process."""


class Later(NamedTuple):
    """An array that is made when it is written, and about how many bytes it will have."""

    make: Callable[[], Array]
    nbytes: int


@dataclass(frozen=True)
class Stored:
    """One object: `meta` (JSON), named arrays and blobs, and the ingredients its key was made of."""

    key: str
    folder: Path
    meta: Mapping[str, Any]
    ingredients: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def path(self, name: str) -> Path:
        """Return the file that holds `name`."""
        return self.folder / str(self.files[name]["file"])

    def array(self, name: str, *, mmap: bool = False) -> Array:
        """Return an array; memory-mapped, read-only, where asked for."""
        loaded: Array = np.load(self.path(name), mmap_mode="r" if mmap else None, allow_pickle=False)
        return loaded

    def blob(self, name: str) -> bytes:
        """Return the bytes of a blob."""
        return self.path(name).read_bytes()

    def digest(self, name: str) -> str:
        """Return the digest of a file's bytes, "" where there is no such file."""
        return str(_digest_in(self.files[name])[1]) if name in self.files else ""

    def intact(self) -> bool:
        """Return whether every file still has its checksum."""
        try:
            return all(_has_checksum(self.folder / f["file"], f) for f in self.files.values())
        except OSError:
            return False


class Store:
    """Results by key. Any number of processes may use one store at once.

    An object is written into a temporary folder, its manifest last, and renamed into place: a kill leaves nothing that
    could be taken for a result. The first of two equal commits wins.
    """

    def __init__(self, root: Path) -> None:
        self.root = root / ".kit"
        self._objects = self.root / "objects"
        self._tmp = self.root / "tmp"

    def has(self, key: str, needs: Iterable[str] = ()) -> bool:
        """Return whether the object is there with all its files in full size, and with the files `needs` names."""
        stored = self._read(key)
        return stored is not None and all(any(f.startswith(n) for f in stored.files) for n in needs)

    def open(self, key: str) -> Stored:
        """Return the object.

        Raises:
            FitError: it is not there.
        """
        stored = self._read(key)
        if stored is None:
            raise FitError("a stored result is gone", got=key, next="run the same command again")
        return stored

    def check(self, key: str) -> bool:
        """Return whether the object is intact, checksums included. A damaged one is moved away with a warning."""
        stored = self._read(key)
        if stored is not None and stored.intact():
            return True
        self.discard(key)
        return False

    def commit(
        self,
        key: str,
        files: Mapping[str, Array | bytes | Later],
        meta: Mapping[str, Any],
        ingredients: Mapping[str, Any],
        folder: Path | None = None,
    ) -> Stored:
        """Write an object and return it. Files of `folder` (a saved model) are taken in as `<folder name>/<file>`."""
        with writing(str(self.root)), self.scratch() as temp:
            listed = _write_all(temp, files)
            if folder is not None:
                listed.update(_take_in(temp, folder))
            manifest = {"format": FORMAT, "key": key, "meta": meta, "ingredients": ingredients, "files": listed}
            (temp / "manifest.json").write_text(_signed(canonical(manifest)), "utf-8")
            self._install(key, temp, needs=listed)
        return self.open(key)

    def discard(self, key: str) -> None:
        """Remove an object, whatever its state; warns where there was one."""
        if not self._path(key).exists():
            return
        log.warning("stored result %s is damaged and will be made again", key[:12])
        self._trash(self._path(key))

    def temporary(self) -> Path:
        """Return a new empty folder on the same disk as the objects."""
        temp = self._tmp / f"{os.getpid()}-{uuid.uuid4().hex}"
        temp.mkdir(parents=True)
        return temp

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a new empty folder on the same disk as the objects; what is left of it in the end is removed."""
        temp = self.temporary()
        try:
            yield temp
        finally:
            shutil.rmtree(temp, ignore_errors=True)

    def keys(self) -> list[str]:
        """Return the keys of all objects, sorted."""
        return sorted(p.name for p in self._objects.glob("??/*"))

    def gc(self, keep: Iterable[str], *, dry: bool = False) -> tuple[int, int]:
        """Remove objects that are not in `keep` and rests of killed processes; return (objects, bytes) removed."""
        kept = set(keep)
        gone = [self._path(key) for key in self.keys() if key not in kept]
        size = sum(f.stat().st_size for folder in gone for f in folder.rglob("*") if f.is_file())
        if not dry:
            for folder in gone:
                self._trash(folder)
            for rest in self._tmp.glob("*"):
                if time.time() - rest.stat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(rest, ignore_errors=True)
        return len(gone), size

    def _path(self, key: str) -> Path:
        return self._objects / key[:2] / key

    def _read(self, key: str) -> Stored | None:
        folder = self._path(key)
        try:
            manifest = _sound((folder / "manifest.json").read_text("utf-8"))
            at = str(folder)  # a table has a file per column: a Path of each takes longer than the look at it
            sizes = [os.stat(os.path.join(at, f["file"])).st_size == f["size"] for f in manifest["files"].values()]
            if manifest["format"] != FORMAT or not all(sizes):
                raise ValueError("a file was cut")
        except FileNotFoundError:
            if folder.exists():
                self.discard(key)
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.discard(key)
            return None
        return Stored(key, folder, manifest["meta"], manifest["ingredients"], manifest["files"])

    def _install(self, key: str, temp: Path, needs: Iterable[str]) -> None:
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(3):
            try:
                temp.rename(target)
                return
            except OSError:
                if self.has(key, needs):
                    return
                if attempt == 2:
                    raise
                self._trash(target)

    def _trash(self, folder: Path) -> None:
        grave = self._tmp / f"trash-{uuid.uuid4().hex}"
        grave.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)


@lru_cache(maxsize=64)  # one command opens the same table and rows again and again
def _sound(text: str) -> Mapping[str, Any]:
    """Return the manifest that a text holds, which was not altered."""
    body = "{" + text[len(_signed("{")) :]
    if text != _signed(body):
        raise ValueError("the manifest was altered")
    manifest: dict[str, Any] = json.loads(body)
    return manifest


def _signed(body: str) -> str:
    """Return the canonical text of a mapping with its digest in it, which is the first of the sorted keys."""
    return f'{{"digest":"{hashlib.sha256(body.encode()).hexdigest()}",{body[1:]}'


def _write_all(temp: Path, files: Mapping[str, Array | bytes | Later]) -> dict[str, dict[str, Any]]:
    """Write the files, each value once, and return their entries; many bytes by several threads: they leave Python."""
    once = {id(value): value for value in files.values()}  # an array may stand under two names
    numbered = list(enumerate(once.values()))
    size = sum(len(v) if isinstance(v, bytes) else v.nbytes for v in once.values())
    if size <= max(MANY_BYTES, LONG_BYTES * len(once)):
        written = [_write(temp, *item) for item in numbered]
    else:
        with ThreadPoolExecutor(devices.cores()) as pool:
            written = list(pool.map(lambda item: _write(temp, *item), numbered))
    entries = dict(zip(once, written, strict=True))
    return {name: entries[id(value)] for name, value in files.items()}


def _write(temp: Path, number: int, value: Array | bytes | Later) -> dict[str, Any]:
    """Write an array in numpy's format, or bytes, and return its entry; hashed on the way, as it is in memory."""
    value = value.make() if isinstance(value, Later) else value
    name = f"{number}.bin" if isinstance(value, bytes) else f"{number}.npy"
    digest, size = blake3(), 0
    with (temp / name).open("wb") as file:
        for part in [value] if isinstance(value, bytes) else _npy(value):
            file.write(part)
            digest.update(part)
            size += len(part)
    return {"file": name, "size": size, "blake3": digest.hexdigest()}


def _digest_in(entry: Mapping[str, Any]) -> tuple[Callable[[Path], str], str]:
    """Return how the file of an entry is hashed, and its digest; sha256 is what objects of older kits have."""
    return (digest_object, entry["blake3"]) if "blake3" in entry else (digest_file, entry["sha256"])


def _has_checksum(path: Path, entry: Mapping[str, Any]) -> bool:
    made, digest = _digest_in(entry)
    return made(path) == digest


def _npy(array: Array) -> Iterator[bytes | memoryview[int]]:
    """Yield what `numpy.save` would write: the header, then the values as they lie in memory."""
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    yield header.getvalue()
    if array.size:
        yield (array if array.flags.c_contiguous else array.T).reshape(-1).view(np.uint8).data


def _take_in(temp: Path, folder: Path) -> dict[str, dict[str, Any]]:
    taken = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        (temp / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, temp / name)
        taken[name] = _entry(temp / name, name)
    return taken


def _entry(path: Path, name: str) -> dict[str, Any]:
    return {"file": name, "size": path.stat().st_size, "blake3": digest_object(path)}
