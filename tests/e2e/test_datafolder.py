"""data.folder finds the files of a competition, data.rename gives their columns the names a recipe knows them by."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

NAMED = "{train: train.csv, test: test.csv, id: id"
MOVED = "{folder: there, id: id"


@pytest.fixture
def there(toy):
    """The toy competition with its files in a folder of their own, and a recipe that names the folder."""
    folder = toy.folder / "there"
    folder.mkdir()
    for name in ("train.csv", "test.csv"):
        shutil.move(toy.folder / name, folder / name)
    pl.read_csv(folder / "test.csv").select("id", y=pl.lit(0.5)).write_csv(folder / "sample_submission.csv")
    (folder / "test_notes.md").write_text("no data")
    toy.edit((NAMED, MOVED))
    return toy


def error(toy, *options: str) -> str:
    done = toy.kit("check", str(toy.folder / "r.yaml"), *options)
    assert done.code == 2 and done.err.count("next:") == 1, done.err
    return done.err


def test_files_in_the_folder_are_those_a_recipe_names(there):
    first = there.run()
    assert pl.read_csv(first.json["submission"]).columns == ["id", "y"]
    named = "{train: there/train.csv, test: there/test.csv, sample: there/sample_submission.csv, id: id"
    there.edit((NAMED, named))
    assert there.run().stages["run"] == 0


def test_set_moves_a_recipe_to_another_folder(there):
    here = there.run().json["models"]["a"]["score"]
    other = there.folder / "other"
    other.mkdir()
    for name in ("train.csv", "test.csv"):
        pl.read_csv(there.folder / "there" / name).with_columns(x1=-pl.col("x1")).write_csv(other / name)
    done = there.run("--set", f"data.folder={other}")
    assert done.stages["run"] > 0 and done.json["models"]["a"]["score"] != here
    assert pl.read_csv(done.json["submission"]).columns == ["id", "y"]


def test_a_file_that_is_named_wins_and_may_lie_in_the_folder(there):
    shutil.copy(there.folder / "there" / "train.csv", there.folder / "there" / "train_old.csv")
    assert "train.csv, train_old.csv" in error(there) and "data.train" in error(there)
    assert there.run("--set", "data.train=train.csv").stages["failed"] == 0
    away = there.folder / "train.csv"
    shutil.move(there.folder / "there" / "train.csv", away)
    assert there.run("--set", "data.train=train.csv").stages["run"] == 0


def test_without_the_folder_one_error_says_what_to_set(there):
    shutil.move(there.folder / "there", there.folder / "gone")
    told = error(there)
    assert "r.yaml:1: there is no folder of data" in told and "--set data.folder=" in told
    done = there.kit(
        "check", str(there.folder / "r.yaml"), "--set", f"data.train={there.folder / 'gone' / 'train.csv'}"
    )
    assert done.code == 0, done.err
    (there.folder / "there").mkdir()
    assert "holds no file of training rows" in error(there)


def test_a_folder_and_a_source_exclude_each_other(there):
    there.edit((NAMED, "{folder: there, source: sklearn:diabetes, id: id"))
    assert "either a train file or a source" in error(there)


RENAMED = "data: {train: other.csv, test: other_test.csv, id: id, target: y, rename: {first: x1, x2: x2b}}"


def test_renamed_columns_are_the_recipes_own(toy):
    """Same bytes as under the names the recipe knows, at once for a file that has those names already."""
    toy.run()
    expected = toy.oof("final", "test")["pred"].to_list()
    for old, new in (("train", "other"), ("test", "other_test")):
        frame = pl.read_csv(toy.folder / f"{old}.csv")
        frame = frame.rename({"x1": "first"}) if old == "train" else frame
        frame.write_csv(toy.folder / f"{new}.csv")
    toy.edit(("data: {train: train.csv, test: test.csv, id: id, target: y}", RENAMED))
    assert "x2b" not in toy.kit("check", str(toy.folder / "r.yaml"), "--set", "data.rename={first: x1}").out
    assert toy.run("--set", "data.rename={first: x1}").stages["failed"] == 0
    assert toy.oof("final", "test")["pred"].to_list() == expected
    assert "x2b" in toy.kit("check", str(toy.folder / "r.yaml")).out


def test_new_rows_are_renamed_as_the_training_rows_were(toy):
    toy.edit(("target: y}", "target: y, rename: {x1: first}}"))
    toy.run("--keep-models")
    out = toy.folder / "new.parquet"
    assert toy.kit("predict", "r", str(toy.folder / "test.csv"), "-o", str(out)).code == 0
    assert pl.read_parquet(out)["pred"].to_list() == toy.oof("final", "test")["pred"].to_list()


def test_what_no_file_has_cannot_be_renamed(toy):
    toy.edit(("target: y}", "target: y, rename: {x11: first}}"))
    told = error(toy)
    assert "the renamed column is not in the training data" in told and "got:     x11" in told and "x1" in told
    toy.edit(("target: y}", "target: y, rename: {x1: first, x2: first}}"))
    assert "rename must be a mapping to different names" in toy.kit("check", str(toy.folder / "r.yaml")).err
