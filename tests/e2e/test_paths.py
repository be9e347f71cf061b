"""Paths as people have them: pipes, links, names too long, folders that were copied. Words, never a hang or a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import kit
from kit import paths
from kit.errors import DataError, RecipeError

LONG = "a" * 300


@pytest.fixture
def pipe(tmp_path) -> Path:
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("name", "rule", "got"),
    [
        ("pipe.csv", "the path is a pipe or a device, not a file", "pipe.csv"),
        ("link.csv", "the link leads to no file", "link.csv, gone.csv"),
        ("folder", "the path is a folder, not a file", "folder"),
        (f"{LONG}.csv", "the file cannot be read", "aaa...File name too long"),
        ("trian.csv", "the file does not exist", "trian.csv"),
    ],
)
def test_data_that_is_no_file_is_told_at_its_line(toy, pipe, name, rule, got):
    (toy.folder / "link.csv").symlink_to("gone.csv")
    (toy.folder / "folder").mkdir()
    toy.edit(("train: train.csv", f"train: {name}"))
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2
    assert f"r.yaml:1: {rule}" in done.err
    assert all(part in done.err for part in got.split("..."))
    assert ("did you mean 'train.csv'?" in done.err) == (name == "trian.csv")


def test_pipes_are_refused_by_every_command_that_reads_a_file(toy, pipe):
    toy.run("--keep-models")
    array = toy.folder / "pipe.npy"
    os.mkfifo(array)
    recipe = str(toy.folder / "r.yaml")
    for command in (
        ("import", str(pipe), "--name", "m", "--recipe", recipe),
        ("import", str(array), "--name", "m", "--recipe", recipe),
        ("predict", recipe, str(pipe), "-o", str(toy.folder / "o.csv")),
        ("predict", recipe, str(toy.folder / "test.csv"), "-o", str(pipe)),
    ):
        done = toy.kit(*command)
        assert done.code == 2, command
        assert "the path is a pipe or a device, not a file" in done.err
    assert "a pipe" in toy.kit("submit", "--check", str(pipe), "--recipe", recipe).out
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    "command",
    [
        ("blend", f"r:{LONG}"),
        ("errors", LONG),
        ("audit", LONG),
        ("ls", "--root", LONG),
        ("gc", "--root", LONG),
        ("log", "--root", LONG),
        ("lb", "add", f"{LONG}.csv", "1"),
        ("import", f"{LONG}.csv", "--name", "m", "--metric", "rmse"),
    ],
)
def test_a_name_that_no_system_takes_is_an_error_in_words(toy, command):
    done = toy.kit(*command)
    assert done.code == 2
    assert "File name too long" in done.err


def test_a_result_s_name_is_no_longer_than_a_file_s(toy):
    toy.run()
    done = toy.kit("blend", "r:a", "r:b", "--name", "a" * 101)
    assert done.code == 2
    assert "at most 100" in done.err
    assert toy.kit("blend", "r:a", "r:b", "--name", "a" * 100).code == 0
    toy.edit(("  a: {use", f"  {'b' * 101}: {{use"), ("[a, b]", f"[{'b' * 101}, b]"))
    assert "100 at most" in toy.kit("check", str(toy.folder / "r.yaml")).err


def test_predictions_go_to_the_file_that_a_link_leads_to(toy):
    toy.run("--keep-models")
    (toy.folder / "real.csv").write_text("before")
    (toy.folder / "link.csv").symlink_to("real.csv")
    made = str(toy.folder / "link.csv")
    assert toy.kit("predict", str(toy.folder / "r.yaml"), str(toy.folder / "test.csv"), "-o", made).code == 0
    assert (toy.folder / "link.csv").is_symlink()
    assert len(pl.read_csv(toy.folder / "real.csv")) == 40


def test_two_that_write_one_file_write_it_whole(tmp_path):
    """Both wrote to one name beside it, so that the first put in place what the second was writing."""
    path = tmp_path / "o.csv"
    with paths.whole(path) as one:
        one.write_text("one, whole")
        with paths.whole(path) as two:
            two.write_text("tw")
            assert one.read_text() == "one, whole"
            assert not path.exists()
    assert path.read_text() == "one, whole"
    with pytest.raises(RuntimeError), paths.whole(path) as three:
        three.write_text("three")
        raise RuntimeError
    assert path.read_text() == "one, whole"
    assert os.listdir(tmp_path) == ["o.csv"]


def test_a_copied_folder_is_a_project_of_its_own(toy, tmp_path):
    """The original stays: it was called a namesake, and blends in the copy took weights and sample of the original."""
    toy.root = toy.folder
    toy.run()
    copy = tmp_path / "copy"
    shutil.copytree(toy.folder, copy, ignore=shutil.ignore_patterns("copy"))
    test = pl.read_csv(copy / "test.csv")
    test.select("id", told=pl.lit(0.5)).reverse().write_csv(copy / "sample.csv")
    text = (copy / "r.yaml").read_text("utf-8")
    (copy / "r.yaml").write_text(text.replace("test: test.csv", "test: test.csv, sample: sample.csv"), "utf-8")
    blend = pl.read_csv(kit.blend(("r:a", "r:b"), root=copy, use="mean").submission)
    assert blend.columns == ["id", "told"]
    made = kit.run(copy / "r.yaml", root=copy)
    assert made.stages["failed"] == 0
    assert pl.read_csv(made.submission).columns == ["id", "told"]
    with pytest.raises(RecipeError, match="two recipes have the name"):
        kit.run(toy.write(name="other.yaml", text="name: r\n" + text), root=toy.root)


def test_a_file_is_required(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    paths.require_file(tmp_path / "a.npy")
    with pytest.raises(DataError, match="cannot be read"):
        paths.require_file(tmp_path / "a\0b")


@pytest.mark.parametrize(("folder", "file"), [("prøjekt", "train.csv"), ("plain", "trän.csv"), ("plain", "train.csv")])
def test_names_beyond_ascii_where_python_knows_ascii_only(toy, folder, file):
    """A locale of plain C and Python told to follow it: polars was handed what is no path, and ended in a traceback."""
    home = toy.folder / folder
    home.mkdir()
    for name, to in (("train.csv", file), ("test.csv", "test.csv")):
        shutil.copy(toy.folder / name, home / to)
    (home / "r.yaml").write_text((toy.folder / "r.yaml").read_text("utf-8").replace("train.csv", file), "utf-8")
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "kit", "check", "r.yaml"]
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, check=False, timeout=120)
    if (folder + file).isascii():
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 2
    assert b"this Python cannot name files beyond ASCII" in done.stderr
    assert b"set PYTHONUTF8=1" in done.stderr


@pytest.fixture
def two_disks(toy, monkeypatch):
    """The cache is on another disk than the results: nothing can be renamed from one to the other."""
    rename, cache = Path.rename, toy.root / ".kit"

    def within(self, target):
        if self.is_relative_to(cache) != Path(target).is_relative_to(cache):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", within)
    return toy


def hidden(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob(".*") if ".kit" not in p.parts]


def test_the_cache_may_lie_on_another_disk(two_disks):
    toy = two_disks
    expected = toy.run(root=toy.folder / "one").submitted
    assert toy.run("--keep-models").submitted == expected
    edited = toy.edit(("n_estimators: 5", "n_estimators: 6"))
    toy.run()
    toy.edit()
    assert toy.run().submitted == expected
    assert kit.blend(("r:a", "r:b"), root=toy.root).submission
    assert kit.import_oof(toy.root / "oof/r/a/oof.parquet", name="m", recipe=edited, root=toy.root)
    toy.edit(("metric: rmse", "metric: rmse\nalso: [mae]"))  # the folders are written again under their keys
    toy.run()
    assert hidden(toy.root) == []
    assert len(list((toy.root / "oof" / "r" / "_history").iterdir())) == 6
    assert all(not r["gone"] for r in (kit.replay(n, root=toy.root) for n in (1, 2, 3)))


def test_a_copy_that_a_kill_ended_is_no_result(two_disks):
    toy = two_disks
    toy.run()
    shutil.copytree(toy.root / "oof" / "r" / "a", toy.root / "oof" / "r" / ".0123456789ab.moved")
    assert {line["model"] for line in kit.ls(toy.root)} == {"a", "b", "mix", "final"}
    assert "moved" not in toy.kit("audit").out
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    toy.run()
    assert hidden(toy.root) == []


def test_a_folder_that_is_gone_is_an_error_in_words(tmp_path):
    command = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -c 'from kit.cli import main; main()' ls"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert (done.returncode, b"the current folder is gone" in done.stderr) == (2, True)
