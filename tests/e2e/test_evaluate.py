"""A declared test distribution: what rows count, what it drives, and what is said beside it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from conftest import Toy, results

from kit.opening import open_recipe, read_recipe, selected

NET = "{use: hetero_mlp, params: {epochs: 12}, stop: fixed}"

MODELS = """
models:
  a: {use: hetero_mlp, params: {epochs: 12}, stop: fixed}
  b: {use: lightgbm, params: {n_estimators: 12}, stop: {use: cut, folds: 3}}
blend:
  mix: {use: nnls, from: [a, b]}
"""


def skewed(folder, n: int = 1200, t: int = 1200, share: float = 0.85) -> np.ndarray:
    """Write train rows, that share of whose y is high, and test rows whose y is even; return the truth of test."""
    rng = np.random.default_rng(5)
    high = rng.random(n) < share
    y = np.where(high, rng.uniform(7, 10, n), rng.uniform(0, 7, n))
    truth = rng.uniform(0, 10, t)
    for name, target, first in (("train", y, 0), ("test", truth, n)):
        x = target + rng.normal(0, 0.8, len(target))
        frame = pl.DataFrame({"id": np.arange(first, first + len(target)), "x1": x, "x2": rng.normal(size=len(x))})
        (frame.with_columns(y=pl.Series(target)) if name == "train" else frame).write_csv(folder / f"{name}.csv")
    return truth


def recipe(evaluate: str) -> str:
    return f"data: {{train: train.csv, test: test.csv, id: id, target: y}}\nmetric: rmse\nsplit: {{use: kfold, folds: 3}}\nseed: 7\n{evaluate}{MODELS}"


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """Stored fits of model a, which are the same whatever is declared and take longest."""
    toy = Toy(tmp_path_factory.mktemp("learnt"))
    skewed(toy.folder)
    toy.write(recipe(""))
    return results(toy, "--only", "a")


@pytest.fixture
def known(toy, learnt):
    """The rows of `skewed`; model a is fitted."""
    skewed(toy.folder)
    toy.reuse(learnt)
    return toy


def card_after(toy, evaluate: str, name: str = "b", only: tuple[str, ...] = ()) -> dict:
    toy.write(recipe(evaluate))
    toy.run(*(word for model in only for word in ("--only", model)))
    return toy.card(name)


def test_a_uniform_target_makes_every_value_count_alike(toy):
    skewed(toy.folder, 3000)
    card = card_after(toy, "evaluate: uniform\n", only=("b",))
    oof = toy.oof("b")
    y, error = oof["y"].to_numpy(), (oof["pred"] - oof["y"]).to_numpy() ** 2
    bins = np.clip(((y - y.min()) / (y.max() - y.min()) * 10).astype(int), 0, 9)
    expected = np.sqrt(np.mean([error[bins == b].mean() for b in range(10)]))
    np.testing.assert_allclose(card["score"], expected, rtol=1e-6)
    np.testing.assert_allclose(card["plain_score"], np.sqrt(error.mean()), rtol=1e-6)
    assert card["score"] > card["plain_score"] > 0
    assert 0 < card["effective_rows"] < 3000 and 0 < card["score_se"] < card["score"]


def test_shares_by_hand(known):
    card = card_after(known, "evaluate: {edges: [0, 5, 10], shares: [0.5, 0.5]}\n")
    oof = known.oof("b")
    y, error = oof["y"].to_numpy(), (oof["pred"] - oof["y"]).to_numpy() ** 2
    expected = np.sqrt(0.5 * error[y < 5].mean() + 0.5 * error[y >= 5].mean())
    np.testing.assert_allclose(card["score"], expected, rtol=1e-6)


@pytest.mark.parametrize("by", ["sigma", "counts", "both"])
def test_an_estimate_finds_the_test_distribution(known, by):
    """Train holds 85 % above 7, test 30 %: the estimated shares are far nearer to the truth, and so is the score."""
    truth = skewed(known.folder)
    card = card_after(known, f"evaluate: {{estimate: a, by: {by}}}\n")
    about = card["evaluate"]
    edges = np.array([float(b.split(" .. ")[0]) for b in about["bins"]][1:])
    true = np.bincount(np.searchsorted(edges, truth), minlength=len(about["bins"])) / len(truth)
    distance = np.abs(true - about["test_shares"]).sum() / 2
    assert distance < 0.15 < np.abs(true - about["train_shares"]).sum() / 2
    assert about["transductive"] is True and about["distance"] < 0.2
    marks = {name: known.card(name)["transductive"] for name in ("a", "b", "mix")}
    assert marks == {"a": False, "b": by != "counts", "mix": True}
    real = float(np.sqrt(np.mean((known.oof("b", "test")["pred"].to_numpy() - truth) ** 2)))
    assert abs(card["score"] - real) < abs(card["plain_score"] - real)


def test_what_rests_on_an_estimate_carries_its_error(known):
    """The standard error of a card and the interval of a blend of OOFs; a declaration by hand has none of it."""
    by_hand = card_after(known, "evaluate: {edges: [0, 5, 10], shares: [0.5, 0.5]}\n")
    assert "shares_se" not in by_hand and "covariance" not in by_hand["evaluate"]
    card = card_after(known, "evaluate: {estimate: a, by: counts}\n")
    assert 0 < card["shares_se"] < card["score_se"]
    spread = np.array(card["evaluate"]["covariance"])
    assert spread.shape == (len(card["evaluate"]["bins"]),) * 2 and abs(spread.sum()) < 1e-9
    told = known.kit("blend", "r:a", "r:b", "--use", "mean", "--json").json["blends"]["blend"]["nested"]
    mean = known.card("blend", "blends")
    assert mean["evaluate"] == card["evaluate"] and not mean["transductive"]
    known.kit("blend", "r:a", "r:b", "--use", "nnls", "--json")
    assert known.card("blend", "blends")["transductive"]
    assert told["low"] < told["expected"] < told["high"] and told["se"] > 0


def test_what_a_declaration_redoes(known):
    """Another declared distribution redoes what it shapes: fits that stop by it, blends, no fixed fits."""
    known.write(recipe("evaluate: uniform\n"))
    known.run()
    known.write(recipe("evaluate: {edges: [0, 5, 10], shares: [0.5, 0.5]}\n"))
    assert known.ran() == ["evaluate", *(f"fit b fold {k} seed 0" for k in range(3)), "oof b", "blend mix", "submit"]
    known.write(recipe(""))
    assert "fit a fold 0 seed 0" not in known.ran()


def test_only_fits_what_the_distribution_is_estimated_by(toy):
    skewed(toy.folder, 60)
    toy.write(
        recipe("evaluate: {estimate: mix, by: counts}\n").replace("blend:", "  c: lightgbm\n  d: xgboost\nblend:")
    )
    opened = open_recipe(toy.folder / "r.yaml", root=toy.folder)
    chosen = selected(opened.recipe, ["c"])
    fitted = {s.local["model"] for s in opened.plan.stages if s.verb == "fit" and chosen(s)}
    assert fitted == {"a", "b", "c"}


@pytest.mark.parametrize(
    "evaluate",
    [
        pytest.param("evaluate: uniform\n", marks=pytest.mark.slow),
        pytest.param("evaluate: {estimate: a, by: sigma}\n", marks=pytest.mark.slow),
        pytest.param("evaluate: {estimate: a, by: counts}\n", marks=pytest.mark.slow),
        "evaluate: {estimate: a, by: both}\n",
    ],
)
def test_held_rows_do_not_reach_the_stop(toy, evaluate):
    """Fold 0's y turned to noise, split by a column: under every declaration fold 0's predictions keep their bits.

    The rows are enough for fold 0 to stop by the declaration, and the trees so many that it does.
    """
    skewed(toy.folder, 1500, share=0.7)
    train = pl.read_csv(toy.folder / "train.csv").with_columns(fold=pl.int_range(pl.len()) % 3)
    noisy = train.with_columns(
        y=pl.when(pl.col("fold") == 0).then(pl.col("y").reverse() * 0.5 + 1).otherwise(pl.col("y"))
    )
    seen = []
    for frame in (train, noisy):
        frame.write_csv(toy.folder / "train.csv")
        text = recipe(evaluate).replace("{use: kfold, folds: 3}", "{use: column, column: fold}")
        text = text.replace("n_estimators: 12", "n_estimators: 100, learning_rate: 0.1")
        toy.write(text.replace("epochs: 12", "epochs: 6, members: 1"))
        toy.run("--only", "b")
        assert toy.card("b")["best_steps"][0] < 100
        seen.append(toy.oof("b").filter(pl.col("fold") == 0)["pred"].to_list())
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("evaluate", "rule"),
    [
        ("evaluate: {target: unifrom}\n", "evaluate"),
        ("evaluate: {edges: [0, 5], shares: [0.5, 0.5]}\n", "ascending edges"),
        ("evaluate: {shares: {a: 1, b: 1}}\n", "shares of a numeric target are a list"),
        ("evaluate: {estimate: z}\n", "unknown model or blend"),
        ("evaluate: {estimate: a, by: sgima, bins: 5}\n", "by must be one of sigma, counts, both"),
        ("evaluate: {target: {estimat: a}}\n", "did you mean 'estimate'?"),
        ("evaluate: {targt: uniform}\n", "did you mean 'target'?"),
        ("evaluate: {estimate: a, bins: 1}\n", "bins must be at least 2"),
        ("evaluate: {estimate: b, by: sigma}\n", "needs a model with a std"),
    ],
)
def test_what_is_refused(toy, evaluate, rule):
    skewed(toy.folder, 200, 50)
    toy.write(recipe(evaluate))
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code in (2, 3) and rule in done.err, done.err


def test_bins_stand_in_the_short_form_too(toy):
    skewed(toy.folder, 200, 50)
    declared = []
    for text in ("{estimate: a, by: both, bins: 5}", "{target: {estimate: a, by: both}, bins: 5}"):
        toy.write(recipe(f"evaluate: {text}\n"))
        declared.append(read_recipe(toy.folder / "r.yaml").evaluate)
    assert declared[0] == declared[1] and declared[0].bins == 5


def test_fits_that_wait_for_an_estimate_that_fails_are_not_begun(toy):
    """The estimate names a model without a std; the other model's fits would stop by it. One failure, told once."""
    skewed(toy.folder, 200, 50)
    toy.write(recipe("evaluate: {estimate: a, by: sigma}\n").replace(NET, "{use: sklearn, params: {estimator: Ridge}}"))
    done = toy.kit("run", str(toy.folder / "r.yaml"), "--json")
    assert done.code == 3 and list(done.json["models"]) == ["a"]
    assert done.err.count("next:") == 1 and "needs a model with a std" in done.err, done.err


def test_a_collapsed_model_is_refused(toy):
    skewed(toy.folder, 300, 100)
    text = recipe("evaluate: {estimate: a}\n").replace(
        NET,
        "{use: sklearn, params: {estimator: Ridge, params: {alpha: 1.0e+9}}}",
    )
    toy.write(text)
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 3 and "has collapsed" in done.err, done.err


def test_classes_take_shares_by_name(toy):
    skewed(toy.folder, 400, 100)
    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(y=pl.when(pl.col("y") > 7).then(pl.lit("good")).otherwise(pl.lit("bad"))).write_csv(
        toy.folder / "train.csv"
    )
    text = (
        recipe("evaluate: {shares: {good: 0.5, bad: 0.5}}\n")
        .replace("metric: rmse", "metric: logloss")
        .replace("use: nnls", "use: mean")
    )
    toy.write(text)
    toy.run()
    oof = toy.oof("b")
    y, p = (oof["y"] == "good").to_numpy(), np.clip(oof["pred"].to_numpy(), 1e-15, 1 - 1e-15)
    loss = -np.where(y, np.log(p), np.log(1 - p))
    np.testing.assert_allclose(toy.card("b")["score"], (loss[y].mean() + loss[~y].mean()) / 2, rtol=1e-5)


def test_a_model_for_every_value_alike_is_read_as_such(known):
    """Its predictions for test are explained by the shares that made them; read as the training rows' they are not."""
    truth = skewed(known.folder)
    match = "\n  match: {use: inverse, params: {density: uniform}}\n  b:"
    apart = {}
    for was in ("uniform", "rows"):
        text = recipe(f"evaluate: {{estimate: match, was: {was}}}\n").replace("\n  b:", match)
        known.write(text + "  last: {use: prior_shift, from: match, was: uniform}\n")
        known.run()
        about = known.card("match")["evaluate"]
        edges = np.array([float(b.split(" .. ")[0]) for b in about["bins"]][1:])
        true = np.bincount(np.searchsorted(edges, truth), minlength=len(about["bins"])) / len(truth)
        apart[was] = np.abs(true - about["test_shares"]).sum() / 2
    assert apart["uniform"] < 0.08 < apart["rows"]


def test_a_step_that_a_fold_has_no_row_of_is_no_bin_there(toy):
    """Ratings of which one row has the lowest: the fold that holds it knows one step less than the others."""
    rng = np.random.default_rng(0)
    y, truth = np.append(rng.integers(3, 7, 599), 1.0), rng.integers(2, 7, 300)
    for name, target in (("train", y), ("test", truth)):
        frame = pl.DataFrame({"id": np.arange(len(target)), "x1": target + rng.normal(0, 0.7, len(target))})
        (frame.with_columns(y=pl.Series(target)) if name == "train" else frame).write_csv(toy.folder / f"{name}.csv")
    match = "\n  match: {use: inverse, params: {density: uniform}}\n  b:"
    toy.write(recipe("evaluate: {estimate: match, was: uniform}\n").replace("\n  b:", match).replace("[a, b]", "[b]"))
    toy.run("--only", "b", "--only", "match")
    about = toy.card("b")["evaluate"]
    assert about["bins"][-1] == "5.5 .. 6.5" and len(about["bins"]) == len(about["test_shares"])


def test_weights_of_the_rows_alone_shift_nothing(toy):
    """A model of weighted rows was made for what they look like by their weights: prior_shift leaves it where it is."""
    train = pl.read_csv(toy.folder / "train.csv")
    heavy = pl.when(pl.col("y") > pl.col("y").median()).then(20.0).otherwise(1.0)
    train.with_columns(w=heavy).write_csv(toy.folder / "train.csv")
    for evaluated, moves in (("", False), ("evaluate: uniform\n", True)):
        toy.write(
            "data: {train: train.csv, test: test.csv, id: id, target: y, weight: w}\nmetric: rmse\n"
            + evaluated
            + "models: {a: {use: sklearn, params: {estimator: Ridge}}}\n"
            "blend: {moved: {use: prior_shift, from: a, bins: 4}}\n"
        )
        toy.run()
        before, after = (toy.oof(name, "test")["pred"].to_numpy() for name in ("a", "moved"))
        assert (np.abs(after - before).mean() > 0.1 * before.std()) == moves
    blend = toy.kit("blend", "r:a", "--use", "prior_shift", "--set", "bins=4", "--name", "moved")
    assert blend.code == 0, blend.err
    blended = pl.read_parquet(toy.root / "oof" / "blends" / "moved" / "test.parquet")["pred"].to_numpy()
    np.testing.assert_allclose(blended, after, rtol=1e-5)
    weights = pl.read_parquet(toy.root / "oof" / "r" / "a" / "folds.parquet")["w"]
    assert weights.to_list() == pl.read_csv(toy.folder / "train.csv")["w"].to_list()
    assert pl.read_parquet(toy.root / "oof" / "blends" / "moved" / "folds.parquet")["w"].equals(weights)
