"""The competition kit was born from, in small: looked-up vectors, negatives made inside the fold, mean and std."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

RECIPE = """\
name: judge
data: {train: train.csv, test: test.csv, id: ID, target: score}
metric: rmse
split: {use: group, folds: 3, groups: metric_name}
seed: 7
columns:
  prompt_vec:   {use: lookup, key: user_prompt, names: texts.json, vectors: texts.npy}
  response_vec: {use: lookup, key: response, names: texts.json, vectors: texts.npy}
  metric_vec:   {use: lookup, key: metric_name, names: metrics.json, vectors: metrics.npy}
augment:
  negatives:
    - {use: mismatch, swap: [response, response_vec], score: {normal: [1.0, 0.4], clip: [0, 2.5]}}
    - {use: jitter, columns: [response_vec], std: 0.6, score: {normal: [1.3, 0.5], clip: [0, 3]}}
    - {use: mismatch, swap: [metric_name, metric_vec], score: {normal: [1.8, 0.6], clip: [0, 4]}}
features:
  vectors: [{use: vector, columns: [prompt_vec, response_vec, metric_vec]}]
  match:   [{use: similarity, pairs: [[prompt_vec, response_vec], [response_vec, metric_vec]]}]
models:
  lgbm:   {use: lightgbm,   features: [vectors, match], augment: negatives, params: {n_estimators: 20}}
  hetero: {use: hetero_mlp, features: [vectors, match], augment: negatives, params: {epochs: 3}}
blend:
  stack:  {use: hill_climb, from: [lgbm, hetero]}
  final:  {use: clip, from: stack, low: 0, high: 10}
submit: {from: final}
evaluate: {target: train}
"""


@pytest.fixture
def judge(toy):
    """A folder with texts, their vectors, and scores of 8 to 10 in training."""
    rng = np.random.default_rng(0)
    texts = [f"text number {i} of the prompts and the responses" for i in range(120)]
    metrics = [f"metric {i}" for i in range(12)]
    for name, known in (("texts", texts), ("metrics", metrics)):
        (toy.folder / f"{name}.json").write_text(json.dumps(known), "utf-8")
        np.save(toy.folder / f"{name}.npy", rng.normal(size=(len(known), 6)).astype(np.float32))
    for name, n in (("train", 150), ("test", 30)):
        columns = {
            "ID": np.arange(n) + (1000 if name == "test" else 0),
            "metric_name": rng.choice(metrics, n),
            "user_prompt": rng.choice(texts[:60], n),
            "response": rng.choice(texts[60:], n),
            "score": rng.choice([8.0, 9.0, 9.5, 10.0], n),
        }
        frame = pl.DataFrame(columns)
        (frame if name == "train" else frame.drop("score")).write_csv(toy.folder / f"{name}.csv")
    toy.write(RECIPE)
    return toy


def test_the_design_recipe_runs_and_its_negatives_pull_the_mean_down(judge):
    done = judge.run()
    frame = pl.read_parquet(done.json["models"]["hetero"]["oof"])
    assert frame.columns == ["ID", "fold", "y", "pred", "std"]
    assert (frame["std"] > 0).all()
    assert pl.read_parquet(done.json["models"]["lgbm"]["oof"])["pred"].mean() < frame["y"].mean() - 0.5
    submission = pl.read_csv(done.json["submission"])
    assert submission.columns == ["ID", "score"]
    assert submission["score"].is_between(0, 10).all()


def test_names_of_computed_columns_are_no_ingredient(judge):
    judge.run()
    text = RECIPE.replace("prompt_vec", "p").replace("metric_vec", "m").replace("negatives", "made_up")
    judge.write(text.replace("vectors:   [", "v: [").replace("match:", "sim:").replace("match]", "sim]"))
    assert judge.run().stages["run"] == 0


def test_an_unknown_key_is_named(judge):
    metrics = json.loads((judge.folder / "metrics.json").read_text("utf-8"))
    (judge.folder / "metrics.json").write_text(json.dumps(["other", *metrics[1:]]), "utf-8")
    done = judge.run(ends=3)
    assert "metric 0" in done.err
    assert done.json["submission"] is None


def test_what_fails_in_a_fit_speaks_of_columns_by_their_names(judge):
    judge.write(RECIPE.replace("swap: [response, response_vec]", "swap: [response, response_vec], within: response"))
    done = judge.run(ends=3)
    assert "no row may donate" in done.err and "swap response, response_vec" in done.err


def test_an_augmenter_that_makes_no_rows_is_told(judge):
    judge.write(RECIPE.replace("negatives:\n", "negatives:\n    - {use: mixup, where: {y: [null, 7]}}\n"))
    done = judge.kit("run", str(judge.folder / "r.yaml"))
    assert done.code == 0 and "lgbm: mixup made no rows\n" in done.out
