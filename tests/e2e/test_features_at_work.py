"""Features from a recipe's line to a submission."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest

MANY = """\
features:
  base: [numeric, {use: category, columns: ["kind:category"], min_count: 2}]
  made:
    - {use: vector, columns: [few]}
    - {use: count, scope: fold, kinds: [count, frequency]}
    - {use: aggregate, by: [c], columns: ["x*", "!x3"], stats: [mean, rank], quantiles: [0.9]}
    - {use: expr, expressions: {ratio: "x1 / NULLIF(x2, 0)", warm: c = 'red', first: "SUBSTR(c, 1, 1)"}}
    - {use: pairs, columns: [x1, x2], kinds: [sum]}
    - {use: bins, columns: [x1], bins: 4}
    - {use: target_mean, columns: [c, x3], together: 2}
    - {use: lag, by: [c], time: x3, columns: [x1]}
    - {use: rank_gauss, columns: ["!x1"]}
    - missing
"""


def test_every_feature_at_work(toy):
    base = "features:\n  base: [numeric, category]\n"
    toy.edit(
        (base, "columns:\n  few: {use: reduce, columns: ['x?'], size: 2}\n" + MANY),
        ("features: base", "features: [base, made]"),
    )
    done = toy.run()
    assert done.stages["failed"] == 0
    names = set(toy.card("a")["importances"]["gain"])
    assert {"x1", "c", "count(c)", "mean(x1) by c", "q90(x2) by c", "ratio", "first", "x1 + x2", "bin(x1)"} <= names
    assert {"mean(c & x3)", "lag1(x1)", "rank(x2)", "missing"} <= names
    assert not {"mean(x3) by c", "rank(x1)"} & names
    assert toy.card("a")["transductive"] is True
    assert toy.run().stages == {"run": 0, "reused": 15, "failed": 0}


@pytest.mark.parametrize("text", ["{use: cross, columns: [c, x1]}", "{use: bins, columns: [x1]}"])
def test_a_computed_column_holds_no_categories(toy, text):
    column = f"columns:\n  few: {text}\nfeatures:\n"
    toy.edit(("features:\n", column), ("[numeric, category]", "[numeric, {use: vector, columns: [few]}]"))
    done = toy.kit("run", str(toy.folder / "r.yaml"), "--json")
    assert done.code in (2, 3)
    assert "makes categories, which a computed column cannot hold" in done.err
    assert "move it from columns to features" in done.err


WIDE = """\
data: {train: train.csv, test: test.csv, id: id, target: y, groups: who}
metric: rmse
split: {use: group, folds: 3}
columns:
  words: {use: tfidf, columns: [about], size: 3, min_df: 1}
  few: {use: reduce, columns: ["kind:numeric"], size: 2}
  first: {use: expr, expressions: {w: "SPLIT_PART(about, ' ', 1)"}}
  total: {use: expr, expressions: {t: x1 + x3}}
  both: {use: expr, expressions: {b: "first || '-' || who_else"}, scope: table}
  more: {use: expr, expressions: {m: "total * 2 + CASE WHEN first = 'red' THEN 1 ELSE 0 END", h: total / 2}}
features:
  base:
    - numeric
    - {use: category, min_count: 2}
    - {use: vector, columns: [words, few, more]}
  made:
    - {use: dates, cycles: [year]}
    - {use: lag, by: [who], time: seen, columns: ["x*"], means: [2]}
    - {use: aggregate, by: [who], columns: [x1], stats: [mean, rank, count]}
    - {use: aggregate, by: [c], columns: [x2], stats: [zscore], scope: fold}
    - {use: count, columns: [c, who_else], together: 2}
    - {use: cross, columns: [c, who_else]}
    - {use: bins, columns: [x3], bins: 4}
    - {use: target_mean, columns: [about, c, both, first]}
    - {use: count, columns: [first, c], together: 2}
    - {use: aggregate, by: [first], columns: [total, x1], stats: [mean, rank]}
    - {use: lag, by: [first, c], time: total, columns: [x1]}
    - {use: expr, expressions: {start: "SPLIT_PART(about, ' ', 1)", late: "seen > 18100", sum: x1 + x2}}
    - {use: rank_gauss, columns: [x1]}
    - text_stats
    - missing
    - pairs
models:
  a: {use: lightgbm, features: [base, made], params: {n_estimators: 5}, stop: fixed}
"""


def wide(seed: int, n: int) -> pl.DataFrame:
    """Return rows with dates, texts, groups and missing values; some levels are in one of the files only."""
    rng = np.random.default_rng(seed)
    words = ["red", "old", "big", "new", f"word{seed}"]
    frame = {f"x{i}": rng.normal(size=n).round(3) for i in (1, 2, 3)}
    frame["x2"][::7] = np.nan
    return pl.DataFrame(
        {
            **frame,
            "id": range(seed * 1000, seed * 1000 + n),
            "who": rng.integers(0, 12, n),
            "who_else": [f"p{i}" for i in rng.integers(0, 5, n)],
            "c": [None if i == 0 else f"c{i if i != 3 else 10 * seed}" for i in rng.integers(0, 4, n)],
            "seen": [f"2019-0{1 + i}-1{j}" for i, j in rng.integers(0, 9, (n, 2))],
            "about": [" ".join(words[i] for i in row) for row in rng.integers(0, 5, (n, 8))],
            "y": frame["x1"] + rng.normal(size=n).round(3),
        }
    )


def test_predict_replays_every_feature_without_the_training_data(toy):
    wide(1, 150).write_csv(toy.folder / "train.csv")
    wide(2, 40).drop("y").write_csv(toy.folder / "test.csv")
    toy.write(WIDE)
    toy.run("--keep-models")
    names = toy.card("a")["importances"]["gain"]
    assert {"first", "total", "both", "more[1]", "mean(both)", "count(first & c)", "rank(total) by first"} <= set(names)
    assert not any("@" in name for name in names)
    test = toy.oof("a", "test")
    (toy.folder / "train.csv").unlink()
    shutil.rmtree(toy.root / ".kit")
    for data, rows in (("test.csv", 40), ("few.csv", 3), ("new.csv", 30)):
        frame = wide(3, 30).drop("y") if data == "new.csv" else pl.read_csv(toy.folder / "test.csv").head(rows)
        frame.write_csv(toy.folder / data)
        out = toy.folder / "out.parquet"
        done = toy.kit("predict", "r", str(toy.folder / data), "-o", str(out), "--model", "a")
        assert done.code == 0, done.err
        pred = pl.read_parquet(out)["pred"]
        assert len(pred) == rows and pred.is_finite().all()
        if data != "new.csv":
            np.testing.assert_allclose(pred, test["pred"].head(rows), rtol=1e-6, atol=1e-6)


def test_a_computed_column_is_like_one_of_the_data(toy):
    """An expression as a computed column gives what it gives as a feature, and other features can take it."""
    toy.edit(
        ("features:\n", "columns:\n  up: {use: expr, expressions: {u: x1 * 2}}\nfeatures:\n"),
        ("[numeric, category]", "[{use: numeric, columns: [x1, up]}]"),
        ("features: base, params: {n_estimators: 8}", "features: same, params: {n_estimators: 5}"),
        ("models:\n", "  same: [{use: numeric, columns: [x1]}, {use: expr, expressions: {up: x1 * 2}}]\nmodels:\n"),
    )
    toy.run()
    np.testing.assert_array_equal(toy.oof("a", "test")["pred"], toy.oof("b", "test")["pred"])


def test_a_computed_column_of_the_wrong_kind_is_told_before_anything_runs(toy):
    column = "columns:\n  up: {use: expr, expressions: {u: x1 * 2}}\nfeatures:\n"
    toy.edit(("features:\n", column), ("[numeric, category]", "[numeric, {use: vector, columns: [up]}]"))
    done = toy.kit("plan", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "up, a numeric column" in done.err
    toy.edit(("features:\n", column.replace("{u: x1 * 2}", "{u: x1 * 2, v: UPPER(c)}")))
    done = toy.kit("plan", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "several expressions make vectors, which hold no text" in done.err


PLAIN = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 2}
columns:
  pair: {use: reduce, columns: [x1, x2, x3], size: 2}
models:
  a: {use: lightgbm, params: {n_estimators: 5}, stop: fixed}
  b: {use: sklearn, params: {estimator: Ridge}}
"""


def test_a_recipe_without_features_reads_dates_and_texts_and_learns_texts_once(toy) -> None:
    for name, n in (("train", 120), ("test", 40)):
        frame = wide(1 if name == "train" else 2, n)
        frame = frame.with_columns(about=pl.col("about") + " in all " + pl.col("id").cast(pl.String))
        (frame if name == "train" else frame.drop("y")).write_csv(toy.folder / f"{name}.csv")
    toy.write(PLAIN)
    stages = [s["name"] for s in toy.plan()]
    assert [name for name in stages if name.startswith("column")] == ["column pair", "column tfidf(about)"]
    toy.run("--keep-models")
    card = json.loads((toy.root / "oof/r/a/card.json").read_text("utf-8"))
    assert card["transductive"]
    read = {column for column in json.dumps(card).split('"') if "(" in column}
    assert any(column.startswith("chars(about)") for column in read)
    assert any(column.startswith("tfidf(about)[") for column in read), read
    assert any("seen" in column for column in read)
    out = toy.folder / "p.parquet"
    assert toy.kit("predict", "r", str(toy.folder / "test.csv"), "-o", str(out), "--model", "b").code == 0
    np.testing.assert_allclose(pl.read_parquet(out)["pred"], toy.oof("b", "test")["pred"], rtol=1e-5)


def test_a_model_with_made_up_rows_learns_texts_in_the_fold(toy) -> None:
    """What stands for the text is then made of the row's own text, which an augmenter may have swapped."""
    for name, n in (("train", 120), ("test", 40)):
        frame = wide(1 if name == "train" else 2, n)
        frame = frame.with_columns(about=pl.col("about") + " in all " + pl.col("id").cast(pl.String))
        (frame if name == "train" else frame.drop("y")).write_csv(toy.folder / f"{name}.csv")
    made = "  a: {use: lightgbm, params: {n_estimators: 5}, stop: fixed, augment: [swap]}\n"
    augment = "augment: {swap: [{use: mismatch, swap: [about], score: 0}]}\n"
    toy.write(augment + PLAIN.split("models:", maxsplit=1)[0] + "models:\n" + made)
    assert not [s for s in toy.plan() if s["name"].startswith("column tfidf")]
    toy.run()


def test_features_that_find_no_column_of_their_kind_leave_no_mark(toy) -> None:
    toy.write(PLAIN.replace("columns:\n  pair: {use: reduce, columns: [x1, x2, x3], size: 2}\n", ""))
    toy.run("--only", "a")
    assert not json.loads((toy.root / "oof/r/a/card.json").read_text("utf-8"))["transductive"]


def test_what_is_computed_once_is_a_feature_all_the_same(toy) -> None:
    """A column with a role is refused, as in any feature."""
    wide(1, 120).write_csv(toy.folder / "train.csv")
    recipe = PLAIN.replace("target: y}", "target: y, groups: about}").replace("test: test.csv, ", "")
    toy.write(recipe + "features:\n  base: [numeric, {use: tfidf, columns: [about], min_df: 1, size: 2}]\n")
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2
    assert "the groups column cannot be used here" in done.err
