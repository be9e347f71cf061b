"""A disk that is full, and names that meet: one clear error, nothing half-written, and the same command goes on."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import RECIPE

import kit.ledger
import kit.objectfiles
import kit.presence

WRITERS = ((Path, "write_bytes"), (Path, "write_text"), (kit.objectfiles, "_append"))


class Disk:
    """Counts what is written; from `room` on the disk is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room, self.written = 10**9, 0
        for owner, name in WRITERS:
            monkeypatch.setattr(owner, name, self._guarded(getattr(owner, name)))

    def _guarded(self, write: Any) -> Any:
        def guarded(*args: Any, **options: Any) -> Any:
            self.written += 1
            if self.written > self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(*args, **options)

        return guarded


def whole(root: Path) -> bool:
    """Return whether every file that people see is whole, and no scratch is left."""
    for folder in (root / "oof").glob("*/*"):
        for file in folder.glob("*.parquet"):
            pl.read_parquet(file)
        if folder.name != "_history" and not all(
            (folder / f).is_file() for f in ("card.json", "oof.parquet", "folds.parquet")
        ):
            return False
    csvs = sorted((root / "submissions").glob("*.csv"))
    return not list((root / ".kit" / "tmp").glob("*")) and all(c.with_suffix(".json").is_file() for c in csvs)


def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(toy, monkeypatch):
    toy.run(root=toy.folder / "before")  # after it the fingerprints of kit's own code are kept
    disk = Disk(monkeypatch)
    expected = toy.run(root=toy.folder / "unhurt").submitted
    total, disk.written = disk.written, 0
    assert total > 50
    for room in [*range(0, total, 7), total - 1, total - 2]:
        shutil.rmtree(toy.root, ignore_errors=True)
        disk.room, disk.written = room, 0
        done = toy.kit("run", str(toy.folder / "r.yaml"), "--json")
        assert done.code in (2, 3), room
        assert "No space left on device" in done.err and "Traceback" not in done.err, room
        assert "a result could not be written" in done.err, room
        assert whole(toy.root), room
    disk.room = 10**9
    assert toy.run().submitted == expected


def test_check_on_a_full_disk(toy, monkeypatch):
    disk = Disk(monkeypatch)
    disk.room = 0
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "could not be written" in done.err


def test_gc_where_nothing_can_be_written(toy, monkeypatch):
    toy.run()

    def refused(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(kit.presence.FileLock, "acquire", refused)
    done = toy.kit("gc")
    assert done.code == 2 and "Read-only file system" in done.err


def test_two_recipes_with_one_name_do_not_overwrite_each_other(toy):
    toy.write("name: same\n" + RECIPE, "one.yaml")
    toy.write("name: same\n" + RECIPE.replace("n_estimators: 5", "n_estimators: 6"), "two.yaml")
    first = toy.run(recipe="one.yaml")
    card = toy.card("a", recipe="same")
    done = toy.kit("run", str(toy.folder / "two.yaml"))
    assert done.code == 2
    assert "two.yaml:1: two recipes have the name same" in done.err and "one.yaml" in done.err
    assert toy.card("a", recipe="same") == card
    assert toy.run(recipe="two.yaml", root=toy.folder / "elsewhere").submitted != first.submitted
    (toy.folder / "one.yaml").rename(toy.folder / "moved.yaml")
    assert toy.run(recipe="two.yaml").stages["run"] > 0, "a file that is gone holds no name"


def test_a_recipe_that_was_renamed_gives_its_name_free(toy):
    toy.write("name: same\n" + RECIPE, "one.yaml")
    toy.write("name: same\n" + RECIPE, "two.yaml")
    toy.run(recipe="one.yaml")
    toy.write("name: other\n" + RECIPE, "one.yaml")
    assert toy.run(recipe="two.yaml").stages["run"] == 0


def test_a_submission_whose_line_was_lost_gets_it(toy, monkeypatch):
    """The disk is full, or a kill comes, when the files are there and the line of the ledger is not."""
    toy.run()
    assert toy.kit("lb", "add", "1", "0.5").code == 0
    toy.edit(("n_estimators: 8", "n_estimators: 9"))
    append = kit.ledger.append

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kit.ledger, "append", full)
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "No space left on device" in done.err
    monkeypatch.setattr(kit.ledger, "append", append)
    assert toy.run().stages["run"] == 0
    lines = kit.ledger.read(toy.root / "submissions")
    assert [(line.number, line.event) for line in lines] == [(1, "submitted"), (1, "score"), (2, "submitted")]
    assert toy.run().stages["run"] == 0
    assert kit.ledger.read(toy.root / "submissions") == lines


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_command_whose_output_has_no_place_says_so() -> None:
    with Path("/dev/full").open("w") as full:
        made = subprocess.run(
            [sys.executable, "-m", "kit", "show", "metric", "rmse"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert made.returncode == 2
    assert made.stderr == "nothing more can be written: No space left on device; results that are whole are kept\n"
