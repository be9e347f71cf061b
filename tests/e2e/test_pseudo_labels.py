"""Pseudo-labels at work: they come from the model of the same fold, so no held y reaches the fold it is held in."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from conftest import Toy

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
seed: 7
features: {base: [numeric, category]}
augment:
  taught: [{use: pseudo, source: first, weight: 0.5}]
  again: [{use: pseudo, source: second}]
models:
  third: {use: lightgbm, features: base, params: {n_estimators: 5}, augment: again, refit: true}
  second: {use: lightgbm, features: base, params: {n_estimators: 5}, augment: taught, seeds: 2}
  first: {use: lightgbm, features: base, params: {n_estimators: 5}}
"""


def layers(toy: Toy, name: str) -> np.ndarray:
    """Return what each fold's model predicts for test, (K, t)."""
    return toy.oof(name, "test_folds").sort("fold", maintain_order=True)["pred"].to_numpy().reshape(-1, 40)


def exported(toy: Toy, model: str, fold: str) -> dict[str, np.ndarray]:
    target = toy.folder / f"{model}-{fold}"
    done = toy.kit("export", str(toy.folder / "r.yaml"), "--model", model, "--fold", fold, "-o", str(target))
    assert done.code == 0, done.err
    return {path.stem: np.load(path) for path in target.glob("*.npy")}


def test_labels_are_those_of_the_same_folds_model(toy: Toy) -> None:
    toy.write(RECIPE)
    toy.run()
    assert toy.card("second")["transductive"] and not toy.card("first")["transductive"]
    for fold in range(3):
        made = exported(toy, "second", str(fold))
        new = made["learn_row"] < 0
        assert new.sum() == 80 and set(made["learn_w"][new]) == {0.5} and set(made["learn_w"][~new]) == {1.0}
        held = toy.oof("first").filter(pl.col("fold") == fold)["pred"].to_numpy()
        np.testing.assert_array_equal(made["learn_y"][new], [*held, *layers(toy, "first")[fold]])
        np.testing.assert_array_equal(made["learn_X"][new], np.concatenate([made["held_X"], made["test_X"]]))
    whole = exported(toy, "third", "all")
    average = layers(toy, "second").mean(axis=0)
    np.testing.assert_allclose(whole["learn_y"][whole["learn_row"] < 0], average, rtol=1e-6)
    assert toy.run().stages["run"] == 0


def test_labels_stay_within_the_values_learnt_from(toy: Toy) -> None:
    """A linear model leaves them: a student that learns logarithms could not be told of values below -1."""
    first = (
        "first: {use: lightgbm, features: base, params: {n_estimators: 5}}",
        "first: {use: sklearn, params: {estimator: Ridge}}",
    )
    toy.edit(first, text=RECIPE)
    test = pl.read_csv(toy.folder / "test.csv")
    test.with_columns(x1=pl.lit(-50.0)).write_csv(toy.folder / "test.csv")
    toy.run("--only", "second")
    made = exported(toy, "second", "0")
    new = made["learn_row"] < 0
    assert layers(toy, "first").max() < -10
    assert made["learn_y"][new][-40:].tolist() == [made["learn_y"][~new].min()] * 40


def test_no_held_y_reaches_its_fold(toy: Toy) -> None:
    toy.write(RECIPE)
    toy.run()
    before = toy.oof("third"), toy.oof("second"), layers(toy, "second")
    train = pl.read_csv(toy.folder / "train.csv")
    held = train["id"].is_in(before[0].filter(pl.col("fold") == 1)["id"].to_list())
    train.with_columns(y=pl.when(held).then(pl.col("y") * -3 + 50).otherwise(pl.col("y"))).write_csv(
        toy.folder / "train.csv"
    )
    toy.run()
    for name, old in zip(("third", "second"), before, strict=False):
        same = toy.oof(name).filter(pl.col("fold") == 1)["pred"] == old.filter(pl.col("fold") == 1)["pred"]
        other = toy.oof(name).filter(pl.col("fold") != 1)["pred"] == old.filter(pl.col("fold") != 1)["pred"]
        assert same.all() and not other.any()
    assert [bool((a == b).all()) for a, b in zip(before[2], layers(toy, "second"), strict=True)] == [False, True, False]


def test_new_rows_are_predicted_without_the_teacher(toy: Toy) -> None:
    toy.write(RECIPE)
    toy.run("--keep-models", "--only", "second")
    out = toy.folder / "new.csv"
    recipe = str(toy.folder / "r.yaml")
    done = toy.kit("predict", recipe, str(toy.folder / "test.csv"), "-o", str(out), "--model", "second")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(pl.read_csv(out)["pred"].cast(pl.Float32), toy.oof("second", "test")["pred"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("source: first", "source: mix"), "mix, a blend"),
        (("source: first", "source: over"), "over, which reads first"),
        (("  first: {", "  first: {refit: true, "), "models: {first: {refit: false}}"),
        (("source: first", "source: frist"), "first"),
        (("source: first", "source: third"), "in a circle"),
    ],
)
def test_a_teacher_that_has_seen_the_held_rows(toy: Toy, change: tuple[str, str], said: str) -> None:
    more = (
        "  over: {use: sklearn, params: {estimator: Ridge}, from: [first]}\nblend: {mix: {use: mean, from: [first]}}\n"
    )
    toy.edit(change, text=RECIPE + more)
    done = toy.kit("check", str(toy.folder / "r.yaml"))
    assert done.code == 2 and said in done.err and "r.yaml:" in done.err


@pytest.mark.slow
def test_a_student_is_tuned_and_its_teacher_fitted_first(toy: Toy) -> None:
    toy.write(RECIPE)
    done = toy.kit("tune", str(toy.folder / "r.yaml"), "--model", "second", "--trials", "2", "--jobs", "1", "--json")
    assert done.code == 0, done.err
    assert done.json["trials"]["complete"] >= 1
