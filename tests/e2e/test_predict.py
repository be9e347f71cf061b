"""`kit predict` replays every step of a run on new rows; `kit export` hands out a fold's matrices."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import begin, results
from test_levels import OWN_FEATURE

import kit
from kit.canon import stream
from kit.contracts import Run
from kit.errors import DataError
from kit.models import hetero_mlp
from kit.opening import open_recipe
from kit.types import Block, Design, Task

ALL = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
seed: 7
columns:
  shade: {use: lookup, key: c, names: names.json, vectors: vectors.npy}
features:
  base: [numeric, category, {use: target_mean, columns: [c]}, vector]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 5}, seeds: 2}
  x: {use: xgboost, features: base, params: {n_estimators: 5}, stop: fixed, refit: true}
  k: {use: catboost, features: base, params: {iterations: 5}, stop: fixed, target_transform: rank}
  net: {use: hetero_mlp, features: base, params: {epochs: 2}, stop: fixed}
  ridge: {use: sklearn, params: {estimator: Ridge}, features: base}
  top: {use: lightgbm, from: [a, mix], features: [numeric], params: {n_estimators: 5}, stop: fixed}
  rest: {use: lightgbm, features: base, params: {n_estimators: 5}, stop: fixed, target_transform: residual(ridge)}
blend:
  mix: {use: hill_climb, from: [a, x, k, net, ridge]}
  moved: {use: bias, from: mix, key: c}
  final: {use: clip, from: moved, low: -1, high: 2}
submit: {from: final}
"""


def write_all(toy):
    (toy.folder / "names.json").write_text('["red", "green", "blue"]')
    np.save(toy.folder / "vectors.npy", np.arange(6.0).reshape(3, 2))
    toy.write(ALL)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Stored fits of all models of ALL."""
    toy = begin(tmp_path_factory.mktemp("fitted"))
    write_all(toy)
    return results(toy, "--keep-models")


@pytest.fixture
def kept(toy, fitted):
    write_all(toy)
    toy.reuse(fitted)
    toy.run("--keep-models")
    return toy


def predicted(toy, name: str, *options: str, data: str = "test.csv") -> pl.DataFrame:
    out = toy.folder / f"{name}.parquet"
    done = toy.kit("predict", "r", str(toy.folder / data), "-o", str(out), "--model", name, *options)
    assert done.code == 0, done.err
    return pl.read_parquet(out)


def test_predict_on_test_is_test_parquet(kept):
    """Every model and blend, with neither the training data nor the cache there."""
    for file in ("train.csv", "r.yaml", "names.json", "vectors.npy"):
        (kept.folder / file).unlink()
    shutil.rmtree(kept.root / ".kit")
    for name in ("a", "x", "k", "net", "ridge", "top", "rest", "mix", "moved", "final"):
        made, test = predicted(kept, name), kept.oof(name, "test")
        assert made.columns == test.columns
        for column in test.columns:
            np.testing.assert_allclose(made[column], test[column], rtol=1e-6, atol=1e-6, err_msg=f"{name} {column}")


def test_the_bundle_works_at_another_place(kept):
    before = predicted(kept, "final")
    (kept.root / "oof").rename(kept.folder / "elsewhere")
    (kept.folder / "other").mkdir()
    (kept.folder / "elsewhere").rename(kept.folder / "other" / "oof")
    out = kept.folder / "again.csv"
    root = kept.folder / "other"
    done = kept.kit("predict", "r", str(kept.folder / "test.csv"), "-o", str(out), "--root", str(root))
    assert done.code == 0, done.err
    np.testing.assert_allclose(pl.read_csv(out)["pred"], before["pred"], rtol=1e-6)


def test_new_rows_may_be_few_and_strange(kept, caplog):
    """A level never seen, an unreadable number, an infinity and another column order: missing, not an error."""
    new = pl.DataFrame(
        {"c": ["violet", "red"], "x3": ["0.5", "n/a?"], "x2": ["inf", "0.1"], "x1": ["1", "2"], "id": [1, 2]}
    )
    new.write_csv(kept.folder / "new.csv")
    made = predicted(kept, "a", data="new.csv")
    assert made["id"].to_list() == [1, 2] and made["pred"].is_finite().all()
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "c: 1 level unknown to training" in told and "missing: 1 value" in told


def test_a_new_level_is_read_by_what_reads_words(toy):
    """Here a text that repeats is a category: its new values are words all the same, and missing to the rest."""
    (toy.folder / "names.json").write_text('["red", "green", "blue", "violet"]')
    np.save(toy.folder / "vectors.npy", np.array([[0.0], [0.1], [0.2], [50.0]]))
    toy.write(
        ALL.split("features:", maxsplit=1)[0]
        + """\
features:
  base: [numeric, category]
  codes: [vector]
  lengths: [{use: text_stats, columns: [c], kinds: [chars]}]
models:
  ridge: {use: sklearn, params: {estimator: LinearRegression}, features: codes}
  words: {use: sklearn, params: {estimator: LinearRegression}, features: lengths}
  all: {use: lightgbm, features: base, params: {n_estimators: 5}}
blend:
  mix: {use: mean, from: [ridge, words, all]}
submit: {from: mix}
"""
    )
    toy.run("--keep-models")
    frame = pl.DataFrame({"id": [1, 2, 3], "x1": [0.1] * 3, "x2": [0.1] * 3, "x3": [0.1] * 3})
    frame.with_columns(c=pl.Series(["violet", "a long new name", "red"])).write_csv(toy.folder / "new.csv")
    vectors, words = (predicted(toy, name, data="new.csv")["pred"] for name in ("ridge", "words"))
    assert abs(vectors[0] - vectors[2]) > 10 * abs(vectors[1] - vectors[2])
    assert words.n_unique() == 3
    assert predicted(toy, "mix", data="new.csv")["pred"].is_finite().all()


WORDS = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 2}
models:
  a: {use: sklearn, features: [numeric, category], params: {estimator: Ridge}}
"""


def test_a_row_alone_is_read_as_among_others(toy):
    """Numbers among words, codes with leading zeros and ids like 12e5 are no numbers where no word stands beside."""
    rows = pl.DataFrame({"id": ["12e5", "7"], "c": ["1.0", "n.a."], "zip": ["007", "012"], "f": ["True", "False"]})
    rows = rows.with_columns(price=pl.Series(["1.234,5", "2.500"]))
    n = 40
    train = pl.concat([rows] * n).with_columns(id=pl.Series([f"a{i}" for i in range(2 * n)]))
    train.with_columns(y=pl.Series([1.0, -1.0] * n)).write_csv(toy.folder / "train.csv")
    rows.write_csv(toy.folder / "test.csv")
    toy.write(WORDS)
    toy.run("--keep-models")
    whole = toy.oof("a", "test")
    for i in range(2):
        rows[i : i + 1].write_csv(toy.folder / "one.csv")
        one = predicted(toy, "a", data="one.csv")
        assert one["id"].to_list() == rows["id"].to_list()[i : i + 1]
        np.testing.assert_allclose(one["pred"], whole["pred"][i : i + 1], rtol=1e-6)
    # In a frame of numbers the zeros are gone; 7 can only be 007.
    frame = pd.DataFrame({"id": ["x"], "c": [1], "zip": [7], "f": [1], "price": 1234.5})
    np.testing.assert_allclose(kit.predict("r", frame, root=toy.root)["pred"], whole["pred"][:1], rtol=1e-6)
    out = toy.folder / "sub.csv"
    rows[:1].with_columns(id=pl.lit("0012")).write_csv(toy.folder / "one.csv")
    toy.kit("predict", "r", str(toy.folder / "one.csv"), "-o", str(out), "--layout", "submission")
    assert out.read_text().splitlines()[1].startswith("0012,")


@pytest.mark.parametrize(("few", "many"), [("test", "train"), ("train", "test")])
def test_a_file_of_whole_numbers_is_read_as_the_one_with_decimal_commas(toy, few, many):
    """In a file whose values are all like 2.500 they are 2500 where the other has 1.234,5; 2.5 stays what it is."""
    prices = {few: ["2.500", "3.250"] * 20, many: ["1.234,5", "7,25"] * 20}
    plain = {few: ["2.5", "0.125"] * 20, many: ["1.234,5", "7,25"] * 20}
    for name, price in prices.items():
        rows = pl.DataFrame({"id": [f"a{i}" for i in range(40)], "price": price, "plain": plain[name]})
        rows = rows.with_columns(pl.Series("y", range(40))) if name == "train" else rows
        rows.write_csv(toy.folder / f"{name}.csv")
    toy.write(WORDS.replace("[numeric, category]", "numeric"))
    opened = open_recipe(toy.folder / "r.yaml", root=toy.root)
    table = opened.store.open(opened.facts.table_key)
    price, kept = (table.array(f"x/{name}") for name in ("price", "plain"))
    parts = {"train": slice(0, 40), "test": slice(40, 80)}
    assert price[parts[few]][:2].tolist() == [2500, 3250] and price[parts[many]][:2].tolist() == [1234.5, 7.25]
    assert kept[parts[few]][:2].tolist() == [2.5, 0.125]


def test_numbers_of_a_file_that_spells_none_stay_beside_decimal_commas(toy):
    rows = pl.DataFrame({"id": [f"a{i}" for i in range(40)], "price": ["1.234,5", "7,25"] * 20, "y": range(40)})
    rows.write_csv(toy.folder / "train.csv")
    rows.drop("y").with_columns(price=pl.Series([2.125, 3.375] * 20)).write_parquet(toy.folder / "test.parquet")
    toy.write(WORDS.replace("[numeric, category]", "numeric").replace("test.csv", "test.parquet"))
    opened = open_recipe(toy.folder / "r.yaml", root=toy.root)
    price = opened.store.open(opened.facts.table_key).array("x/price")
    assert price[:2].tolist() == [1234.5, 7.25] and price[40:42].tolist() == [2.125, 3.375]


def test_frames_are_read_as_in_training(kept):
    """An index that is the id, columns of objects; the answer stands on the index of the rows that were given."""
    whole = kept.oof("a", "test")
    frame = pd.read_csv(kept.folder / "test.csv", index_col="id")[::-2]
    frame["x1"] = frame["x1"].astype(object).where(frame["x1"] > -9, "?")
    made = kit.predict("r", frame, model="a", root=kept.root)
    assert made.index.equals(frame.index.rename(None)) and made["id"].tolist() == frame.index.tolist()
    np.testing.assert_allclose(made["pred"], whole["pred"].to_numpy()[::-2], rtol=1e-6)
    lazy = pl.read_csv(kept.folder / "test.csv").lazy()
    np.testing.assert_allclose(kit.predict("r", lazy, model="a", root=kept.root)["pred"], whole["pred"], rtol=1e-6)
    rows = pl.read_csv(kept.folder / "test.csv")
    for given in (rows.to_dict(as_series=False), dict(rows.to_dict()), rows.to_dicts(), rows.to_dicts()[0]):
        made = kit.predict("r", given, model="a", root=kept.root)
        np.testing.assert_allclose(made["pred"], whole["pred"][: len(made)], rtol=1e-6)
    with pytest.raises(DataError, match="no data frame"):
        kit.predict("r", [1, 2], model="a", root=kept.root)
    with pytest.raises(DataError, match="these columns make no table"):
        kit.predict("r", {"id": [1, 2], "x1": [1.0]}, model="a", root=kept.root)


def test_what_predict_refuses(kept):
    folder = str(kept.folder / "test.csv")
    (kept.folder / "poor.csv").write_text("id,x1\n1,2\n")
    cases = [
        (("predict", "r", str(kept.folder / "poor.csv"), "-o", "o.csv"), "lack a column"),
        (("predict", "r", folder, "-o", str(kept.folder / "o.txt")), "unknown type of output"),
        (("predict", "r", folder, "-o", "o.csv", "--model", "fnial"), "did you mean 'final'?"),
        (("predict", "s", folder, "-o", "o.csv"), "no kept models"),
        (("predict", "r", folder, "-o", str(kept.folder / "no" / "where.csv")), "cannot be written"),
    ]
    for command, rule in cases:
        done = kept.kit(*command)
        assert done.code == 2 and rule in done.err, done.err
    bundle = kept.root / "oof" / "r" / "a" / "models" / "replay.json"
    bundle.write_text(json.dumps({**json.loads(bundle.read_text()), "key": "0" * 64}))
    done = kept.kit("predict", "r", folder, "-o", "o.csv")
    assert done.code == 2 and "was made of another a" in done.err


def test_a_submission_of_new_rows(kept):
    out = kept.folder / "sub.csv"
    done = kept.kit("predict", "r", str(kept.folder / "test.csv"), "-o", str(out), "--layout", "submission")
    assert done.code == 0, done.err
    submitted = pl.read_csv(next((kept.root / "submissions").glob("*.csv")))
    made = pl.read_csv(out)
    assert made.columns == submitted.columns
    np.testing.assert_allclose(made["y"], submitted["y"], rtol=1e-5)


@pytest.mark.parametrize("form", ["06d", ".1f", "d"])
def test_a_submission_of_new_rows_spells_ids_as_the_sample_does(toy, caplog, form):
    """However the new file spells them; a note tells of ids that name no row, or several."""
    test = pl.read_csv(toy.folder / "test.csv")
    listed = pl.Series("id", [format(i, form) for i in test["id"]])
    test.select(listed, y=pl.lit(0.0)).write_csv(toy.folder / "sample.csv")
    toy.edit(("test.csv,", "test.csv, sample: sample.csv,"))
    toy.run("--keep-models")
    out = toy.folder / "sub.csv"
    for ids in ([5000, 5001], [5000.0, 5001.0], ["0005000", "05001"]):
        test[:2].with_columns(id=pl.Series(ids)).write_csv(toy.folder / "new.csv")
        done = toy.kit("predict", "r", str(toy.folder / "new.csv"), "-o", str(out), "--layout", "submission")
        assert done.code == 0, done.err
        assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["id", *listed[:2]]
    assert "stands more than once" not in caplog.text
    frame = test[:3].with_columns(id=pl.Series([5000, None, 5000]))
    made = kit.predict("r", frame, root=toy.root, layout="submission")
    assert made["id"].cast(pl.String).to_list() == [listed[0], None, listed[0]]
    assert "id: 1 row without an id, 2 rows whose id stands more than once" in caplog.text


def test_a_recipe_without_an_id_takes_the_ids_that_the_sample_names(toy):
    """They were numbers of rows under the name of the ids."""
    test = pl.read_csv(toy.folder / "test.csv")
    test.select("id", y=pl.lit(0.0)).write_csv(toy.folder / "sample.csv")
    toy.edit(("test.csv, id: id,", "test.csv, sample: sample.csv, drop: [id],"))
    toy.run("--keep-models")
    made = kit.predict("r", test[5:8], root=toy.root, layout="submission")
    assert made["id"].to_list() == test["id"][5:8].to_list()
    assert kit.predict("r", test[5:8].drop("id"), root=toy.root, layout="submission")["id"].to_list() == [0, 1, 2]


def test_a_submission_of_ratings_holds_ratings(toy):
    """Where folds' thresholds differ their mean is no rating: it is decided as in the run, and stays in its range."""
    for part in ("train", "test"):
        frame = pl.read_csv(toy.folder / f"{part}.csv")
        rated = frame.with_columns(pl.col("y").round().clip(0, 3).cast(pl.Int64)) if part == "train" else frame
        rated.write_csv(toy.folder / f"{part}.csv")
    toy.write(ALL.split("metric", maxsplit=1)[0] + "metric: qwk\nmodels: {a: {use: lightgbm, stop: fixed}}\n")
    submitted = toy.run("--keep-models").submitted
    out = toy.folder / "sub.csv"
    toy.kit("predict", "r", str(toy.folder / "test.csv"), "-o", str(out), "--layout", "submission")
    assert out.read_bytes() == submitted
    assert {line.rpartition(b",")[2] for line in submitted.splitlines()[1:]} <= {b"0", b"1", b"2", b"3"}


def test_pandas_in_pandas_out(kept):
    frame = pl.read_csv(kept.folder / "test.csv")
    of_pandas = kit.predict("r", frame.to_pandas(), model="a", root=kept.root)
    assert type(of_pandas).__module__.startswith("pandas")
    np.testing.assert_allclose(of_pandas["pred"], kit.predict("r", frame, model="a", root=kept.root)["pred"])


def test_own_code_travels_with_the_model(toy):
    (toy.folder / "square.py").write_text(OWN_FEATURE)
    toy.edit(("base: [numeric, category]", "base: [numeric, {use: ./square.py}]"))
    toy.run("--trust", "--keep-models")
    (toy.folder / "square.py").unlink()
    refused = toy.kit("predict", "r", str(toy.folder / "test.csv"), "-o", "o.csv", "--model", "a")
    assert refused.code == 2 and "must be trusted" in refused.err
    made = predicted(toy, "a", "--trust")
    np.testing.assert_allclose(made["pred"], toy.oof("a", "test")["pred"], rtol=1e-6)


def test_no_file_of_a_kept_model_is_a_pickle(kept):
    """Neither the start of a pickle nor a zip that holds one."""
    files = [p for p in (kept.root / "oof").rglob("*") if p.is_file()]
    assert files
    assert not [
        p
        for p in files
        if p.suffix in (".pkl", ".joblib", ".pickle") or p.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05")
    ]


def test_export_hands_out_what_a_learner_sees(toy):
    toy.edit(
        ("models:", "augment: {noise: {use: jitter, columns: [x1], std: 0.5}}\nmodels:"),
        ("a: {use: lightgbm, features: base,", "a: {use: lightgbm, features: base, augment: noise,"),
    )
    out = toy.folder / "matrices"
    done = toy.kit("export", str(toy.folder / "r.yaml"), "--model", "a", "--fold", "1", "-o", str(out), "--json")
    assert done.code == 0, done.err
    x, y, w, row, parents = (np.load(out / f"learn_{n}.npy") for n in ("X", "y", "w", "row", "parents"))
    assert len(x) == len(y) == len(w) == len(row) == len(parents)
    real, held = row[row >= 0], np.load(out / "held_row.npy")
    assert not set(real) & set(held) and set(real) | set(held) == set(range(120))
    assert (row < 0).any() and set(parents[row < 0].ravel()) & set(real)
    assert json.loads((out / "names.json").read_text())["names"] == ["x1", "x2", "x3", "c"]
    truth = pl.read_csv(toy.folder / "train.csv")["y"].to_numpy()
    np.testing.assert_allclose(np.load(out / "held_y.npy"), truth[held])
    again = toy.kit("export", str(toy.folder / "r.yaml"), "--model", "a", "-o", str(out))
    assert again.code == 2 and "exists already" in again.err
    wrong = toy.kit("export", str(toy.folder / "r.yaml"), "--model", "a", "--fold", "9", "-o", str(out))
    assert wrong.code == 2 and "0 to 2" in wrong.err


PLAIN = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 2, repeats: 2}
features:
  base: [numeric, category, {use: target_mean, columns: [c]}]
augment: {noise: {use: jitter, columns: [x1], std: 0.5}}
models:
  again: {use: xgboost, features: base, augment: noise, params: PARAMS, refit: true}
  cut: {use: xgboost, features: base, params: PARAMS, stop: cut}
  held: {use: xgboost, features: base, params: PARAMS, stop: held}
  pooled: {use: xgboost, features: base, params: PARAMS, stop: pooled}
  top: {use: xgboost, from: [cut, mix], features: [numeric], params: PARAMS}
blend: {mix: {use: mean, from: [cut, held]}}
""".replace("PARAMS", "{n_estimators: 20, patience: 4, learning_rate: 0.5, subsample: 1, colsample: 1}")


def test_a_plain_library_on_an_export_is_the_model_of_the_fold(toy):
    """Under every stop policy, of every repeat, of all rows, in both formats; the names are those of the recipe."""
    import xgboost as xgb

    recipe = str(toy.write(PLAIN))
    early = toy.kit("export", recipe, "--model", "pooled", "-o", str(toy.folder / "early"))
    assert early.code == 2 and "kit run the recipe first" in early.err
    toy.run()
    for name, fold in [("again", "3"), ("cut", "3"), ("held", "3"), ("pooled", "3"), ("top", "3"), ("again", "all")]:
        out, table = toy.folder / name / fold, toy.folder / name / f"{fold}-parquet"
        for folder, form in ((out, "npy"), (table, "parquet")):
            done = toy.kit("export", recipe, "--model", name, "--fold", fold, "-o", str(folder), "--form", form)
            assert done.code == 0, done.err
        part = {p.stem: np.load(p) for p in out.glob("*.npy")}
        about, params = json.loads((out / "names.json").read_text()), toy.card(name)["params"]
        assert about["names"] == ["x1", "x2", "x3", *(["cut[0]", "mix[0]"] if name == "top" else ["c", "mean(c)"])]
        assert pl.read_parquet(table / "learn_X.parquet").columns == about["names"]
        np.testing.assert_array_equal(pl.read_parquet(table / "learn_X.parquet").to_numpy(), part["learn_X"])
        np.testing.assert_array_equal(pl.read_parquet(table / "learn.parquet")["y"].to_numpy(), part["learn_y"])
        kinds = ["c" if str(i) in about["categories"] else "q" for i in range(len(about["names"]))]
        frame = {"feature_types": kinds, "enable_categorical": True}
        data = xgb.QuantileDMatrix(part["learn_X"], part["learn_y"], weight=part["learn_w"], max_bin=256, **frame)
        config = {"eta": 0.5, "max_depth": params["depth"], "min_child_weight": params["min_weight"], "nthread": 1}
        config |= {"lambda": params["l2"], "tree_method": "hist"}
        model = xgb.train(config, data, about["steps"][0])
        if fold == "all":
            made, told = model.predict(xgb.DMatrix(part["test_X"], **frame)), toy.oof(name, "test")["pred"]
        else:
            made = model.predict(xgb.DMatrix(part["held_X"], **frame))
            oof = toy.oof(name).filter(pl.col("repeat") == 1)
            told = oof["pred"].gather(part["held_row"])
            assert (oof["fold"].gather(part["held_row"]) == 1).all()
        np.testing.assert_allclose(made, told, rtol=1e-5, atol=1e-6, err_msg=name)
        assert ("stop_X" in part) == (name in ("cut", "held"))
    assert set(np.load(toy.folder / "held" / "3" / "stop_row.npy")) == set(
        np.load(toy.folder / "held" / "3" / "held_row.npy")
    )
    none = toy.kit("export", recipe, "--model", "cut", "--fold", "all", "-o", str(toy.folder / "none"))
    assert none.code == 2 and "no model of all rows" in none.err


OTHERS = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 2}
seed: 5
augment: {noise: {use: jitter, columns: [x1], std: 0.5}}
models:
  k: {use: catboost, augment: noise, params: {iterations: 9, bootstrap_type: "No", random_strength: 0}, stop: fixed}
  ridge: {use: sklearn, augment: noise, params: {estimator: Ridge, scale: none}}
  net: {use: hetero_mlp, augment: noise, params: {epochs: 2, width: 8}, stop: cut}
"""


def by_catboost(part, about):
    import catboost

    def pool(x, y=None):
        category = next(iter(map(int, about["categories"])))
        frame = pd.DataFrame(x).astype({category: int}).astype({category: str})
        return catboost.Pool(frame, y, weight=None if y is None else part["learn_w"], cat_features=[category])

    config = {"iterations": about["steps"][0], "learning_rate": 0.03, "depth": 5, "bootstrap_type": "No"}
    config |= {"random_strength": 0, "boosting_type": "Plain", "one_hot_max_size": 15, "leaf_estimation_iterations": 1}
    config |= {"leaf_estimation_backtracking": "No", "logging_level": "Silent", "allow_writing_files": False}
    model = catboost.CatBoost({**config, "thread_count": 1})
    return model.fit(pool(part["learn_X"], part["learn_y"])).predict(pool(part["held_X"]))


def by_ridge(part, about):
    from sklearn.linear_model import Ridge

    def coded(x):
        category = next(iter(map(int, about["categories"])))
        return np.hstack([np.delete(x, category, axis=1), x[:, [category]] == np.unique(part["learn_X"][:, category])])

    model = Ridge().fit(coded(part["learn_X"].astype(float)), part["learn_y"], part["learn_w"])
    return model.predict(coded(part["held_X"].astype(float)))


def by_net(part, about):
    """The learner of kit itself, which has nothing but the files: no other library draws the same first weights."""
    categories = {about["names"][int(i)]: n for i, n in about["categories"].items()}

    def design(name):
        x = Block(tuple(about["names"]), part[f"{name}_X"], categories)
        w, v = (part.get(f"{name}_{n}", np.ones(len(x.x))) for n in ("w", "v"))
        return Design((x,), part[f"{name}_y"] if name != "held" else None, w, v)

    params, task = hetero_mlp.Params(epochs=2, width=8), Task("regression", about["task"]["objective"])
    run = Run(stream(5, "fit", 0, 1))
    data = hetero_mlp.prepare(params, task, design("learn"), design("stop"), run)
    return hetero_mlp.fit(params, task, data, run).predict(design("held")).mean[:, 0]


def test_other_libraries_on_an_export_are_the_models_of_the_fold(toy):
    recipe = str(toy.write(OTHERS))
    toy.run()
    for name, refitted in (("k", by_catboost), ("ridge", by_ridge), ("net", by_net)):
        out = toy.folder / name
        done = toy.kit("export", recipe, "--model", name, "--fold", "1", "-o", str(out))
        assert done.code == 0, done.err
        part = {p.stem: np.load(p) for p in out.glob("*.npy")}
        made = refitted(part, json.loads((out / "names.json").read_text()))
        told = toy.oof(name)["pred"].gather(part["held_row"])
        np.testing.assert_allclose(made, told, rtol=1e-5, atol=1e-6, err_msg=name)


def test_export_names_the_rows_that_are_learnt_from(toy):
    """Rows that a weighting drops are missing in all files alike."""
    toy.edit(("models:", "weights: {use: undersample, cap: 0.3}\nmodels:"))
    out = toy.folder / "matrices"
    done = toy.kit("export", str(toy.folder / "r.yaml"), "--model", "a", "--fold", "1", "-o", str(out), "--json")
    assert done.code == 0, done.err
    y, w, row = (np.load(out / f"learn_{n}.npy") for n in ("y", "w", "row"))
    truth = pl.read_csv(toy.folder / "train.csv")["y"].to_numpy()
    assert len(row) + len(np.load(out / "held_row.npy")) < 120 and (w > 0).all()
    np.testing.assert_allclose(y, truth[row])


def test_new_rows_are_written_as_the_recipe_says(toy):
    toy.edit(("id: id,", "id: id, encoding: latin-1,"))
    for name in ("train.csv", "test.csv"):
        text = (toy.folder / name).read_text("utf-8")
        (toy.folder / name).write_text(text.replace("red", "r\u00f8d"), "latin-1")
    toy.run("--keep-models")
    np.testing.assert_array_equal(predicted(toy, "a")["pred"], toy.oof("a", "test")["pred"])
