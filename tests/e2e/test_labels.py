"""Metrics of labels: thresholds as an added last step, ratings as a regression, rankings, and stackers by name or key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import kit

MODELS = """\
features: {base: [numeric]}
models:
  a: {use: sklearn, params: {estimator: LogisticRegression}}
"""


def write(toy: Any, kind: str, sample: dict[str, Any] | None = None, n: int = 600) -> None:
    """Write train.csv and test.csv with a target that hangs on x1: rare `yes`, ratings 1 to 5, or four classes."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n + 40, 2)).round(3)
    score = x[:, 0] + 1.0 * rng.normal(size=n + 40)
    y: Any = {
        "rare": np.where(score > 1.6, "yes", "no"),
        "ratings": np.clip(np.round(score * 0.9 + 3), 1, 5).astype(int),
        "classes": np.array(["Red", "Blue", "Green", "Grey"])[np.clip(np.round(score + 1.5), 0, 3).astype(int)],
    }[kind]
    g = rng.integers(0, 4, n + 40)
    frame = pl.DataFrame({"id": np.arange(n + 40), "x1": x[:, 0], "x2": x[:, 1], "g": [f"g{i}" for i in g], "y": y})
    frame[:n].write_csv(toy.folder / "train.csv")
    frame[n:].drop("y").write_csv(toy.folder / "test.csv")
    if sample is not None:
        pl.DataFrame({"id": np.arange(n, n + 40), **sample}).write_csv(toy.folder / "sample.csv")


def recipe(toy: Any, metric: str, more: str = "", models: str = MODELS, sample: bool = False) -> None:
    data = "data: {train: train.csv, test: test.csv, id: id, target: y%s}\n" % (
        ", sample: sample.csv" if sample else ""
    )
    toy.write(f"{data}metric: {metric}\nsplit: {{use: stratified, folds: 3}}\n{models}{more}")


def submitted(done: Any) -> list[str]:
    return pl.read_csv(done.json["submission"], infer_schema=False)[:, 1].to_list()


def check(toy: Any, path: str) -> dict[str, str]:
    """Return fault -> what was got, of a submission."""
    return {f["fault"]: f["got"] for f in kit.submit(toy.folder / path, recipe=toy.folder / "r.yaml", root=toy.root)}


def spelt(done: Any, last: str) -> str:
    """Return a submission with another last value."""
    lines = Path(done.json["submission"]).read_text("utf-8").splitlines()
    return "\n".join([*lines[:-1], f"{lines[-1].partition(',')[0]},{last}"]) + "\n"


def test_thresholds_are_the_last_step_of_a_recipe_that_declares_no_blend(toy):
    write(toy, "rare")
    recipe(toy, "f1", "also: [auc, balanced_accuracy]\n")
    done = toy.run()
    assert list(done.json["blends"]) == ["labels"]
    assert done.json["blends"]["labels"]["score"] > done.json["models"]["a"]["score"]
    card = toy.card("labels")
    assert card["use"] == "thresholds" and card["kind"] == "label" and card["sources"] == ["a"]
    assert card["also"]["auc"] is None and "probabilities" in card["unscored"]["auc"]
    assert set(toy.oof("labels")["pred"].to_list()) == {0.0, 1.0}
    assert set(submitted(done)) == {"yes", "no"}
    told = toy.kit("check", str(toy.folder / "r.yaml"))
    assert "labels: thresholds over a were added, for f1 wants labels\n  next: declare `blend` to choose" in told.out
    assert "blend labels (thresholds for f1)" in [s["name"] for s in toy.plan()]
    assert toy.run().stages["run"] == 0


@pytest.mark.parametrize(
    ("metric", "more"),
    [
        ("f1", "blend: {}\n"),
        ("f1", "blend: {mix: {use: mean}}\n"),
        ("f1", "submit: {from: a}\n"),
        ("accuracy", ""),
        ("auc", ""),
    ],
)
def test_a_recipe_can_do_without(toy, metric, more):
    write(toy, "rare")
    recipe(toy, metric, more)
    assert "labels" not in toy.run().json["blends"]
    told = toy.kit("check", str(toy.folder / "r.yaml")).out
    assert ("mix is submitted without thresholds" in told) == ("mix" in more)
    assert "thresholds" not in told or "mix" in more


def test_thresholds_stand_over_the_blend_that_is_added_and_find_a_free_name(toy):
    write(toy, "rare")
    two = MODELS + "  labels: {use: sklearn, params: {estimator: GaussianNB}}\n"
    recipe(toy, "mcc", models=two)
    done = toy.run()
    assert list(done.json["blends"]) == ["blend", "labels2"]
    assert toy.card("labels2")["sources"] == ["blend"]
    assert toy.card("blend")["params"]["by"] == "score", "what thresholds cut is climbed by the score they cut"
    recipe(toy, "accuracy", models=two)
    assert list(toy.run().json["blends"]) == ["blend"] and toy.card("blend")["use"] == "shrunk"


def test_ratings_are_trained_as_a_regression_and_written_as_the_sample_writes_them(toy):
    ridge = MODELS.replace("LogisticRegression", "Ridge")
    for zeros, pattern in (([0] * 40, {"1", "2", "3", "4", "5"}), ([0.0] * 40, {"1.0", "2.0", "3.0", "4.0", "5.0"})):
        write(toy, "ratings", {"y": zeros})
        recipe(toy, "qwk", models=ridge, sample=True)
        done = toy.run()
        assert set(submitted(done)) <= pattern and len(set(submitted(done))) > 2
        assert check(toy, done.json["submission"]) == {}
        for wrong in ("0", "6", "2.5"):
            (toy.folder / "try.csv").write_text(spelt(done, wrong))
            assert check(toy, "try.csv") == {"ratings that are none": f"column y: 1 rows, as {wrong}"}
    assert "regression" in toy.kit("check", str(toy.folder / "r.yaml")).out
    assert done.json["blends"]["labels"]["score"] > done.json["models"]["a"]["score"]
    assert set(toy.oof("labels")["pred"].to_list()) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    recipe(toy, "qwk", "blend: {}\n", models=ridge, sample=True)
    assert set(submitted(toy.run())) <= {"1.0", "2.0", "3.0", "4.0", "5.0"}, "rounded, and within the target's range"


def test_ratings_may_be_classes_where_that_is_asked_for(toy):
    write(toy, "ratings")
    recipe(toy, "qwk", "task: multiclass\n")
    done = toy.run()
    assert done.json["blends"]["labels"]["score"] > 0.3
    assert set(submitted(done)) <= {"1", "2", "3", "4", "5"}


def test_a_ranking_lists_the_best_classes(toy):
    write(toy, "classes", {"y": ["red blue"] * 40})
    recipe(toy, "map@2", sample=True)
    done = toy.run()
    lists = [line.split() for line in submitted(done)]
    assert all(len(set(words)) == 2 for words in lists)
    assert {word for words in lists for word in words} <= {"red", "blue", "Green", "Grey"}
    best = toy.oof("a", "test").select(pl.selectors.starts_with("pred_")).to_numpy().argmax(axis=1)
    assert [words[0].lower() for words in lists] == [["blue", "green", "grey", "red"][k] for k in best]
    write(toy, "classes", {f"y_{c}": [0.25] * 40 for c in ("Blue", "Green", "Grey", "Red")})
    recipe(toy, "map@2", sample=True)
    assert float(submitted(toy.run())[0]) <= 1
    assert toy.card("a")["metric"] == "map@2"


def test_a_wrong_number_of_a_metric_is_told_with_its_line(toy):
    write(toy, "classes")
    recipe(toy, "map@0")
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2
    assert "r.yaml:2: this number cannot stand there" in done.err and "as map@3" in done.err


# -- stackers by name and by key

TWO = """\
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 5}, stop: fixed}
  b: {use: lightgbm, features: base, params: {n_estimators: 8}, stop: fixed}
"""


def test_given_weights_go_by_name_and_names_stay_out_of_keys(toy):
    mix = ("mix: {use: mean, from: [a, b]}", "mix: {use: weighted, from: [a, b], weights: {b: 3, a: 1}}")
    toy.edit(mix)
    toy.run()
    assert toy.card("mix")["weights"] == {"a": 0.25, "b": 0.75}
    renamed = toy.edit(mix, ("  a:", "  first:"), ("from: [a, b]", "from: [first, b]"), ("a: 1}", "first: 1}"))
    assert renamed and toy.ran() == []
    toy.edit(mix, ("b: 3", "c: 3"))
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "c is not among the sources: a, b" in done.err


def test_given_weights_follow_the_models_that_are_left():
    from kit.recipe import Blend, Plug
    from kit.stackers import weighted

    blend = Blend("mix", Plug("stackers", "weighted", weighted.Params(weights=(1, 2, 4))), ("a", "b", "c"))
    left = blend.of([0, 2])
    assert left.sources == ("a", "c") and left.plug.params.weights == (1.0, 4.0)


def test_bias_is_learnt_by_a_column_and_moves_test_rows(toy):
    rng = np.random.default_rng(0)
    for name, n in (("train", 200), ("test", 40)):
        g, x = rng.integers(0, 4, n), rng.normal(size=n).round(3)
        frame = pl.DataFrame({"id": np.arange(n) + (1000 if name == "test" else 0), "x1": x, "x2": x * 0, "x3": x * 0})
        frame = frame.with_columns(c=pl.lit("k"), g=pl.Series([f"g{i}" for i in g]))
        frame = frame.with_columns(y=pl.Series(g + 0.1 * rng.normal(size=n)))
        (frame if name == "train" else frame.drop("y")).write_csv(toy.folder / f"{name}.csv")
    keyed = (
        ("features:\n  base: [numeric, category]", "features:\n  base: [numeric]"),
        ("{use: clip, from: mix, low: -3, high: 3}", "{use: bias, from: mix, key: g}"),
    )
    toy.edit(*keyed)
    done = toy.run()
    assert done.json["blends"]["final"]["score"] < 0.7 * done.json["blends"]["mix"]["score"]
    done_score = done.json["blends"]["final"]["score"]
    move = toy.oof("final", "test")["pred"] - toy.oof("mix", "test")["pred"]
    g = pl.read_csv(toy.folder / "test.csv")["g"].to_numpy()
    means = [float(move.to_numpy()[g == f"g{i}"].mean()) for i in range(4)]
    assert np.diff(means) == pytest.approx([1, 1, 1], abs=0.15)
    toy.edit(*keyed, (", key: g", ""))
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2 and "bias needs a column to go by" in done.err
    toy.edit(*keyed, (", key: g", ""), ("target: y", "target: y, groups: g"))
    again = toy.run()
    assert again.json["blends"]["final"]["score"] == done_score
