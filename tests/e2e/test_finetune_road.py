"""A text model trained on the target: run, blended, kept, handed out, or refused in words."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest
import textmodel

WORDS = ("red", "green", "blue", "old", "new")
THINGS = ("car", "dog", "hat", "sea")
RECIPE = """\
data: {{train: train.csv, test: test.csv, id: id, target: y, kinds: {{said: text, answer: text}}}}
metric: rmse
split: {{use: kfold, folds: 2}}
seed: 7
features:
  words: [{{use: tokens, text: said, second: answer, model: {model}, length: 12}}]
  rest: [numeric]
models:
  fine: {{use: finetune, features: [words, rest], params: {{epochs: 2, batch: 10}}, stop: fixed, refit: true}}
  lgbm: {{use: lightgbm, features: rest, params: {{n_estimators: 5}}, stop: fixed}}
blend:
  mix: {{use: mean, from: [fine, lgbm]}}
"""


@pytest.fixture
def talk(toy):
    """A competition of 80 pairs of texts with a number beside them."""
    rng = np.random.default_rng(0)
    for name, n in (("train", 80), ("test", 20)):
        texts = [[f"{rng.choice(WORDS)} {rng.choice(THINGS)}" for _ in range(n)] for _ in range(2)]
        x = {"id": range(n), "said": texts[0], "answer": texts[1], "a": rng.normal(size=n)}
        y = {"y": [float(s[0] == a[0]) for s, a in zip(*texts, strict=True)]} if name == "train" else {}
        pl.DataFrame(x | y).write_csv(toy.folder / f"{name}.csv")
    toy.write(RECIPE.format(model=textmodel.folder()))
    return toy


def test_kept_models_predict_what_was_submitted(talk):
    """... without the training rows; new rows may hold texts and words never seen."""
    done = talk.run("--keep-models")
    assert done.stages["failed"] == 0 and talk.run("--keep-models").stages["run"] == 0
    out = talk.folder / "out.csv"
    (talk.folder / "train.csv").unlink()
    told = talk.kit("predict", "r", str(talk.folder / "test.csv"), "-o", str(out))
    assert told.code == 0, told.err
    assert out.read_bytes().split(b"\n")[1:] == done.submitted.split(b"\n")[1:]
    new = pl.read_csv(talk.folder / "test.csv").with_columns(said=pl.lit("an unheard-of zeppelin"))
    new.write_csv(talk.folder / "new.csv")
    assert talk.kit("predict", "r", str(talk.folder / "new.csv"), "-o", str(out)).code == 0
    assert pl.read_csv(out)["pred"].is_finite().all()


def test_a_fold_is_handed_out_as_tokens(talk):
    where = talk.folder / "handed"
    done = talk.kit("export", str(talk.folder / "r.yaml"), "--model", "fine", "--fold", "0", "-o", str(where))
    assert done.code == 0, done.err
    names = json.loads((where / "names.json").read_text())["names"]
    assert [n for n in names if n.startswith("said token")] == [f"said token {j}" for j in range(12)]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (
            "features: [words, rest], params",
            "features: rest, params",
            "finetune reads tokens, and none of its features",
        ),
        (
            "lgbm: {use: lightgbm, features: rest",
            "lgbm: {use: lightgbm, features: words",
            "lightgbm cannot read tokens",
        ),
        ("length: 12", "length: 64", "the model cannot read so many tokens"),
        ("second: answer", "second: a", "tokens takes category, text"),
        ("second: answer", "second: anser", "did you mean 'answer'"),
        ("features:\n  words: [", "columns:\n  vec: ", "tokens cannot stand under columns"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(talk, was, now, words):
    text = (talk.folder / "r.yaml").read_text()
    assert was in text
    changed = text.replace(was, now)
    if now.startswith("columns"):
        changed = changed.replace("length: 12}]", "length: 12}\nfeatures:").replace("[words, rest]", "rest")
    talk.write(changed)
    done = talk.kit("check", str(talk.folder / "r.yaml"))
    assert done.code == 2 and words in done.err, done.err


def test_the_cost_goes_by_the_size_of_the_text_model(talk):
    """... as its configuration tells it, before a weight is read."""
    folder = shutil.copytree(textmodel.folder(), talk.folder / "large")
    config = json.loads((folder / "config.json").read_text())
    large = {"hidden_size": 1024, "num_hidden_layers": 24, "vocab_size": 250_000}
    (folder / "config.json").write_text(json.dumps({**config, **large}))

    def cost(model):
        talk.write(RECIPE.format(model=model))
        return talk.kit("check", str(talk.folder / "r.yaml"), "--json").json["cost"]

    small, other = cost(textmodel.folder()), cost("large")
    assert other["seconds"][0] > 5 * small["seconds"][0] and other["mib"][0] > small["mib"][0] + 10_000
