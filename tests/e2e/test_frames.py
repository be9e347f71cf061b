"""Data frames instead of files, recipes as mappings: the same results, cached by content."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import RECIPE

import kit
from kit.errors import DataError, KitError, RecipeError
from kit.frames import digest_of, frame_of

MAPPING = {
    "name": "r",
    "data": {"id": "id", "target": "y"},
    "metric": "rmse",
    "split": {"use": "kfold", "folds": 3},
    "seed": 7,
    "features": {"base": ["numeric", "category"]},
    "models": {"a": {"use": "lightgbm", "features": "base", "params": {"n_estimators": 5}, "stop": "fixed"}},
}


def frames(toy, read):
    return {part: read(toy.folder / f"{part}.csv") for part in ("train", "test")}


@pytest.mark.parametrize("read", [pl.read_csv, pd.read_csv, lambda p: pd.read_csv(p, index_col="id")])
def test_frames_give_what_files_give_and_are_cached_by_content(toy, read):
    expected = toy.run().submitted
    path = toy.write(RECIPE.replace("train: train.csv, test: test.csv, ", ""), "frames.yaml")
    root = toy.folder / "other"
    first = kit.run(path, root=root, **frames(toy, read))
    assert Path(first.submission).read_bytes() == expected
    assert first.stages["run"] == 14 and len(repr(first)) < 3000
    again = kit.run(path, root=root, **frames(toy, read))
    assert again.stages == {"run": 0, "reused": 14, "failed": 0}
    changed = frames(toy, read)
    changed["train"] = pl.DataFrame(frames(toy, pl.read_csv)["train"]).with_columns(x1=pl.col("x1") + 1)
    assert kit.run(path, root=root, **changed).stages["run"] > 8


def test_a_frame_stands_for_one_file_and_leaves_the_others(toy):
    expected = toy.run().submitted
    done = kit.run(toy.folder / "r.yaml", root=toy.folder / "other", train=pl.read_csv(toy.folder / "train.csv"))
    assert Path(done.submission).read_bytes() == expected
    states = [
        s["state"]
        for s in kit.plan(toy.folder / "r.yaml", root=toy.folder / "other", train=pl.read_csv(toy.folder / "train.csv"))
    ]
    assert set(states) == {"reuse"}
    assert kit.why(toy.folder / "r.yaml", root=toy.folder / "other", train=pl.read_csv(toy.folder / "train.csv")) == []


def test_a_recipe_is_a_mapping_too_frames_and_numpy_included(toy):
    parts = frames(toy, pd.read_csv)
    sample = pd.DataFrame({"id": parts["test"]["id"][::-1], "y": 0.0})
    recipe = {**MAPPING, "seed": np.int64(7), "data": {**MAPPING["data"], **parts, "sample": sample}}
    done = kit.run(recipe, root=toy.root)
    written = pl.read_csv(done.submission)
    assert written["id"].to_list() == sample["id"].to_list()
    about = json.loads(Path(done.submission).with_suffix(".json").read_text())
    assert about["resolved"]["data"]["train"] == "the DataFrame train"
    assert kit.check(recipe, root=toy.root)["rows"] == "120 train, 40 test"
    assert kit.run(recipe, root=toy.root, set={"models.a.params.n_estimators": 6}).stages["run"] == 5


def test_one_text_need_not_stand_in_a_list_and_numbers_may_be_numpys(toy):
    recipe = {
        **MAPPING,
        "models": {**MAPPING["models"], "b": {**MAPPING["models"]["a"], "params": {"n_estimators": 4}}},
    }
    recipe["data"] = {**MAPPING["data"], **frames(toy, pd.read_csv)}
    assert kit.run(recipe, root=toy.root, only="a").models.keys() == {"a"}
    steps = {"models.a.params.n_estimators": np.int64(6), "models.b.params.colsample": np.float32(0.5)}
    done = kit.run(recipe, root=toy.root, set=steps)
    assert done.cards["a"]["params"]["n_estimators"] == 6 and done.cards["b"]["params"]["colsample"] == 0.5
    assert kit.run(recipe, root=toy.root, set="seed=8").stages["run"] > 8
    made = kit.blend("r:?", root=toy.root, use="ridge", set={"l2": np.float64(0.5)}, name="one")
    assert made.card["chosen"] == {"l2": 0.5} and [m["name"] for m in made.card["members"]] == ["r:a", "r:b"]
    assert kit.blend("r:?", root=toy.root, use="ridge", set="l2=0.5", name="one").ran is False
    assert {f["source"] for f in kit.audit("r", root=toy.root)} <= {"r:a", "r:b", "r:blend"}


def test_mistakes_in_a_mapping_are_placed_by_their_keys(toy):
    wrong = {**MAPPING, "data": {**MAPPING["data"], **frames(toy, pl.read_csv)}, "models": {"a": {"use": "lightgmb"}}}
    with pytest.raises(RecipeError, match="unknown learner") as caught:
        kit.check(wrong, root=toy.root)
    assert caught.value.problems[0].place == "the recipe: models.a.use"
    with pytest.raises(RecipeError) as caught:
        kit.check({**MAPPING, "seed": {1, 2}}, root=toy.root)
    assert caught.value.problems[0].place == "the recipe: seed"
    with pytest.raises(KitError) as caught:
        kit.check({**MAPPING, "data": {**MAPPING["data"], **frames(toy, pl.read_csv), "target": "yy"}}, root=toy.root)
    assert caught.value.problems[0].place == "the recipe: data.target"
    assert "did you mean 'y'?" in str(caught.value)


def test_what_is_no_frame_is_refused(toy):
    for given, rule in (
        ([1, 2], "no data frame"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "stand twice"),
        (pl.DataFrame({"a": []}), "no rows"),
    ):
        with pytest.raises(DataError, match=rule):
            kit.run(toy.folder / "r.yaml", root=toy.root, train=given)


def test_pandas_columns_of_every_kind_arrive():
    n = 3
    given = pd.DataFrame(
        {
            "mixed": pd.Series([1, "a", None], dtype=object),
            "nullable": pd.Series([1, None, 3], dtype="Int64"),
            "flag": pd.Series([True, None, False], dtype="boolean"),
            "category": pd.Series(["x", None, "y"], dtype="category"),
            "day": pd.to_datetime(pd.Series(["2021-01-01", None, "2021-01-03"])),
            "month": pd.period_range("2021-01", periods=n, freq="M"),
            "sparse": pd.arrays.SparseArray([0, 0, 1]),
            "complex": [1 + 2j, 2, 3],
            "vector": [[1.0, 2.0], [3.0, 4.0], None],
            "huge": pd.Series([2**70, None, 2**71], dtype=object),
            7: range(n),
        }
    )
    made = frame_of(given, "train").rows
    assert made.rows()[0][:4] == ("1", 1, True, "x")
    assert made.rows()[1][:5] == ("a", None, None, None, None)
    assert made["month"][0] == "2021-01" and made["sparse"].to_list() == [0, 0, 1] and made["7"].to_list() == [0, 1, 2]
    assert made["huge"].to_list() == [str(2**70), None, str(2**71)]
    assert made["complex"].dtype == pl.String and made["vector"][1].to_list() == [3.0, 4.0]


CODES = [7, 12, 7, None]


@pytest.mark.parametrize(
    "typed",
    [
        pd.DataFrame({"c": pd.Categorical(CODES)}),
        pd.DataFrame({"c": pd.Categorical(["7", "12", "7", None])}),
        pd.DataFrame({"c": pd.Series(CODES, dtype="Int64").astype("category")}),
        pl.DataFrame({"c": ["7", "12", "7", None]}, schema={"c": pl.Categorical}),
        pl.DataFrame({"c": ["7", "12", "7", None]}, schema={"c": pl.Enum(["12", "7"])}),
    ],
)
def test_numbers_of_a_categorical_type_are_names(typed):
    made = frame_of(typed, "train")
    assert made.rows["c"].to_list() == ["7", "12", "7", None] and made.categories == {"c"}


def test_a_categorical_type_is_a_kind_unless_the_recipe_says_another(toy):
    parts = frames(toy, pd.read_csv)
    shop = {name: np.arange(len(frame)) % 5 for name, frame in parts.items()}
    typed = {name: frame.assign(shop=pd.Categorical(shop[name])) for name, frame in parts.items()}
    typed["test"]["shop"] = shop["test"].astype(float)  # what pandas makes of a column with a gap
    typed["test"].loc[0, "shop"] = np.nan
    untyped = {name: frame.assign(shop=shop[name]) for name, frame in parts.items()}

    def kind(given, **data):
        found = kit.check({**MAPPING, "data": {**MAPPING["data"], **data}}, root=toy.root, **given)["columns"]
        return next((c["kind"], c["levels"]) for c in found if c["name"] == "shop")

    assert kind(typed) == ("category", 5)
    assert kind(typed, kinds={"shop": "numeric"})[0] == "numeric"
    assert kind(untyped)[0] == "numeric"
    dates = {
        name: f.assign(shop=pd.Categorical(["2021-01-01", "2021-01-02"] * (len(f) // 2))) for name, f in parts.items()
    }
    assert kind(dates)[0] == "date"


def test_polars_columns_that_are_no_text_and_no_number_arrive():
    given = pl.DataFrame({"bytes": [b"\xff", None], "object": pl.Series([Path("a"), None], dtype=pl.Object)})
    made = frame_of(given, "train")
    assert made.rows["bytes"].to_list() == [b"\xff", None] and made.rows["object"].to_list() == ["a", None]
    assert made.digest != frame_of(given.with_columns(bytes=pl.Series([b"\xff", b""])), "train").digest


def test_equal_frames_have_equal_digests_and_others_do_not():
    frame = pl.DataFrame({"a": [1, None, 3], "s": ["x", None, ""], "b": [True, None, False], "v": [[1.0], None, [2.0]]})
    same = pl.concat([frame[:1], frame[1:]]).filter(pl.lit(True))
    assert digest_of(frame) == digest_of(same)
    hidden = pl.DataFrame({"a": [1, 2, 3]}).select(pl.when(pl.col("a") != 2).then(pl.col("a")))
    assert digest_of(hidden) == digest_of(frame.select("a"))
    seen = {digest_of(frame)}
    for other in (
        frame.rename({"a": "c"}),
        frame.with_columns(pl.col("a").cast(pl.Int32)),
        frame.with_columns(pl.col("a").fill_null(0)),
        frame.with_columns(pl.col("s").fill_null("")),
        frame.with_columns(b=pl.Series([True, False, False])),
        frame.select("s", "a", "b", "v"),
        frame[::-1],
    ):
        seen.add(digest_of(other))
    assert len(seen) == 8
