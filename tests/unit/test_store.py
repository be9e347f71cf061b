from __future__ import annotations

import hashlib
import io
import json
import logging
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from kit import objectfiles
from kit.canon import canonical, key_of
from kit.errors import FitError
from kit.objectfiles import PACK, Later
from kit.store import STALE_SECONDS, Store

MADE = {"verb": "test", "n": 1}
KEY = key_of(MADE)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def put(store: Store, key: str = KEY, value: float = 1.0):
    return store.commit(key, {"x": np.full((3, 2), value), "text": b"bytes"}, {"about": "it"}, MADE)


def test_what_is_committed_can_be_opened(store):
    assert not store.has(KEY)
    stored = put(store)
    assert store.has(KEY)
    assert store.check(KEY)
    again = Store(store.root.parent).open(KEY)
    for one in (stored, again):
        assert one.meta == {"about": "it"}
        assert one.ingredients == MADE
        assert "x" in one
        assert "y" not in one
        np.testing.assert_array_equal(one.array("x"), np.ones((3, 2)))
        assert one.blob("text") == b"bytes"
    assert not again.array("x", mmap=True).flags.writeable
    assert again.array("x").flags.writeable
    assert store.keys() == [KEY]
    assert list((store.root / "tmp").iterdir()) == []


def test_an_absent_object_is_refused(store):
    with pytest.raises(FitError, match="a stored result is gone"):
        store.open(KEY)
    assert not store.check(KEY)
    assert store.keys() == []


def test_the_first_of_two_equal_commits_wins(store):
    put(store, value=1.0)
    put(store, value=2.0)
    assert store.open(KEY).array("x")[0, 0] == 1.0
    assert list((store.root / "tmp").iterdir()) == []


def test_a_commit_replaces_a_damaged_object(store):
    put(store).path("x").write_bytes(b"short")
    assert put(store, value=3.0).array("x")[0, 0] == 3.0


def test_files_of_a_folder_are_taken_in(store, tmp_path):
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    stored = store.commit(KEY, {"x": np.ones(1)}, {}, MADE, folder)
    assert stored.blob("model/a.txt") == b"a"
    assert stored.blob("model/deep/b.txt") == b"b"
    assert store.has(KEY, ("model",))
    assert not store.has(KEY, ("other",))


def test_a_commit_with_more_files_replaces_one_that_lacks_them(store, tmp_path):
    put(store)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    store.commit(KEY, {"x": np.ones((3, 2)), "text": b"bytes"}, {}, MADE, folder)
    assert store.has(KEY, ("model",))


@pytest.mark.parametrize(
    "damage", ["cut", "grown", "lost", "manifest lost", "manifest cut", "manifest altered", "a newer format"]
)
def test_damage_that_shows_makes_a_miss_with_a_warning(store, damage, caplog):
    stored = put(store)
    path, manifest = stored.path("x"), stored.folder / "manifest.json"
    text = manifest.read_text()
    actions = {
        "cut": lambda: path.write_bytes(path.read_bytes()[:-1]),
        "grown": lambda: path.write_bytes(path.read_bytes() + b"0"),
        "lost": path.unlink,
        "manifest lost": manifest.unlink,
        "manifest cut": lambda: manifest.write_text(text[:-5]),
        "manifest altered": lambda: manifest.write_text(text.replace("about", "obout")),
        "a newer format": lambda: manifest.write_text(json.dumps({**json.loads(text), "format": 99})),
    }
    actions[damage]()
    with caplog.at_level(logging.WARNING):
        assert not store.has(KEY)
    assert f"stored result {KEY[:12]} is damaged" in caplog.text
    assert store.keys() == []
    caplog.clear()
    assert not store.has(KEY)
    assert caplog.text == ""
    assert put(store).array("x").shape == (3, 2)


def test_a_flipped_bit_is_found_by_check(store, caplog):
    path = put(store).path("x")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert store.has(KEY)
    assert not store.check(KEY)
    assert "damaged" in caplog.text
    assert not store.has(KEY)


def test_objects_of_older_kits_are_checked_by_their_sha256(store):
    stored = put(store)
    manifest = json.loads((stored.folder / "manifest.json").read_text())
    del manifest["digest"]
    for name in manifest["files"]:  # each in a file of its own
        data = stored.blob(name)
        (stored.folder / f"{name}.bin").write_bytes(data)
        entry = {"file": f"{name}.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest["files"][name] = entry
    digest = hashlib.sha256(canonical(manifest).encode()).hexdigest()
    (stored.folder / "manifest.json").write_text(canonical({**manifest, "digest": digest}))
    assert store.check(KEY)
    assert store.open(KEY).digest("x") == manifest["files"]["x"]["sha256"]
    assert store.open(KEY).digest("y") == ""
    np.testing.assert_array_equal(store.open(KEY).array("x"), np.ones((3, 2)))
    (stored.folder / "text.bin").write_bytes(b"bites")
    assert not store.check(KEY)


@pytest.mark.parametrize("n", [3, 100_000])
def test_an_array_under_two_names_is_written_once(store, n):
    x = np.arange(float(n))
    stored = store.commit(KEY, {"w": x, "v": x, "y": x.copy()}, {}, MADE)
    assert stored.files["w"] == stored.files["v"] != stored.files["y"]
    assert sum(f.stat().st_size for f in stored.folder.iterdir()) < 2 * x.nbytes + 2000
    for name in "wvy":
        np.testing.assert_array_equal(stored.array(name), x)
    assert stored.digest("w") == stored.digest("v") == stored.digest("y") != ""


ARRAYS = {
    "rows": np.arange(12.0).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "every other": np.arange(20, dtype=np.int32)[::2],
    "none": np.empty((0, 3), np.float32),
    "one": np.array(7.5),
    "flags": np.array([True, False]),
    "many": np.arange(50_000.0),
    "many columns": np.asfortranarray(np.arange(60_000.0).reshape(300, 200)),
}


OWN = ["0.npy", "1.npy", "2.npy", "3.bin", "manifest.json", "short.bin"]


@pytest.mark.parametrize(("many", "names"), [(1 << 20, OWN), (1 << 24, OWN[-2:])])
def test_short_values_lie_in_one_file_and_many_bytes_in_files_of_their_own(store, monkeypatch, many, names):
    monkeypatch.setattr(objectfiles, "MANY_BYTES", many)
    later = {"made later": Later(lambda: np.arange(9), 72), "made later, long": Later(lambda: np.ones(30_000), 240_000)}
    blobs = {"bytes": b"abc", "no bytes": b"", "many bytes": b"x" * 70_000}
    stored = store.commit(KEY, {**ARRAYS, **later, **blobs}, {}, MADE)
    assert sorted(f.name for f in stored.folder.iterdir()) == names
    for name, array in {**ARRAYS, **{n: a.make() for n, a in later.items()}}.items():
        for mmap in (False, True):
            found = stored.array(name, mmap=mmap)
            np.testing.assert_array_equal(found, array)
            assert (found.dtype, found.shape, found.flags.writeable) == (array.dtype, array.shape, not mmap)
            assert found.strides == np.load(io.BytesIO(stored.blob(name))).strides
        assert isinstance(found, np.memmap) == (array.nbytes > 2**16)
        assert np.load(io.BytesIO(stored.blob(name))).tolist() == array.tolist(), "each is a npy file in itself"
    assert {name: stored.blob(name) for name in blobs} == blobs
    assert store.check(KEY)


def test_an_array_of_another_form_is_no_stored_one(tmp_path):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(3), version=(2, 0))
    (tmp_path / PACK).write_bytes(file.getvalue())
    with pytest.raises(ValueError, match="version"):
        objectfiles.read_array(tmp_path, {"file": PACK, "at": 0, "size": file.tell()}, mmap=False)


@pytest.mark.parametrize("place", [0, 100, 200, -1])
def test_a_flipped_bit_among_the_short_ones_is_found(store, place):
    stored = store.commit(KEY, {str(i): np.full(3, i) for i in range(3)}, {}, MADE)
    path = stored.folder / "short.bin"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))
    assert store.has(KEY)
    assert not store.check(KEY)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("size", [3, 1 << 15])
def test_a_damaged_value_is_never_read(store, size, mmap):
    """Opened before or after, short or long: the value is refused, and the object is a miss from then on."""
    stored = store.commit(KEY, {"x": np.ones(size), "text": b"bytes"}, {}, MADE)
    assert stored.array("x", mmap=mmap).sum() == size
    path = stored.path("x")
    data = bytearray(path.read_bytes())
    data[stored.files["x"].get("at", 0) + stored.files["x"]["size"] - 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))  # a clock that ticks too seldom to tell is no part of this
    assert store.has(KEY)
    with pytest.raises(FitError, match="a stored result is damaged"):
        stored.array("x", mmap=mmap)
    assert not store.has(KEY)
    with pytest.raises(FitError, match="a stored result is gone"):
        stored.blob("text")


def test_gc_removes_what_is_not_kept_and_old_rests(store):
    other = key_of({"n": 2})
    put(store)
    put(store, other)
    old, young = store.temporary(), store.temporary()
    os.utime(old, (time.time() - STALE_SECONDS - 9,) * 2)
    count, size = store.gc([KEY], dry=True)
    assert count == 1
    assert size > 100
    assert store.has(other)
    assert store.gc([KEY]) == (count, size)
    assert store.keys() == [KEY]
    assert young.exists()
    assert not old.exists()


def test_a_full_disk_is_a_failure_in_words(store, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(FitError, match="a result could not be written"):
        put(store)
    assert not store.has(KEY)
    assert list((store.root / "tmp").iterdir()) == []


def _fill(root: str, n: int) -> None:
    store = Store(root)  # type: ignore[arg-type]
    for i in range(n):
        key = key_of({"i": i})
        store.commit(key, {"x": np.full(50, i)}, {}, {"i": i})
        assert store.open(key).array("x")[0] == i


def test_processes_share_a_store(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill, args=(tmp_path, 60)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [p.exitcode for p in processes] == [0, 0, 0]
    store = Store(tmp_path)
    keys = store.keys()
    assert len(keys) == 60
    assert all(map(store.check, keys))
    assert list((store.root / "tmp").iterdir()) == []
