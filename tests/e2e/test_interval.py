"""`kit interval`: from a recipe with a mean and a spread to a table of intervals."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 4}
seed: 7
models:
  a: {use: lightgbm, params: {n_estimators: 30}, stop: fixed}
  spread: {use: sklearn, from: [a], target_transform: log_residual(a), params: {estimator: Ridge}, features: [numeric]}
  sure: {use: hetero_mlp, params: {epochs: 3}, stop: fixed}
blend:
  trued: {use: calibrate_std, from: spread, curve: affine}
submit: {from: a}
"""


def write(toy) -> None:
    """Rows whose noise grows with x1."""
    rng = np.random.default_rng(3)
    for name, n in (("train", 900), ("test", 500)):
        x = rng.uniform(0, 1, (n, 2))
        y = x[:, 1] + rng.normal(size=n) * (0.05 + 2 * x[:, 0])
        frame = pl.DataFrame({"id": np.arange(n), "x1": x[:, 0], "x2": x[:, 1], "y": y})
        (frame if name == "train" else frame.drop("y")).write_csv(toy.folder / f"{name}.csv")
        if name == "test":
            frame.write_csv(toy.folder / "truth.csv")


def interval(toy, *options: str, ends: int = 0):
    done = toy.kit("interval", *options, "--json")
    assert done.code == ends, done.out + done.err
    return done.json


def test_intervals_hold_what_they_say_and_are_narrow_where_the_spread_is_small(toy) -> None:
    write(toy)
    toy.write(RECIPE)
    toy.run()
    out = toy.folder / "i.csv"
    found = interval(toy, "r:trued", "--coverage", "0.8", "-o", str(out))
    by_std, flat = found["kinds"]
    assert abs(by_std["coverage"] - 0.8) < 3 * by_std["se"]
    assert by_std["winkler"] < flat["winkler"]
    made, truth = pl.read_csv(out), pl.read_csv(toy.folder / "truth.csv")
    assert made.columns == ["id", "pred", "lower", "upper"]
    np.testing.assert_allclose(made["pred"], pl.read_parquet(toy.root / "oof/r/a/test.parquet")["pred"], rtol=1e-6)
    held = ((made["lower"] <= truth["y"]) & (truth["y"] <= made["upper"])).mean()
    assert abs(held - 0.8) < 4 * np.sqrt(0.16 / 500)
    narrow = (made["upper"] - made["lower"]).filter(truth["x1"] < 0.2).mean()
    assert narrow < 0.6 * (made["upper"] - made["lower"]).mean()


def test_a_std_of_another_models_errors_has_that_models_fold_models(toy) -> None:
    write(toy)
    toy.write(RECIPE)
    toy.run()
    layers = [pl.read_parquet(toy.root / "oof" / "r" / name / "test_folds.parquet") for name in ("a", "spread")]
    assert layers[0].select("id", "fold", "pred").equals(layers[1].select("id", "fold", "pred"))
    assert 0.5 < interval(toy, "r:trued")["drawn_in"] < 1
    words = toy.kit("interval", "r:trued").out
    assert "of the width of CV+" in words


def test_a_result_without_std_has_intervals_of_one_width(toy) -> None:
    write(toy)
    toy.write(RECIPE)
    toy.run()
    found = interval(toy, "r:a", "-o", str(toy.folder / "i.parquet"))
    assert [kind["kind"] for kind in found["kinds"]] == ["one width"]
    assert "no std" in found["note"]
    made = pl.read_parquet(toy.folder / "i.parquet")
    assert (made["lower"] < made["pred"]).all() and (made["pred"] < made["upper"]).all()
    own = interval(toy, "r:sure")["by_std"]
    assert len(own) == 5 and sum(part["n"] for part in own) == 900


def test_where_the_metric_takes_logs_errors_do(toy) -> None:
    """Of counts that spread as they grow: recomputed by hand, none below 0, wide where the prediction is high."""
    rng = np.random.default_rng(4)
    x = rng.uniform(0, 5, 900)
    y = np.exp(x + 0.4 * rng.normal(size=900)).round()
    frame = pl.DataFrame({"id": np.arange(900), "x1": x, "y": y})
    frame[:600].write_csv(toy.folder / "train.csv")
    frame[600:].drop("y").write_csv(toy.folder / "test.csv")
    toy.write(RECIPE[: RECIPE.index("  spread")].replace("metric: rmse", "metric: rmsle"))
    toy.run()
    found = interval(toy, "r:a", "-o", str(toy.folder / "i.csv"))
    log, flat = found["kinds"]
    assert (log["kind"], flat["kind"]) == ("by log(1 + y)", "one width")
    assert log["winkler"] < 0.8 * flat["winkler"] and "width of log(1 + y)" in found["note"]
    oof = toy.oof("a")
    error, fold = np.abs(np.log1p(oof["y"]) - np.log1p(oof["pred"])).to_numpy(), oof["fold"].to_numpy()
    others = [np.sort(error[fold != k]) for k in range(4)]
    half = np.array([e[int(np.ceil(0.9 * (len(e) + 1))) - 1] for e in others])
    assert abs(log["coverage"] - (error <= half[fold]).mean()) < 2e-3  # an end may be the truth itself
    made, truth = pl.read_csv(toy.folder / "i.csv"), y[600:]
    held = ((made["lower"].to_numpy() <= truth) & (truth <= made["upper"].to_numpy())).mean()
    assert made["lower"].min() >= 0 and abs(held - 0.9) < 4 * np.sqrt(0.09 / 300)
    width = (made["upper"] - made["lower"]).to_numpy()
    assert np.corrcoef(np.log(width), np.log1p(made["pred"]))[0, 1] > 0.9


def test_what_it_refuses(toy) -> None:
    write(toy)
    toy.write(RECIPE)
    toy.run()
    cases = [
        (("r:a", "--coverage", "90"), "coverage is a share"),
        (("r:b",), "no such result"),
        (("r:a", "-o", str(toy.folder / "x.txt")), "unknown type of output"),
        (("r:a", "-o", str(toy.folder / "no" / "x.csv")), "cannot be written"),
    ]
    for command, rule in cases:
        error = interval(toy, *command, ends=2)["error"]
        assert rule in json.dumps(error)
    words = toy.kit("interval", "r:trued").out
    assert "by std" in words and "Winkler" in words


def test_new_rows_get_the_intervals_of_test(toy) -> None:
    """The models that are replayed on the test rows say what stands in test_folds.parquet."""
    write(toy)
    toy.write(RECIPE)
    toy.run("--keep-models")
    one, two = toy.folder / "i.csv", toy.folder / "p.csv"
    for name in ("a", "spread", "sure", "trued"):
        interval(toy, f"r:{name}", "--coverage", "0.8", "-o", str(one))
        options = ("-o", str(two), "--model", name, "--interval", "0.8")
        done = toy.kit("predict", "r", str(toy.folder / "test.csv"), *options)
        assert done.code == 0, done.err
        kept, new = pl.read_csv(one), pl.read_csv(two)
        for end in ("lower", "upper"):
            np.testing.assert_allclose(new[end], kept[end], rtol=1e-4, atol=1e-4, err_msg=name)
        alone = toy.folder / "alone.csv"
        pl.read_csv(toy.folder / "test.csv")[7:8].write_csv(alone)
        assert toy.kit("predict", "r", str(alone), *options).code == 0
        np.testing.assert_allclose(pl.read_csv(two).to_numpy(), new[7:8].to_numpy(), rtol=1e-5, err_msg=name)
    done = toy.kit("predict", "r", str(toy.folder / "test.csv"), "-o", str(two), "--interval", "80")
    assert done.code == 2 and "coverage is a share" in done.err


def test_ends_stay_in_the_range_that_predictions_are_cut_to_or_that_of_the_truth(toy) -> None:
    """The range says what y can be; where y is known to pass it, an interval may as well."""
    write(toy)
    blend = "blend:\n  cut: {use: clip, from: a, low: -10, high: 1}\nsubmit: {from: cut}\n"
    toy.write(RECIPE[: RECIPE.index("  spread")] + blend)
    toy.run("--keep-models")
    y = pl.read_csv(toy.folder / "train.csv")["y"]
    assert y.min() > -10 and y.max() > 1
    one, two = toy.folder / "i.parquet", toy.folder / "p.parquet"
    free = interval(toy, "r:a", "--coverage", "0.9999")
    assert free["kinds"][0]["width"] is None
    found = interval(toy, "r:cut", "--coverage", "0.9999", "-o", str(one))
    assert round(found["kinds"][0]["coverage"] * 900) == 899  # the greatest truth is greater than all others
    assert found["kinds"][0]["width"] < y.max() + 10
    made = pl.read_parquet(one)
    assert set(made["lower"]) == {-10.0} and set(made["upper"]) == {y.max()} and made["pred"].max() <= 1
    done = toy.kit("predict", "r", str(toy.folder / "test.csv"), "-o", str(two), "--interval", "0.9999")
    assert done.code == 0, done.err
    assert pl.read_parquet(two).select("lower", "upper").equals(made.select("lower", "upper"))
