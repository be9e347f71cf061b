"""`kit blend --nested full`: sources refitted without the fold that is scored, against the same done by hand."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from conftest import InlineWorkers, begin, results

import kit
import kit.nesting
from kit.errors import KitError

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
seed: 7
models:
  a: {use: lightgbm, params: {n_estimators: 15}, stop: fixed}
  b: {use: sklearn, params: {estimator: Ridge}}
  top: {use: sklearn, params: {estimator: Ridge}, from: [a, b]}
blend: {mix: {use: mean, from: [a, b]}}
"""

MEMO = '''\
"""A learner that knows the y of the rows it stops on by heart, and of others the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kit import params as base
from kit.types import Pred

LIBS = ()
TASKS = ("regression",)
OBJECTIVES = ("squared",)
STEPS, STEP_GROWS = "steps", False
DATA_PARAMS = ()
DEVICES = ("cpu",)
COST = 0.1


class Params(base.Params):
    """How often it reads them."""

    steps: int = 1


@dataclass(frozen=True)
class Memo:
    x: np.ndarray
    y: np.ndarray
    mean: float
    best_step: int = 1

    @property
    def curve(self):
        return np.zeros(1)

    def predict(self, design):
        x = design.matrix()
        same = (x[:, None, :] == self.x[None]).all(axis=2)
        known = np.where(same.any(axis=1), self.y[same.argmax(axis=1)], self.mean)
        return Pred(known.astype(np.float32)[:, None])

    def importance(self):
        return None

    def save(self, folder):
        np.save(folder / "y.npy", self.y)


def prepare(params, task, train, stop, run):
    return train, stop


def fit(params, task, data, run):
    train, stop = data
    return Memo(stop.matrix(), stop.y, float(train.y.mean()))


def load(folder):
    raise OSError
'''


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    toy = begin(tmp_path_factory.mktemp("stored"))
    toy.write(RECIPE)
    return results(toy)


@pytest.fixture
def world(toy, monkeypatch, stored):
    """The toy competition with RECIPE carried out."""
    monkeypatch.setattr(kit.nesting, "Workers", InlineWorkers)
    toy.write(RECIPE)
    toy.reuse(stored)
    toy.run()
    return toy


def blend(world, *sources: str, **how):
    return kit.blend(sources, root=world.root, **how)


def test_it_is_what_runs_without_each_fold_give(world, tmp_path):
    """By hand: cut the training file by the folds, run the recipe on what is left with the fold as its test file."""
    found = blend(world, "r:a", "r:b", "r:top", use="mean", nested="full").card["nested_full"]
    train, folds = pl.read_csv(world.folder / "train.csv"), world.oof("a")["fold"].to_numpy()
    assert world.oof("a")["id"].to_list() == train["id"].to_list()
    errors = np.empty(len(train))
    for k in range(3):
        held = train.filter(folds == k)
        told = RECIPE.replace("blend: {mix: {use: mean, from: [a, b]}}", "blend: {mix: {use: mean, from: [a, b, top]}}")
        (tmp_path / "cut.yaml").write_text(told)
        made = kit.run(
            tmp_path / "cut.yaml", train=train.filter(folds != k), test=held.drop("y"), root=tmp_path / str(k)
        )
        assert made.failures == ()
        test = pl.read_parquet(tmp_path / str(k) / "oof" / "cut" / "mix" / "test.parquet")
        errors[folds == k] = test["pred"].to_numpy() - held["y"].to_numpy()
    assert found["score"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)
    assert found["n_fits"] == 3 * 3 * 3 and found["se"] > 0


def test_nothing_is_fitted_twice_and_the_key_knows_of_it(world):
    plain = blend(world, "r:a", "r:b")
    first = blend(world, "r:a", "r:b", nested="full")
    assert plain.ran and first.ran and "nested_full" not in plain.card
    before = set(world.objects())
    other = blend(world, "r:a", "r:b", use="mean", name="other", nested="full")
    verbs = [json.loads((p / "manifest.json").read_text())["ingredients"]["verb"]
             for key, p in world.objects().items() if key not in before]  # fmt: skip
    assert other.ran and set(verbs) == {"blend-oofs", "submit-blend"}
    again = blend(world, "r:a", "r:b", nested="full")
    assert not again.ran and again.card["nested_full"] == first.card["nested_full"]
    shown = world.kit("blend", "r:a", "r:b", "--nested", "full")
    assert shown.code == 0 and "sources refitted too" in shown.out
    assert world.kit("blend", "r:a", "r:b", "--nested", "full", "--json").json["nested_full"]["n_fits"] == 18


def test_what_level_1_saw_of_its_held_rows_shows_in_full_alone(world):
    """A learner that stops on held rows and knows them by heart: perfect out of fold, worthless on test."""
    (world.folder / "memo.py").write_text(MEMO)
    text = RECIPE.replace("  top:", "  memo: {use: ./memo.py, stop: held}\n  top:").replace(
        "[a, b]}}", "[a, b, memo]}}"
    )
    world.write(text)
    world.run("--trust")
    found = blend(world, "r:a", "r:memo", use="nnls", nested="full", trust=True, anyway=True).card
    spread = float(world.oof("a")["y"].std())
    assert found["nested"]["score"] < 1e-3 * spread, "the cheap estimate believes it"
    assert found["nested_full"]["score"] > 0.9 * spread
    assert "level 1 overfits" in found["nested_full"]["overfitted"]
    assert any("level 1 overfits" in note for note in found["notes"])
    honest = blend(world, "r:a", "r:b", name="honest", nested="full", trust=True).card
    assert honest["nested_full"]["overfitted"] == "" and honest["nested_full"]["score"] < 0.6 * spread


def test_groups_stay_together_and_classes_stay_known(world):
    """A binary task under a split by groups, with a blend of the recipe among the sources."""
    train = pl.read_csv(world.folder / "train.csv").with_columns(
        y=pl.when(pl.col("y") > pl.col("y").median()).then(pl.lit("yes")).otherwise(pl.lit("no")), g=pl.col("id") // 5
    )
    train.write_csv(world.folder / "train.csv")
    pl.read_csv(world.folder / "test.csv").with_columns(g=pl.col("id")).write_csv(world.folder / "test.csv")
    text = RECIPE.replace("target: y}", "target: y, groups: g}").replace("metric: rmse", "metric: logloss")
    text = text.replace("use: kfold", "use: group").replace("Ridge", "LogisticRegression")
    world.write(text)
    world.run()
    found = blend(world, "r:mix", "r:b", nested="full").card["nested_full"]
    assert 0.1 < found["score"] < 0.69 and found["n_fits"] == 3 * 2 * 3


def test_sources_without_a_recipe_or_of_another_one_are_refused_by_name(world):
    files = []
    for part in ("oof", "test"):
        world.oof("b", part).drop("y", "fold", strict=False).write_csv(world.folder / f"mate_{part}.csv")
        files.append(world.folder / f"mate_{part}.csv")
    where = {"recipe": world.folder / "r.yaml", "folds": "recipe", "anyway": True}
    kit.import_oof(files[0], test=files[1], name="mate", root=world.root, **where)
    with pytest.raises(KitError, match=r"(?s)cannot be refitted.*r:mate \(its recipe does not make it\)"):
        blend(world, "r:a", "r:mate", nested="full", anyway=True)
    world.write(RECIPE.replace("n_estimators: 15", "n_estimators: 9"))
    with pytest.raises(KitError, match=r"(?s)r:a.*changed since"):
        blend(world, "r:a", "r:b", nested="full")
    refused = world.kit("blend", "r:a", "r:b", "--nested", "full")
    assert refused.code == 2 and "r:b" not in refused.err and "--nested full" in refused.err
