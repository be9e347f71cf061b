"""The object store under `.kit/objects`: results by key, committed whole or not at all, checked when read."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kit import objectfiles
from kit.canon import FORMAT, canonical
from kit.errors import FitError, writing
from kit.types import Array

log = logging.getLogger("kit")

MANIFEST = "manifest.json"
"""The file that makes a folder an object; it is written last."""

STALE_SECONDS = 86_400
"""Age after which a temporary folder is taken for the rest of a killed process."""


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
        """Return the file that holds `name`; short values share one."""
        return self.folder / str(self.files[name]["file"])

    def array(self, name: str, *, mmap: bool = False) -> Array:
        """Return an array; read-only and, where it is long, memory-mapped, if asked for."""
        return objectfiles.read_array(self.folder, self._sound(name), mmap=mmap)

    def blob(self, name: str) -> bytes:
        """Return the bytes of a blob."""
        return objectfiles.read_bytes(self.folder, self._sound(name))

    def digest(self, name: str) -> str:
        """Return the digest of a value's bytes, "" where there is none of that name."""
        return objectfiles.digest_in(self.files[name]) if name in self.files else ""

    def _sound(self, name: str) -> objectfiles.Entry:
        """Return the entry of a value whose bytes are those that were written.

        Raises:
            FitError: they are not, or the object is gone. Without its manifest it is a miss from then on.
        """
        entry, advice = self.files[name], "run the same command again: it is made anew"
        try:
            if objectfiles.is_sound(self.folder, entry):
                return entry
        except OSError as error:
            raise FitError("a stored result is gone", got=self.key, next=advice) from error
        with suppress(OSError):
            (self.folder / MANIFEST).unlink()
        raise FitError("a stored result is damaged", got=self.key, next=advice)

    def intact(self) -> bool:
        """Return whether every file still has its checksum."""
        try:
            return all(objectfiles.is_intact(self.folder, entry) for entry in self.files.values())
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
        files: Mapping[str, objectfiles.Value],
        meta: Mapping[str, Any],
        ingredients: Mapping[str, Any],
        folder: Path | None = None,
    ) -> Stored:
        """Write an object and return it. Files of `folder` (a saved model) are taken in as `<folder name>/<file>`."""
        with writing(str(self.root)), self.scratch() as temp:
            listed = objectfiles.write_all(temp, files)
            if folder is not None:
                listed.update(objectfiles.take_in(temp, folder))
            manifest = {"format": FORMAT, "key": key, "meta": meta, "ingredients": ingredients, "files": listed}
            (temp / MANIFEST).write_text(_signed(canonical(manifest)), "utf-8")
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
            manifest = _sound((folder / MANIFEST).read_text("utf-8"))
            if manifest["format"] != FORMAT or not objectfiles.are_whole(folder, manifest["files"].values()):
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
