"""The store of text vectors under `.kit/embeddings`: what was encoded once is never encoded again.

A segment is a folder with the digests of some texts and their vectors. It is written beside, named after its content
and renamed into place: it is there whole or not at all, and never changed. Any number of processes may add and read.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from filelock import FileLock

from kit.contracts import Learnt
from kit.errors import FitError
from kit.types import Array, Bools, Floats32, Ints

log = logging.getLogger("kit")

Device = Literal["cpu", "cuda"]

K = TypeVar("K", bound=Hashable)

STALE_SECONDS = 86_400
"""Age after which an unfinished segment is taken for the rest of a killed process."""

DIGEST = 16
"""Bytes of a text's digest."""


@runtime_checkable
class Costly(Protocol):
    """A learnt feature whose values are worth keeping beyond the result they are made for.

    What it keeps in `folder`, beside the store's objects, must not shape a value: with an empty folder it gives the
    same, later. Other processes use that folder too.
    """

    def placed(self, folder: Path, device: Device) -> Learnt:
        """Return the same feature with a folder to keep values in, to be computed on that device."""


def digests(texts: Sequence[str]) -> Array:
    """Return (n, 16) uint8, what stands for each text in the store.

    >>> digests(["a", "a"])[0].tolist() == digests(["a"])[0].tolist()
    True
    """
    parts = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:DIGEST] for text in texts)
    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, DIGEST)


class VectorStore:
    """Vectors of texts under one folder, which stands for a model and the way it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._segments: list[Path] = []
        self._where: dict[bytes, tuple[int, int]] = {}
        self._checked: dict[int, Array] = {}

    def lock(self) -> FileLock:
        """Return the lock whose holder alone adds to any of the stores beside this one; a dead holder lets go."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder.parent.parent / "lock")

    def has(self, texts: Sequence[str]) -> Bools:
        """Return (n,) whether the vector of each text is there by now."""
        self._look()
        return np.array([row.tobytes() in self._where for row in digests(texts)], np.bool_)

    def get(self, texts: Sequence[str]) -> tuple[Floats32 | None, Bools]:
        """Return vectors (n, d) and (n,) whether each is there; what is not is garbage. None: there is none at all."""
        self._look()
        keys = [row.tobytes() for row in digests(texts)]
        places = np.array([self._where.get(key, (-1, -1)) for key in keys], np.int64).reshape(-1, 2)
        out: Floats32 | None = None
        for number in np.unique(places[:, 0][places[:, 0] >= 0]):
            mine = np.flatnonzero(places[:, 0] == number)
            vectors = self._vectors(int(number))
            if vectors is None:
                return self.get(texts)
            if out is None:
                out = np.empty((len(keys), vectors.shape[1]), np.float32)
            out[mine] = vectors[places[mine, 1]]
        return out, np.asarray(places[:, 0] >= 0)

    def add(self, texts: Sequence[str], vectors: Floats32) -> None:
        """Add the vectors (n, d) of some texts.

        Raises:
            FitError: they cannot be written.
        """
        keys = digests(texts)
        temp = self.folder / f"tmp-{os.getpid()}-{uuid.uuid4().hex}"
        try:
            temp.mkdir(parents=True)
            np.save(temp / "texts.npy", keys, allow_pickle=False)
            np.save(temp / "vectors.npy", np.ascontiguousarray(vectors, np.float32), allow_pickle=False)
            target = self.folder / _checksum(temp)
            if not target.exists():
                temp.rename(target)
        except OSError as error:
            advice = "free disk space, run again"
            rule = "vectors of texts could not be written"
            raise FitError(rule, place=str(self.folder), got=str(error), next=advice) from error
        finally:
            shutil.rmtree(temp, ignore_errors=True)

    def _look(self) -> None:
        """Read the digests of segments that are new, remove what a killed process left."""
        known = set(self._segments)
        for path in sorted(self.folder.glob("*")) if self.folder.is_dir() else []:
            if path.name.startswith("tmp-"):
                _sweep(path)
            elif path not in known:
                self._take(path)

    def _take(self, path: Path) -> None:
        try:
            keys = np.load(path / "texts.npy", allow_pickle=False)
            if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != DIGEST:
                raise ValueError("no digests of texts")
        except (OSError, ValueError, EOFError):
            self._refuse(path)
            return
        number = len(self._segments)
        self._segments.append(path)
        for row, key in enumerate(keys):
            self._where.setdefault(key.tobytes(), (number, row))

    def _vectors(self, number: int) -> Array | None:
        """Return the vectors of a segment, None (and the segment forgotten) where it is not what it was."""
        if number in self._checked:
            return self._checked[number]
        path = self._segments[number]
        try:
            if _checksum(path) != path.name:
                raise ValueError("the segment was altered")
            vectors: Array = np.load(path / "vectors.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            self._refuse(path)
            self._segments, self._where, self._checked = [], {}, {}
            return None
        self._checked[number] = vectors
        return vectors

    def _refuse(self, path: Path) -> None:
        log.warning("stored vectors %s are damaged and will be made again", path.name[:12])
        shutil.rmtree(path, ignore_errors=True)


def size(folder: Path) -> int:
    """Return the bytes of all stores of vectors under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.npy"))


def _checksum(folder: Path) -> str:
    """Return 32 hex digits of a segment's content."""
    digest = hashlib.sha256()
    for name in ("texts.npy", "vectors.npy"):
        with (folder / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]


def _sweep(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    except FileNotFoundError:
        return


def first_of_each(items: Sequence[K]) -> tuple[list[K], Ints]:
    """Return the distinct items in order of their first place, and (n,) the number of each item among them.

    >>> first_of_each(["b", "a", "b"])
    (['b', 'a'], array([0, 1, 0]))
    """
    seen: dict[K, int] = {}
    place = [seen.setdefault(item, len(seen)) for item in items]
    return list(seen), np.array(place, np.int64)
