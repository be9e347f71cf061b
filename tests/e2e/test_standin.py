"""Where the time ends before any model is complete, a quick one stands in: no run ends without a submission."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import textmodel

import kit
from kit import deadlines, engine, standin
from kit.standin import NAME


@pytest.fixture
def short(toy, monkeypatch):
    """The toy, whose models never end in time; the stand-in does."""
    monkeypatch.setattr(standin.cost, "most", lambda *_: 1e9)
    monkeypatch.setattr(deadlines.Clock, "fits", lambda self, model, *_: model == NAME)
    return toy


def test_a_quick_model_is_submitted_where_no_other_is_complete(short, monkeypatch):
    done = short.run("--time-limit", "900")
    assert list(done.json["models"]) == [NAME] and done.json["truncated"] and not done.json["blends"]
    made = pl.read_csv(done.json["submission"])
    assert made.columns == ["id", "y"] and len(made) == 40 and made["y"].std() > 0.1
    about = json.loads(Path(done.json["submission"]).with_suffix(".json").read_text("utf-8"))
    assert about["from"] == NAME and about["truncated"] and about["missing"] == ["a", "b"]
    shown = short.kit("run", str(short.folder / "r.yaml"), "--time-limit", "900")
    told = f"{NAME}: a quick model, as no other was complete in time; no fit ended in it: allow more time"
    assert shown.code == 0 and told in " ".join(shown.out.split())
    monkeypatch.setattr(deadlines.Clock, "fits", lambda *_: True)
    whole = short.run("--jobs", "1")
    assert list(whole.json["models"]) == ["a", "b"] and not whole.json["truncated"]
    assert not (short.root / "oof" / "r" / NAME).exists(), "no blend of r:* is to take it for a model"
    assert short.kit("replay", "1").code == 0, "its submission is rebuilt from the history"


def test_what_stands_in_is_tried_until_the_time_is_over(short, monkeypatch):
    """The first fit of a worker loads libraries, and is no measure of those after it."""
    monkeypatch.undo()
    clock = deadlines.Clock(time.monotonic() + 100, {})
    clock.record(NAME, 60.0)
    assert not clock.fits(NAME, 4, 2)
    clock.tried = {NAME}
    assert clock.fits(NAME, 4, 2) and not clock.over()


def test_nothing_stands_in_where_there_is_time_or_a_model_is_complete(toy, monkeypatch):
    ample = toy.run("--time-limit", "900")
    assert list(ample.json["models"]) == ["a", "b"] and not list(toy.root.glob("oof/*/stand-in"))
    monkeypatch.setattr(standin.cost, "most", lambda *_: 1e9)
    monkeypatch.setattr(deadlines.Clock, "fits", lambda self, model, *_: model == NAME)
    toy.edit(("n_estimators: 8", "n_estimators: 9"))
    part = toy.run("--time-limit", "900")
    assert list(part.json["models"]) == ["a"]
    only = toy.run("--time-limit", "900", "--only", "b", "--set", "seed=8")
    assert not only.json["models"] and only.json["submission"] is None


def test_the_stand_in_decides_labels_as_the_recipe_does(short):
    for part in ("train", "test"):
        frame = pl.read_csv(short.folder / f"{part}.csv")
        y = [(pl.col("y") > 0).cast(pl.Int64).alias("y")] if part == "train" else []
        frame.with_columns(y).write_csv(short.folder / f"{part}.csv")
    recipe = (short.folder / "r.yaml").read_text("utf-8").partition("blend:")[0].replace("rmse", "f1")
    short.write(recipe)
    done = short.run("--time-limit", "900")
    assert [*done.json["models"], *done.json["blends"]] == [NAME, "labels"]
    assert set(pl.read_csv(done.json["submission"])["y"]) == {0, 1}


def test_the_stand_in_learns_what_the_model_is_told_to_learn(short):
    short.edit(("params: {n_estimators: 5}", "params: {n_estimators: 5, objective: huber, monotone: {x1: 1}}"))
    short.run("--time-limit", "900", "--set", "models.b.use=catboost")
    card = json.loads((short.root / "oof" / "r" / NAME / "card.json").read_text("utf-8"))
    params = card["params"]
    assert params["objective"] == "huber" and params["monotone"] == {"x1": 1} and params["n_estimators"] == 32


def test_the_models_of_the_stand_in_are_kept_and_predict(short):
    done = short.run("--time-limit", "900", "--keep-models")
    made = kit.predict(short.folder / "r.yaml", short.folder / "test.csv", layout="submission", root=short.root)
    assert made.write_csv() == Path(done.json["submission"]).read_text("utf-8")


@pytest.mark.parametrize("features", ["[numeric, {use: vector, columns: [words]}]", "[{use: vector, columns: [less]}]"])
def test_what_stands_in_waits_for_no_text_model(short, monkeypatch, features):
    """Nobody knows how long that takes, however quick the fits are; what is made of its vectors is left out as well."""
    recipe = (short.folder / "r.yaml").read_text("utf-8").partition("features:")[0].replace("name:", "#")
    columns = f"{{words: {{use: embed, text: c, model: {textmodel.folder()}}}, less: {{use: reduce, columns: [words], size: 2}}}}"
    short.write(
        f"{recipe}columns: {columns}\nfeatures: {{few: {features}}}\nmodels: {{a: {{use: lightgbm, features: few}}}}\n"
    )
    monkeypatch.setattr(standin.cost, "most", lambda *_: 0.0)
    monkeypatch.setattr(engine._Heavy, "_next", _only_of(NAME, engine._Heavy._next))
    done = short.run("--time-limit", "900")
    assert list(done.json["models"]) == [NAME] and len(pl.read_csv(done.json["submission"])) == 40
    assert not (short.root / ".kit" / "embeddings").exists()
    again = short.kit("run", str(short.folder / "r.yaml"), "--time-limit", "900")
    assert "the same command goes on" in " ".join(again.out.split()), "with the texts that were not read yet"


def _only_of(model: str, inner: Any) -> Any:
    """Return a choice of the next stage that takes fits of a model alone."""

    def chosen(self: Any, slot: Any) -> Any:
        self.left = [stage for stage in self.left if stage.local.get("model") == model]
        return inner(self, slot)

    return chosen
