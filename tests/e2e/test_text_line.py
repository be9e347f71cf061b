"""Text columns from a recipe to its files: encoded once, keyed by what the model is, refused where they make no sense."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest
import textmodel

from kit.features._encoder import Encoder

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
columns:
  left:  {use: embed, text: ask, model: model}
  right: {use: embed, text: say, model: model}
  both:  {use: embed, template: "User: {ask}\\nSystem: {say}", model: model, window: 16, stride: 8}
features:
  base: [{use: similarity, pairs: [[left, right]]}, {use: vector, columns: [both]}]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 5}, stop: fixed}
"""


@pytest.fixture
def talk(toy):
    """A competition of two text columns, with a text model beside the recipe."""
    rng = np.random.default_rng(0)
    shutil.copytree(textmodel.folder(), toy.folder / "model")
    texts = [f"{a} {b} {c}" for a in textmodel.WORDS[:5] for b in textmodel.WORDS[5:9] for c in "xyz"]
    for name, n in (("train", 120), ("test", 40)):
        columns = {
            "id": np.arange(n),
            "ask": rng.choice(texts, n),
            "say": rng.choice(texts, n),
            "y": rng.normal(size=n),
        }
        frame = pl.DataFrame(columns).with_columns(say=pl.when(pl.int_range(n) % 17 > 0).then("say"))
        (frame if name == "train" else frame.drop("y")).write_csv(toy.folder / f"{name}.csv")
    toy.write(RECIPE)
    return toy


@pytest.fixture
def counted(monkeypatch):
    calls: list[int] = []
    inner = Encoder.encode

    def encode(self, texts):
        calls.append(len(texts))
        return inner(self, texts)

    monkeypatch.setattr(Encoder, "encode", encode)
    return calls


def test_texts_are_encoded_once_and_never_again(talk, counted):
    first = talk.run()
    assert sum(counted) >= 60 and first.stages["failed"] == 0
    assert talk.run().stages["run"] == 0
    counted.clear()
    shutil.rmtree(talk.root / ".kit" / "objects")
    again = talk.run()
    assert counted == [] and again.submitted == first.submitted
    shutil.rmtree(talk.root / ".kit")
    assert talk.run().submitted == first.submitted, "the same bytes whatever the store held"


def test_a_model_is_keyed_by_its_files(talk):
    talk.run()
    shutil.copytree(talk.folder / "model", talk.folder / "moved")
    assert talk.ran(recipe=talk.edit(("model: model", "model: moved"), text=RECIPE).name) == []
    settings = (talk.folder / "moved" / "config.json").read_text("utf-8")
    (talk.folder / "moved" / "config.json").write_text(settings.replace("gelu", "relu"), "utf-8")
    assert [n for n in talk.ran() if n.startswith("column")] == ["column left", "column right", "column both"]


def test_names_of_columns_in_a_template_are_checked(talk):
    talk.edit(("{ask}", "{asq}"), text=RECIPE)
    done = talk.run(ends=2)
    assert "unknown column in embed" in done.err and "did you mean 'ask'?" in done.err and "r.yaml:7" in done.err


def test_windows_that_a_model_cannot_read_stop_the_plan(talk):
    talk.edit(("window: 16, stride: 8", "window: 41, stride: 8"), text=RECIPE)
    done = talk.kit("check", str(talk.folder / "r.yaml"))
    assert (
        done.code == 2
        and "cannot read so many tokens" in done.err
        and "r.yaml:7" in done.err
        and "window: 40" in done.err
    )


def test_a_model_that_is_not_there_stops_the_plan(talk, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(talk.folder))
    talk.edit(("text: ask, model: model", "text: ask, model: no/such"), text=RECIPE)
    done = talk.run(ends=2)
    assert "r.yaml:5: the text model is not on this machine" in done.err


def test_embed_stands_under_columns_only(talk):
    talk.edit(("{use: vector, columns: [both]}", "{use: embed, text: ask, model: model}"), text=RECIPE)
    done = talk.run(ends=2)
    assert "stands under columns" in done.err


def test_kept_models_read_new_texts(talk, counted):
    talk.edit(("target: y}", "target: y, kinds: {ask: text, say: text}}"), text=RECIPE)
    talk.run("--keep-models")
    counted.clear()
    test = pl.read_csv(talk.folder / "test.csv")
    new = pl.DataFrame({"id": [900, 901], "ask": ["a text never seen", None], "say": ["red dog", "nan"]})
    pl.concat([test, new.cast(test.schema)]).write_csv(talk.folder / "new.csv")
    out = talk.folder / "made.parquet"
    done = talk.kit("predict", "r", str(talk.folder / "new.csv"), "-o", str(out), "--model", "a")
    assert done.code == 0, done.err
    made = pl.read_parquet(out)
    np.testing.assert_allclose(made["pred"][:40], talk.oof("a", "test")["pred"], rtol=1e-6)
    assert made["pred"].is_finite().all() and 1 <= sum(counted) <= 6, "new texts alone are encoded"
    shutil.rmtree(talk.folder / "model")
    gone = talk.kit("predict", "r", str(talk.folder / "new.csv"), "-o", str(out), "--model", "a")
    assert gone.code == 2 and "the text model that was used is not on this machine" in gone.err
