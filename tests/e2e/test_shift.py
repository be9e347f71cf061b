"""Adversarial validation, and the word for models that say the same of every row."""

from __future__ import annotations

import numpy as np
import polars as pl


def test_files_drawn_alike_are_alike(toy):
    found = toy.kit("shift", str(toy.folder / "r.yaml"), "--json").json
    assert found["rows"] == {"train": 120, "test": 40}
    assert abs(found["auc"] - 0.5) < 3 * found["auc_se"]


def test_the_column_that_moved_is_named(toy):
    test = pl.read_csv(toy.folder / "test.csv")
    test.with_columns(pl.col("x2") + 3).write_csv(toy.folder / "test.csv")
    found = toy.kit("shift", str(toy.folder / "r.yaml"), "--json").json
    assert found["auc"] > 0.9 and found["verdict"] == "very different"
    assert found["columns"][0]["name"] == "x2" and found["effective_share"] < 0.5
    shown = toy.kit("shift", str(toy.folder / "r.yaml"))
    assert shown.code == 0 and "very different" in shown.out and "x2" in shown.out


def test_texts_are_compared_and_what_is_not_is_named(toy):
    rng = np.random.default_rng(0)
    for name, n, longest in (("train", 120, 8), ("test", 60, 20)):
        texts = [" ".join(rng.choice(["red", "car", "tree", "sun"], rng.integers(4, longest))) for _ in range(n)]
        frame = pl.DataFrame(
            {"id": np.arange(n) + 500 * (n < 100), "said": texts, "code": [f"{name}-{i}" for i in range(n)]}
        )
        (frame.with_columns(y=rng.normal(size=n)) if n > 100 else frame).write_csv(toy.folder / f"{name}.csv")
    toy.edit(("target: y}", "target: y, kinds: {said: text, code: key}}"), ("[numeric, category]", "[text_stats]"))
    found = toy.kit("shift", str(toy.folder / "r.yaml"), "--json").json
    assert found["auc"] > 0.7 and "said" in found["columns"][0]["name"] and found["left_out"] == ["code"]


def test_no_test_rows_is_told(toy):
    toy.edit((", test: test.csv", ""))
    done = toy.kit("shift", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "no test rows" in done.err


def test_a_collapsed_model_is_named(toy):
    toy.edit(
        ("params: {n_estimators: 5}", "params: {n_estimators: 60, learning_rate: 0.2}"),
        (
            "b: {use: lightgbm, features: base, params: {n_estimators: 8}",
            "b: {use: lightgbm, features: base, params: {n_estimators: 1, learning_rate: 0.001}",
        ),
    )
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 0 and "collapsed: b predicts nearly the same" in done.out
    assert "collapsed: a" not in done.out
    spread = toy.card("b")["spread"]
    test = toy.oof("b", "test")["pred"]
    np.testing.assert_allclose(
        [spread["test"]["min"], spread["test"]["std"]], [test.min(), test.std(ddof=0)], rtol=1e-5
    )
