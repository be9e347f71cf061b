"""Several targets: how their results and columns are named, and which rows they are of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import kit
from kit.errors import DataError
from kit.problems import NAME
from kit.strictyaml import Document
from kit.targets import parts

DATA = ("id: id, target: y", "id: id, targets: [z, y]")
UNNAMED = ("id: id, target: y", "targets: [z, y], unlabelled: drop")


def named(name: str, targets: list[str]) -> list[str]:
    """Return the names of the results of these targets."""
    return [part.recipe for part in parts(Document({"name": name, "data": {"targets": targets}}, "r.yaml", {}, ()))]


@pytest.fixture
def two(toy):
    """The toy with a second target."""
    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(z=pl.col("y") * -2 + pl.col("x1")).write_csv(toy.folder / "train.csv")
    toy.edit(DATA)
    return toy


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("r", ["A b", "a-b", "a-b1", "a.b", "a-b-1"]),
        ("r", ["цена", "x", "1", "???", "4", "-1"]),
        ("r" * 95, ["long" * 40, "long" * 40 + "er", "long" * 30]),
        ("store-sales", ["sales", "sales-sales", "store"]),
    ],
)
def test_no_two_targets_write_to_one_place(name, targets):
    found = named(name, targets)
    assert len({*found, name}) == len(targets) + 1 and all(NAME.match(each) for each in found)


def test_a_target_of_any_name_is_picked_and_has_its_column(two):
    odd = ["^y.*$", '😀, "it\'s"', "y"]
    train = pl.read_csv(two.folder / "train.csv").drop("z").with_columns(pl.col("y").alias(c) for c in odd[:2])
    train.write_csv(two.folder / "train.csv")
    test = pl.read_csv(two.folder / "test.csv")
    data = {"train": train, "test": test, "sample": test.select("id", *(pl.lit(0.5).alias(c) for c in odd))}
    recipe = {"data": {**data, "id": "id", "targets": odd}, "metric": "rmse", "models": {"a": "lightgbm"}}
    found = kit.check(recipe, root=two.root)["targets"]
    assert [part["submission"] for part in found.values()] == [f"a as id, {c}" for c in odd]


def test_a_run_of_what_a_submission_was_made_of_makes_nothing_again(two):
    path = Path(two.run("--set", "data.target=z").json["submission"])
    resolved = json.loads(path.with_suffix(".json").read_text("utf-8"))["resolved"]
    data = {k: str(two.folder / v) if k in ("train", "test") else v for k, v in resolved["data"].items()}
    again = kit.run({**resolved, "name": "r", "data": data}, root=two.root)
    assert again.recipe == "r-z" and again.stages["run"] == 0 and again.submission == str(path)


def test_rows_without_an_id_keep_their_numbers_whichever_target_they_lack(two):
    train = pl.read_csv(two.folder / "train.csv").drop("id")
    row = pl.int_range(pl.len())
    train = train.with_columns(z=pl.when(row % 3 == 1).then("z"), y=pl.when(row % 2 == 0).then("y"))
    train.write_csv(two.folder / "train.csv")
    test = pl.read_csv(two.folder / "test.csv").drop("id")
    test.write_csv(two.folder / "test.csv")
    two.edit(UNNAMED)
    made = pl.read_csv(two.run().json["submission"])
    assert made.columns == ["row", "z", "y"] and made["row"].to_list() == list(range(120, 160))
    oof = pl.read_parquet(two.root / "oof" / "r-z" / "a" / "oof.parquet")
    assert oof["row"].sort().to_list() == list(range(1, 120, 3))
    sample = test.select(pl.int_range(5, 45).alias("Id"), y=0, z=0)
    sample.write_csv(two.folder / "sample.csv")
    two.edit(UNNAMED, ("test: test.csv", "test: test.csv, sample: sample.csv"))
    made = pl.read_csv(two.run().json["submission"])
    assert made.columns == ["Id", "y", "z"] and made["Id"].to_list() == list(range(5, 45))


def test_interval_ends_stand_beside_the_submission_under_each_target(two):
    two.run("--keep-models")
    made = kit.predict(two.folder / "r.yaml", two.folder / "test.csv", layout="submission", interval=0.8, root=two.root)
    assert made.columns == ["id", "z", "y", "z_lower", "z_upper", "y_lower", "y_upper"]
    assert (made["z_lower"] <= made["z_upper"]).all() and not made["z_lower"].equals(made["y_lower"].alias("z_lower"))


def test_a_target_in_the_test_file_is_told_of_whichever_target_read_the_data(two):
    train, test = (pl.read_csv(two.folder / f"{part}.csv") for part in ("train", "test"))
    test.with_columns(y=train["y"][: len(test)]).write_csv(two.folder / "test.csv")
    found = kit.check(two.folder / "r.yaml", root=two.root)["targets"]
    told = {t: [f["column"] for f in part["findings"] if "has the target" in f["what"]] for t, part in found.items()}
    assert told == {"z": [], "y": ["y"]}


def test_rows_cut_off_for_test_lose_all_targets(two):
    two.edit(DATA, ("test: test.csv", "holdout: 0.25"))
    found = kit.check(two.folder / "r.yaml", root=two.root)["targets"]
    assert not [f for part in found.values() for f in part["findings"] if "has the target" in f["what"]]


def test_the_id_is_no_target(two):
    two.edit(("target: y", "targets: [y, id]"))
    with pytest.raises(DataError, match="the id cannot be the target"):
        kit.check(two.folder / "r.yaml", root=two.root)


def test_what_was_made_elsewhere_is_imported_for_one_target_and_blended_by_the_recipe(two):
    two.run("--only", "a")
    theirs = pl.read_parquet(two.root / "oof" / "r-z" / "a" / "oof.parquet").select(
        "id", "fold", pred=pl.col("pred") / 2
    )
    theirs.write_csv(two.folder / "theirs.csv")
    test = str(two.root / "oof" / "r-z" / "a" / "test.parquet")
    command = ("import", str(two.folder / "theirs.csv"), "--test", test, "--name", "mate", "--recipe")
    command += (str(two.folder / "r.yaml"),)
    assert '--set data.target="z"' in two.kit(*command).err
    done = two.kit(*command, "--set", "data.target=z", "--json")
    assert done.json["recipe"] == "r-z"
    made = kit.blend(["r-z:a", "r-z:mate"], recipe=two.folder / "r.yaml", root=two.root)
    assert pl.read_parquet(made.oof)["y"].equals(pl.read_parquet(two.root / "oof" / "r-z" / "a" / "oof.parquet")["y"])
    with pytest.raises(DataError, match="not of one target of the recipe"):
        kit.blend(["r-z:a", "r-y:a"], recipe=two.folder / "r.yaml", root=two.root)


def test_a_name_stands_for_the_targets_its_recipe_has_now(two):
    two.run("--keep-models")
    assert {line["recipe"] for line in kit.ls(two.root, recipes=["r"])} == {"r-y", "r-z"}
    two.edit(("id: id, target: y", "id: id, target: y, drop: [z]"))
    two.run("--keep-models")
    test = two.folder / "test.csv"
    assert kit.predict("r", test, root=two.root).columns == ["id", "pred"]
    assert {line["recipe"] for line in kit.ls(two.root, recipes=["r"])} == {"r"}
    two.edit(("id: id, target: y", "id: id, targets: [z, y, x3]"))
    with pytest.raises(DataError, match="no kept models"):
        kit.predict(two.folder / "r.yaml", test, root=two.root)


def test_a_name_that_another_recipe_has_is_told_before_the_first_target_is_fitted(two):
    two.edit(("id: id, target: y", "id: id, target: y, drop: [z]"), name="r-y.yaml")
    two.run(recipe="r-y.yaml")
    assert "two recipes have the name r-y" in two.run(ends=2).err
    assert not (two.root / "oof" / "r-z").exists()


def test_a_submission_is_written_again_where_its_csv_alone_tells_the_order_of_the_rows(two):
    path = Path(two.run().json["submission"])
    shutil.rmtree(two.root / ".kit")
    (two.folder / "train.csv").unlink()
    found = kit.replay(1, out=two.folder / "again.csv", root=two.root)
    assert found["rebuilt"] and (two.folder / "again.csv").read_bytes() == path.read_bytes()


def test_rows_of_merged_submissions_are_matched_by_id(two):
    for target in ("z", "y"):
        two.run("--set", f"data.target={target}")
    made = pl.read_csv(two.root / "submissions" / "0001-r-z.csv")
    for number, frame in ((3, made.reverse()), (4, made.with_columns(pl.col("id") + 1)), (5, made[1:])):
        frame.write_csv(two.folder / "theirs.csv")
        kit.lb_add(two.folder / "theirs.csv", number, root=two.root)
    path = kit.merge([3, 2], recipe=two.folder / "r.yaml", root=two.root)["submission"]
    merged = pl.read_csv(path)
    assert merged["id"].equals(made["id"])
    assert merged.columns == ["id", "z", "y"] and merged.sort("id").select("id", "z").equals(made)
    for number, ids in ((4, "1 of 40"), (5, "1 of 40")):
        with pytest.raises(DataError, match=f"{ids} ids are not in part 2"):
            kit.merge([2, number], recipe=two.folder / "r.yaml", root=two.root)


def test_a_column_is_of_one_kind_for_all_targets_whichever_rows_have_them(two):
    train, row = pl.read_csv(two.folder / "train.csv"), pl.int_range(pl.len())
    train = train.with_columns(
        word=pl.format("v {}", row % 60), late=pl.when(row % 6 > 0).then(row), z=pl.when(row % 6 == 0).then("z")
    )
    train.write_csv(two.folder / "train.csv")
    test = pl.read_csv(two.folder / "test.csv").with_columns(word=pl.lit("v 1"), late=pl.lit(1))
    test.write_csv(two.folder / "test.csv")
    two.edit(DATA, ("targets:", "unlabelled: drop, targets:"))
    found = kit.check(two.folder / "r.yaml", root=two.root)["targets"]
    shown = [{c["name"]: (c["kind"], c["levels"]) for c in part["columns"][2:]} for part in found.values()]
    assert shown[0] == shown[1] and shown[0]["word"] == ("category", 60)
    assert [part["rows"] for part in found.values()] == ["20 train, 40 test", "120 train, 40 test"]
    two.run()


def test_rows_that_are_left_out_leave_the_others_as_a_file_without_them_does(two):
    train = pl.read_csv(two.folder / "train.csv").with_columns(z=pl.when(pl.int_range(pl.len()) % 3 > 0).then("z"))
    train.write_csv(two.folder / "train.csv")
    train.drop_nulls("z").drop("y").write_csv(two.folder / "fewer.csv")
    two.edit(("id: id, target: y", "id: id, targets: [z, y], unlabelled: drop"))
    two.run()
    two.edit(("id: id, target: y", "id: id, target: z"), ("train.csv", "fewer.csv"), name="alone.yaml")
    two.run(recipe="alone.yaml")
    for part in ("oof", "test"):
        here, alone = (pl.read_parquet(two.root / "oof" / r / "mix" / f"{part}.parquet") for r in ("r-z", "alone"))
        assert here.equals(alone)
