"""import and audit: what others made becomes an OOF of kit, by id, or is refused with the reason."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import model_selection

import kit
from kit import foldspec, ledger
from kit.errors import DataError, KitError

NAMES = {"error", "warning", "note", "unknown"}


class Mate:
    """A team-mate's OOF and test predictions of the toy competition, made outside of kit."""

    def __init__(self, toy) -> None:
        self.toy, self.recipe = toy, str(toy.folder / "r.yaml")
        train, test = (pl.read_csv(toy.folder / f"{name}.csv") for name in ("train", "test"))
        rng = np.random.default_rng(5)
        self.fold = rng.permutation(120) % 4
        x, x_test = (f.select("x1", "x2", "x3").to_numpy() for f in (train, test))
        x, x_test = (np.c_[a, a**2, np.ones(len(a))] for a in (x, x_test))
        self.y, self.pred, self.test = train["y"].to_numpy(), np.empty(120), np.zeros(40)
        for k in range(4):
            w = np.linalg.lstsq(x[self.fold != k], self.y[self.fold != k], rcond=None)[0]
            self.pred[self.fold == k] = x[self.fold == k] @ w
            self.test += x_test @ w / 4
        self.ids, self.test_ids = train["id"], test["id"]

    @property
    def oof(self) -> pl.DataFrame:
        return pl.DataFrame({"id": self.ids, "fold": self.fold, "y": self.y, "pred": self.pred})

    @property
    def tests(self) -> pl.DataFrame:
        return pl.DataFrame({"id": self.test_ids, "pred": self.test})

    def take(self, oof=None, test=None, **options):
        """Import; the frames of this mate where none are given."""
        options = {"name": "mate", "recipe": self.recipe, "root": self.toy.root, **options}
        return kit.import_oof(self.oof if oof is None else oof, test=self.tests if test is None else test, **options)

    def refused(self, *words: str, oof=None, test=None, **options) -> str:
        """Import what must not be imported; return the error, which holds all `words`."""
        with pytest.raises(KitError) as error:
            self.take(oof, test, **options)
        for word in words:
            assert word in str(error.value), str(error.value)
        assert not (self.toy.root / "oof" / "r" / "mate").exists()
        return str(error.value)


@pytest.fixture
def mate(toy) -> Mate:
    return Mate(toy)


def saved(toy, frame: pl.DataFrame, name: str) -> str:
    path = toy.folder / name
    frame.write_parquet(path) if name.endswith("parquet") else frame.write_csv(path)
    return str(path)


# -- what comes in


def test_an_import_is_an_oof_of_kit(toy, mate):
    card = mate.take()
    frame = toy.oof("mate")
    assert frame.columns == ["id", "fold", "y", "pred"]
    assert frame["id"].to_list() == mate.ids.to_list()
    assert frame["fold"].to_list() == mate.fold.tolist()
    np.testing.assert_allclose(frame["pred"], mate.pred, rtol=1e-6)
    assert toy.oof("mate", "test").columns == ["id", "pred"]
    assert toy.oof("mate", "folds").select("id", "fold").equals(frame.select("id", "fold"))
    assert toy.card("mate") == json.loads(json.dumps(card))
    assert card["score"] == pytest.approx(float(np.sqrt(np.mean((mate.y - mate.pred) ** 2))), rel=1e-6)
    assert len(card["fold_scores"]) == 4
    assert (card["use"], card["folds_known"]) == ("import", True)
    assert "by id" in card["imported"]["rows"]
    assert {f["severity"] for f in card["audit"]} <= NAMES
    assert kit.ls(toy.root)[0]["model"] == "mate"


@pytest.mark.parametrize("layout", ["npy", "csv", "parquet", "folder", "pandas", "array"])
def test_layouts_give_the_same_predictions(toy, mate, layout):
    if layout in ("npy", "array"):
        np.save(toy.folder / "o.npy", mate.pred)
        np.save(toy.folder / "t.npy", mate.test[:, None])
        given = (str(toy.folder / "o.npy"), str(toy.folder / "t.npy")) if layout == "npy" else (mate.pred, mate.test)
    elif layout == "folder":
        (toy.folder / "o").mkdir()
        saved(toy, mate.oof, "o/oof.parquet")
        saved(toy, mate.tests, "o/test.csv")
        given = (str(toy.folder / "o"), None)
    elif layout == "pandas":
        given = (mate.oof.to_pandas().set_index("id"), mate.tests.to_pandas())
    else:
        given = (saved(toy, mate.oof, f"o.{layout}"), saved(toy, mate.tests, f"t.{layout}"))
    card = kit.import_oof(given[0], test=given[1], name="mate", recipe=mate.recipe, root=toy.root)
    np.testing.assert_allclose(toy.oof("mate")["pred"], mate.pred, rtol=1e-6)
    np.testing.assert_allclose(toy.oof("mate", "test")["pred"], mate.test, rtol=1e-6)
    assert card["folds_known"] == (layout not in ("npy", "array"))
    assert ("by place" in card["imported"]["rows"]) == (layout in ("npy", "array"))


def test_rows_are_matched_by_id_and_never_by_place(toy, mate):
    shuffled = mate.oof.sample(fraction=1, shuffle=True, seed=2)
    text = shuffled.with_columns(pl.col("id").cast(pl.Float64))
    for i, frame in enumerate((shuffled, text, shuffled.rename({"id": "Id"}))):
        mate.take(frame, mate.tests.reverse(), name=f"m{i}")
        np.testing.assert_allclose(toy.oof(f"m{i}")["pred"], mate.pred, rtol=1e-6)
        np.testing.assert_allclose(toy.oof(f"m{i}", "test")["pred"], mate.test, rtol=1e-6)
    renamed = shuffled.rename({"id": "key"})
    mate.take(renamed, mate.tests.rename({"id": "key"}), name="keyed", id="key")
    np.testing.assert_allclose(toy.oof("keyed")["pred"], mate.pred, rtol=1e-6)


def test_row_numbers_of_a_saved_frame_name_rows(toy, mate):
    """AutoGluon's predict_oof and pandas' to_csv keep the index and know no id."""
    order = np.random.default_rng(0).permutation(120)
    pd.Series(mate.pred, name="y").iloc[order].to_csv(toy.folder / "ag.csv")
    card = mate.take(str(toy.folder / "ag.csv"), mate.test)
    assert "by row number" in card["imported"]["rows"]
    np.testing.assert_allclose(toy.oof("mate")["pred"], mate.pred, rtol=1e-6)
    other = mate.take(pd.Series(mate.pred).iloc[order], mate.test, name="series")
    assert "by row number" in other["imported"]["rows"]


def test_row_numbers_of_a_test_frame_name_test_rows(toy, mate):
    """A frame of pandas has an index, and predict_proba's result no id."""
    order = np.random.default_rng(1).permutation(40)
    given = pd.DataFrame({"pred": mate.test}).iloc[order]
    mate.take(mate.pred, given, folds="recipe")
    assert toy.oof("mate", "test")["id"].to_list() == mate.test_ids.to_list()
    np.testing.assert_allclose(toy.oof("mate", "test")["pred"], mate.test, rtol=1e-6)


def test_row_numbers_that_are_nearly_the_ids_are_row_numbers(toy, mate):
    """The usual ids begin at 1, the index of a frame at 0: all but one of its numbers are ids of other rows."""
    for name, ids in (("train", range(1, 121)), ("test", range(1, 41))):
        path = toy.folder / f"{name}.csv"
        pl.read_csv(path).with_columns(id=pl.Series(list(ids))).write_csv(path)
    card = mate.take(pd.DataFrame({"pred": mate.pred}), pd.DataFrame({"pred": mate.test}), folds="recipe")
    assert "by row number" in card["imported"]["rows"]
    np.testing.assert_allclose(toy.oof("mate")["pred"], mate.pred, rtol=1e-6)
    np.testing.assert_allclose(toy.oof("mate", "test")["pred"], mate.test, rtol=1e-6)


def test_row_numbers_that_may_be_ids_are_asked_about(toy, mate):
    path = toy.folder / "train.csv"
    pl.read_csv(path).with_columns(id=pl.Series(range(119, -1, -1))).write_csv(path)
    mate.refused("ids or the numbers of the rows", oof=pd.DataFrame({"pred": mate.pred}), folds="recipe")
    named = pd.DataFrame({"pred": mate.pred}, index=pd.Index(range(119, -1, -1), name="id"))
    mate.take(named, folds="recipe")
    np.testing.assert_allclose(toy.oof("mate")["pred"], mate.pred, rtol=1e-6)


def test_predictions_under_the_name_of_the_target_are_no_target(toy, mate):
    """The layout of a submission: id and target."""
    mate.take(mate.oof.select("id", y="pred"), mate.tests.rename({"pred": "y"}))
    np.testing.assert_allclose(toy.oof("mate")["pred"], mate.pred, rtol=1e-6)


def test_standard_deviations_come_along_where_both_files_have_them(toy, mate):
    oof, tests = mate.oof.with_columns(std=pl.lit(0.5)), mate.tests.with_columns(std=pl.lit(0.25))
    mate.take(oof, tests)
    assert toy.oof("mate")["std"].to_list() == [0.5] * 120
    assert toy.oof("mate", "test")["std"].to_list() == [0.25] * 40
    mate.take(oof, mate.tests, name="half")
    assert "std" not in toy.oof("half").columns
    for frame, other in ((oof.with_columns(std=pl.lit(0.0)), tests), (oof, tests.with_columns(std=pl.lit(-1.0)))):
        with pytest.raises(DataError, match="above 0"):
            mate.take(frame, other, name="wrong")


def test_a_folder_of_kit_comes_in_whole(toy, mate):
    toy.run()
    shutil.copytree(toy.root / "oof" / "r" / "a", toy.folder / "theirs")
    card = kit.import_oof(toy.folder / "theirs", name="theirs", recipe=mate.recipe, root=toy.root)
    assert card["folds_key"] == toy.card("a")["folds_key"]
    assert card["score"] == pytest.approx(toy.card("a")["score"], rel=1e-6)
    assert toy.oof("theirs").equals(toy.oof("a"))
    assert toy.oof("theirs", "test_folds").equals(toy.oof("a", "test_folds"))
    assert card["imported"]["layers"] == f"of each of {toy.oof('a', 'test_folds')['fold'].n_unique()} fold models"
    assert (card["audit"][0]["check"], card["audit"][0]["severity"]) == ("duplicate", "warning")


def test_fold_models_follow_the_folds_and_are_kept_only_where_they_make_the_average(toy, mate):
    """A team-mate's folder with the recipe's folds under other numbers, its test rows in another order."""
    toy.run()
    theirs = toy.folder / "theirs"
    shutil.copytree(toy.root / "oof" / "r" / "a", theirs)
    last = toy.oof("a")["fold"].max()
    for name in ("oof", "test_folds"):
        frame = pl.read_parquet(theirs / f"{name}.parquet").with_columns(fold=last - pl.col("fold"))
        frame.sample(fraction=1, shuffle=True, seed=3).write_parquet(theirs / f"{name}.parquet")

    def take(oof, test=None, name="theirs"):
        return kit.import_oof(oof, test=test, name=name, recipe=mate.recipe, root=toy.root)["imported"]["layers"]

    assert take(theirs) == f"of each of {last + 1} fold models"
    assert toy.oof("theirs", "test_folds").equals(toy.oof("a", "test_folds"))
    assert take(theirs / "oof.parquet", theirs / "test_folds.parquet", "bare") == f"of each of {last + 1} fold models"
    assert toy.oof("bare", "test_folds").equals(toy.oof("a", "test_folds"))
    np.testing.assert_allclose(toy.oof("bare", "test")["pred"], toy.oof("a", "test")["pred"], rtol=1e-6)
    pl.read_parquet(theirs / "test.parquet").with_columns(pl.col("pred") + 1).write_parquet(theirs / "test.parquet")
    assert "do not average" in take(theirs, name="other")
    assert not (toy.root / "oof" / "r" / "other" / "test_folds.parquet").exists()
    half = (
        pl.read_parquet(theirs / "test_folds.parquet").filter(pl.col("fold") > 0).vstack(toy.oof("a", "test_folds")[:7])
    )
    half.write_parquet(theirs / "test_folds.parquet")
    with pytest.raises(DataError, match="not those of test"):
        take(theirs, name="torn")


def test_classes_by_name_and_by_place(toy, mate):
    cuts = np.quantile(mate.y, [1 / 3, 2 / 3])
    label = np.array(["low", "mid", "top"])[np.searchsorted(cuts, mate.y)]
    train = pl.read_csv(toy.folder / "train.csv").with_columns(y=pl.Series(label))
    train.write_csv(toy.folder / "train.csv")
    toy.write("data: {train: train.csv, test: test.csv, id: id, target: y}\nmetric: logloss\nsplit: {use: kfold, folds: 3}\n"
              "models: {m: {use: lightgbm, params: {n_estimators: 5}, stop: fixed}}\n")  # fmt: skip
    p = np.exp(-np.abs(mate.pred[:, None] - np.quantile(mate.y, [1 / 6, 0.5, 5 / 6])))
    p, t = p / p.sum(axis=1, keepdims=True), np.full((40, 3), 1 / 3)
    t[:, 0] += 0.01 * np.arange(40) / 40
    t /= t.sum(axis=1, keepdims=True)
    by_name = pl.DataFrame({"id": mate.ids, "prob_top": p[:, 2], "prob_low": p[:, 0], "prob_mid": p[:, 1]})
    tests = pl.DataFrame({"id": mate.test_ids, "top": t[:, 2], "low": t[:, 0], "mid": t[:, 1]})
    mate.take(by_name, tests, name="named")
    mate.take(p, t, name="placed")
    named, placed = toy.oof("named"), toy.oof("placed")
    for label_, at in (("low", 0), ("mid", 1), ("top", 2)):
        np.testing.assert_allclose(named[f"pred_{label_}"], p[:, at], rtol=1e-6)
        np.testing.assert_allclose(placed[f"pred_{label_}"], p[:, at], rtol=1e-6)
    assert "sorted class order" in toy.card("placed")["imported"]["columns"]
    coded = by_name.with_columns(y=pl.Series(np.unique(label, return_inverse=True)[1]))
    mate.take(coded, tests, name="coded")
    assert toy.oof("coded")["y"].to_list() == label.tolist()
    mate.refused(
        "another target", "1 rows differ", oof=by_name.with_columns(y=pl.Series([*label[:-1], "other"])), test=tests
    )
    mate.refused(
        "another target", "120 rows differ", oof=coded.with_columns(pl.col("y").replace({0: 1, 1: 0})), test=tests
    )
    two = by_name.with_columns(old_top=pl.col("prob_top"))
    mate.refused("do not name the classes", "old_top", oof=two, test=tests)
    mate.refused("class_order", oof=p[:, [2, 0, 1]], test=t)
    mate.refused("another number of outputs", "low, mid, top", oof=p[:, :2], test=t)
    mate.refused("do not name the classes", oof=by_name.rename({"prob_top": "prob_high"}), test=tests)
    mate.refused("sum", oof=p * [1, 1, 0.5], test=t)
    mate.refused(
        "probabilities are needed", oof=pl.DataFrame({"id": mate.ids, "low": label, "mid": label, "top": label})
    )


@pytest.mark.parametrize(
    "y", [[1, 0], [0, 1], [True, False], ["True", "False"], ["true", "false"], [1.0, 0.0]], ids=repr
)
def test_a_target_may_be_coded(toy, mate, y):
    """By scikit-learn's LabelEncoder, or 1 for the positive class, which need not be the second."""
    positive = np.where(mate.y > 0, "True", "False")
    pl.read_csv(toy.folder / "train.csv").with_columns(y=pl.Series(positive)).write_csv(toy.folder / "train.csv")
    toy.write("data: {train: train.csv, test: test.csv, id: id, target: y}\nmetric: auc\npositive: 'False'\n"
              "split: {use: kfold, folds: 3}\nmodels: {m: lightgbm}\n")  # fmt: skip
    p, t = (1 / (1 + np.exp(v)) for v in (mate.pred, mate.test))
    oof = mate.oof.with_columns(y=pl.Series([y[0] if yes else y[1] for yes in mate.y > 0]), pred=pl.Series(p))
    tests = mate.tests.with_columns(pred=pl.Series(t))
    mate.take(oof, tests)
    assert toy.oof("mate")["y"].to_list() == positive.tolist()


# -- what is refused


def test_other_rows_are_refused(mate):
    mate.refused("not those of train", "20 ids of train not in the file", oof=mate.oof.head(100))
    mate.refused("ids more than once", "1000", oof=pl.concat([mate.oof, mate.oof.head(1)]))
    mate.refused("not those of train", "--id", oof=mate.oof.with_columns(pl.col("id") + 7000))
    mate.refused("119 rows, no ids", "120 rows", oof=mate.pred[1:])
    mate.refused("look like test predictions", oof=mate.test)
    mate.refused("train and test together", oof=np.r_[mate.pred, mate.test])
    mate.refused("not those of test", test=mate.tests.head(39))
    mate.refused("another number of rows", test=mate.test[1:])
    mate.refused("lacks the id column", "'id'", id="idd")


def test_another_target_is_refused(mate):
    mate.refused("another target", "120 rows differ", oof=mate.oof.with_columns(pl.col("y") + 1))
    mate.refused("another target", "1 rows differ; id 1003", oof=mate.oof.with_columns(
        y=pl.when(pl.col("id") == 1003).then(99.0).otherwise("y")))  # fmt: skip


def test_a_target_in_logs_is_told(toy, mate):
    frame = pl.read_csv(toy.folder / "train.csv").with_columns(y=pl.col("y").exp() * 100)
    frame.write_csv(toy.folder / "train.csv")
    logs = mate.oof.with_columns(y=(pl.col("y").exp() * 100).log1p())
    mate.refused("log1p of the target", oof=logs)


def test_numbers_that_are_none_are_refused(toy, mate):
    hole = pl.when(pl.col("id") == 1003).then(None).otherwise("pred").alias("pred")
    mate.refused("1 held rows", "id 1003", oof=mate.oof.with_columns(hole))
    endless = pl.when(pl.col("id") == 1003).then(float("inf")).otherwise("pred").alias("pred")
    mate.refused("finite", oof=mate.oof.with_columns(endless))
    mate.refused("finite", test=np.where(np.arange(40) == 3, np.nan, mate.test))
    mate.refused("constant", oof=np.full(120, 3.0))
    mate.refused("must be numbers", oof=mate.oof.with_columns(pred=pl.lit("high")))
    mate.refused("cannot be told", "--columns", oof=mate.oof.rename({"pred": "a"}).with_columns(b=1.0))
    mate.refused("cannot be the columns", columns=("pred", "y"))
    (toy.folder / "cut.parquet").write_bytes(b"PAR1")
    mate.refused("cut.parquet", oof=str(toy.folder / "cut.parquet"))
    np.save(toy.folder / "object.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    mate.refused("cannot be read", "np.save", oof=str(toy.folder / "object.npy"))
    mate.refused("does not exist", oof=str(toy.folder / "none.npy"))
    mate.refused("no predictions", oof={"pred": [1]})


def test_frames_may_hold_what_is_no_prediction(toy, mate):
    """Columns of mixed objects, periods and lists stand beside the predictions; other kinds of frames are frames."""
    toy.run()
    expected = mate.take()["score"]
    oof = mate.oof.to_pandas()
    oof["mixed"] = pd.Series([1, "x"] * 60, dtype=object)
    oof["month"] = pd.period_range("2021-01", periods=120, freq="M")
    oof["list"] = [[1], None] * 60
    assert mate.take(oof, name="mate2")["score"] == expected
    assert mate.take(mate.oof.lazy(), mate.tests.to_arrow(), name="mate3")["score"] == expected


def test_what_the_audit_calls_an_error_is_refused_unless_one_insists(toy, mate):
    toy.run()
    mate.refused("shifted", "--anyway", oof=mate.oof.with_columns(pred=np.roll(mate.pred, 1)))
    mate.refused("inverted", oof=-mate.pred)
    card = mate.take(-mate.pred, -mate.test, anyway=True)
    assert "inverted" in {f["check"] for f in card["audit"] if f["severity"] == "error"}


def test_a_name_that_is_taken_or_none(toy, mate):
    toy.run()
    before = toy.oof("a")
    assert "model or blend of the recipe" in mate.refused(name="a")
    mate.refused("small letters", name="My Model")
    assert toy.oof("a").equals(before)
    card = mate.take()
    again = mate.take()
    assert again == card
    changed = mate.take(mate.oof.with_columns(pl.col("pred") * 0.9))
    assert changed["key"] != card["key"]
    former = toy.root / "oof" / "r" / "_history" / f"mate@{card['key'][:8]}"
    assert json.loads((former / "card.json").read_text()) == json.loads(json.dumps(card))


# -- folds


def test_folds_that_nobody_knows_are_not_made_up(toy, mate):
    card = mate.take(mate.oof.drop("fold"))
    assert (card["folds_known"], card["folds_key"], card["fold_scores"]) == (False, None, [])
    assert "unknown" in card["imported"]["folds"]
    assert toy.oof("mate")["fold"].null_count() == 120
    assert ("folds", "unknown") in {(f["check"], f["severity"]) for f in card["audit"]}
    assert kit.ls(toy.root, compare=True)[0]["results"][0]["name"] == "r:mate"


def test_folds_come_from_a_file_a_column_or_the_recipe(toy, mate):
    toy.run()
    plain = mate.oof.drop("fold")
    named = plain.with_columns(part=pl.Series([f"part {k}" for k in mate.fold]))
    folds = pl.DataFrame({"id": mate.ids, "fold": mate.fold}).reverse()
    for i, (oof, spec) in enumerate((
        (plain, saved(toy, folds, "folds.csv")),
        (plain, saved(toy, folds.reverse().select("fold"), "places.parquet")),
        (named.with_columns(z=1.0), "column:part"),
    )):  # fmt: skip
        mate.take(oof, name=f"m{i}", folds=spec, columns=("pred",))
        assert toy.oof(f"m{i}")["fold"].to_list() == mate.fold.tolist()
    np.save(toy.folder / "folds.npy", mate.fold)
    mate.take(plain, name="m3", folds=str(toy.folder / "folds.npy"))
    assert toy.oof("m3")["fold"].to_list() == mate.fold.tolist()
    card = mate.take(plain, name="m4", folds="recipe")
    assert card["folds_key"] == toy.card("a")["folds_key"]
    assert toy.oof("m4")["fold"].to_list() == toy.oof("a")["fold"].to_list()


def test_the_recipe_s_folds_under_other_numbers_are_the_recipe_s(toy, mate):
    toy.run()
    ours = toy.oof("a", "folds")
    card = mate.take(mate.oof.drop("fold").join(ours.with_columns((pl.col("fold") + 1) % 3), "id"))
    assert card["folds_key"] == toy.card("a")["folds_key"]
    assert toy.oof("mate")["fold"].to_list() == ours["fold"].to_list()
    assert "other_folds" not in {f["check"] for f in card["audit"]}
    other = mate.take(mate.oof, name="other")
    assert other["folds_key"] not in (None, card["folds_key"])
    assert "other_folds" in {f["check"] for f in other["audit"]}


SPLITS = [
    ("KFold(4)", model_selection.KFold(4)),
    ("KFold(5, shuffle=True, random_state=42)", model_selection.KFold(5, shuffle=True, random_state=42)),
    ("KFold(n_splits=3)", model_selection.KFold(3)),
    ("GroupKFold(3)", model_selection.GroupKFold(3)),
    ("LeaveOneGroupOut", model_selection.LeaveOneGroupOut()),
    ("StratifiedKFold(3, shuffle=True, random_state=1)",
     model_selection.StratifiedKFold(3, shuffle=True, random_state=1)),
    ("TimeSeriesSplit(3)", model_selection.TimeSeriesSplit(3)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "made"), SPLITS, ids=[text for text, _ in SPLITS])
def test_a_splitter_of_scikit_learn_gives_its_own_folds(text, made):
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 3, 60).astype(float), np.repeat(np.arange(6), 10)
    (fold,) = foldspec.splitter(text, y, group)
    want = np.full(60, -1)
    for k, (_, held) in enumerate(made.split(np.zeros((60, 1)), y, group if "Group" in text else None)):
        want[held] = k
    np.testing.assert_array_equal(fold, want)


def test_repeated_splitters_give_repeats(toy, mate):
    folds = foldspec.splitter("RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)", mate.y, None)
    assert folds.shape == (2, 120)
    assert [sorted(np.bincount(f)) for f in folds] == [[40, 40, 40]] * 2
    mate.refused("the folds repeat", folds="RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)")
    both = pl.concat([mate.oof.with_columns(repeat=r, fold=pl.Series(folds[r])) for r in (0, 1)])
    card = mate.take(both)
    assert len(card["fold_scores"]) == 6
    assert toy.oof("mate").columns == ["id", "repeat", "fold", "y", "pred"]


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("KFlod(5)", "'KFold'"),
        ("KFold(5", "names no splitter"),
        ("KFold(open('x'))", "plain values"),
        ("KFold(**{'n_splits': 3})", "plain values"),
        ("__import__('os').remove('x')", "names no splitter"),
        ("KFold(500)", "cannot split"),
        ("KFold(5, random_state=1)", "cannot split"),
        ("ShuffleSplit(5)", "names no splitter"),
        ("GroupKFold(5)", "needs groups"),
        ("nowhere.csv", "does not exist"),
        ("column:nothing", "no such column"),
    ],
)
def test_folds_that_cannot_be_had(mate, spec, word):
    mate.refused(word, folds=spec)


def test_files_of_folds_that_do_not_fit(toy, mate):
    folds = pl.DataFrame({"id": mate.ids, "fold": mate.fold})
    for frame, word in (
        (folds.head(100), "lacks rows"),
        (pl.concat([folds, folds.head(1)]), "stand twice"),
        (folds.select("fold").head(100), "all training rows"),
        (folds.rename({"fold": "folds"}), "no column `fold`"),
        (folds.with_columns(fold=0), "one fold is none"),
        (folds.with_columns(fold=pl.when(pl.col("id") > 1100).then(None).otherwise("fold")), "without a fold"),
    ):
        mate.refused(word, folds=saved(toy, frame, "folds.csv"))
    np.save(toy.folder / "folds.npy", np.zeros((120, 2)))
    mate.refused("do not fit", folds=str(toy.folder / "folds.npy"))


def test_rows_never_held_keep_their_place(toy, mate):
    early = pl.col("id") < 1030
    frame = mate.oof.with_columns(
        fold=pl.when(early).then(-1).otherwise("fold"), pred=pl.when(early).then(None).otherwise("pred")
    )
    card = mate.take(frame)
    made = toy.oof("mate")
    assert made["fold"].to_list()[:30] == [-1] * 30
    assert made["pred"].null_count() == 30
    late = mate.pred[30:] - mate.y[30:]
    assert card["score"] == pytest.approx(float(np.sqrt(np.mean(late**2))), rel=1e-6)


# -- without a recipe


def test_predictions_of_rows_that_no_fold_holds_tell_of_other_folds(toy, mate):
    """Folds cut by chance where the recipe splits by time: said to be the recipe's, nothing else gave them away."""
    fold = mate.oof.with_columns(fold=pl.when(pl.int_range(pl.len()) < 20).then(-1).otherwise("fold"))

    def checks(oof: pl.DataFrame) -> set[str]:
        return {f["check"] for f in mate.take(oof)["audit"]}

    assert "never_held" in checks(fold)
    early = pl.col("fold") < 0
    for filled in (pl.lit(None), pl.lit(0.0)):
        assert "never_held" not in checks(fold.with_columns(pred=pl.when(early).then(filled).otherwise("pred")))


def test_without_a_recipe_the_file_speaks_for_itself(toy, mate):
    card = kit.import_oof(saved(toy, mate.oof, "o.csv"), name="free", metric="rmse", test=mate.tests, root=toy.root)
    assert (card["recipe"], card["score"]) == (
        "imported",
        pytest.approx(float(np.sqrt(np.mean((mate.y - mate.pred) ** 2)))),
    )
    assert toy.oof("free", recipe="imported")["fold"].to_list() == mate.fold.tolist()
    for options, word in (
        ({"metric": None}, "metric must be given"),
        ({"metric": "rsme"}, "'rmse'"),
    ):
        with pytest.raises(DataError, match=word):
            kit.import_oof(mate.oof, name="free", root=toy.root, **options)
    with pytest.raises(DataError, match="ids and the target"):
        kit.import_oof(mate.pred, name="free", metric="rmse", root=toy.root)
    classes = mate.oof.with_columns(y=pl.when(pl.col("y") > 0).then(pl.lit("yes")).otherwise(pl.lit("no")),
                                    pred=1 / (1 + (-pl.col("pred")).exp()))  # fmt: skip
    card = kit.import_oof(classes, name="two", metric="auc", root=toy.root)
    assert (card["classes"], card["positive"]) == (["no", "yes"], "yes")
    assert card["score"] > 0.8


# -- the command


def test_the_command_imports_and_audits(toy, mate):
    toy.run()
    oof, test = saved(toy, mate.oof, "o.csv"), saved(toy, mate.tests, "t.csv")
    done = toy.kit("import", oof, "--name", "mate", "--test", test, "--recipe", mate.recipe, "--json")
    assert done.code == 0, done.err
    assert done.json["model"] == "mate"
    assert "rmse" in toy.kit("import", oof, "--name", "mate", "--test", test, "--recipe", mate.recipe).out
    found = toy.kit("audit", "--json").json["findings"]
    assert {("r:mate", "provenance"), ("r:mate", "other_folds")} <= {(f["source"], f["check"]) for f in found}
    assert all(set(f) == {"source", "check", "severity", "reason", "next"} for f in found)
    assert toy.kit("audit", "r:a", "r:b").out == "nothing found\n"
    assert "r:mix" not in toy.kit("audit", "r").out
    assert "r:mix: combination" in toy.kit("audit", "r:a", "r:b", "r:mix").out
    path = toy.root / "oof" / "r" / "a" / "oof.parquet"
    pl.read_parquet(path).with_columns(pred=pl.lit(1.0, pl.Float32)).write_parquet(path)
    done = toy.kit("audit", "r")
    assert done.code == 2
    assert "constant" in done.out
    assert "r:a: constant" in toy.kit("audit", "r:[ab]").out
    assert toy.kit("audit", "r:b*").out == "nothing found\n"
    assert toy.kit("audit", "r:none").code == toy.kit("audit", "r:none*").code == 2
    assert not (toy.root / "submissions" / ledger.NAME).exists()


def test_other_rows_and_other_test_rows_are_told(toy, mate):
    toy.run()
    folder = toy.root / "oof" / "r"
    toy.oof("b").head(100).write_parquet(folder / "b" / "oof.parquet")
    toy.oof("mix", "test").head(30).write_parquet(folder / "mix" / "test.parquet")
    (folder / "final" / "oof.parquet").write_bytes(b"")
    found = {(f["source"].rpartition("/")[2], f["check"], f["severity"]) for f in kit.audit(root=toy.root)}
    assert {("r:b", "rows", "error"), ("r:mix", "test_ids", "error"), ("final", "file", "error")} <= found
