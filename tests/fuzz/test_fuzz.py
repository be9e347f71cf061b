"""Damaged recipes and damaged data: an error that says where, or a stated decision; never a traceback.

A few of them in every test run, all of them among the slow tests.
"""

from __future__ import annotations

import json
import traceback
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from mutations import data, recipe

import kit.running
from kit.cli import main
from kit.workers import Slot, Workers

RECIPES = [
    """\
data: {train: train.csv, test: test.csv, sample: sample.csv, id: id, target: y}
metric: rmse
also: [mae]
split: {use: kfold, folds: 3}
seed: 7
features:
  base: [numeric, category]
  more: [{use: target_mean, columns: [c]}, {use: count, columns: [c]}]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 1}, stop: fixed}
  b: {use: xgboost, features: [base, more], params: {n_estimators: 1}, seeds: 2, target_transform: log1p}
  z: {use: sklearn, from: [a, b], params: {estimator: Ridge}}
blend:
  mix: {use: mean, from: [a, b]}
  final: {use: clip, from: mix, low: -3, high: 3}
submit: {from: final}
""",
    """\
name: binary
data:
  train: train.csv
  test: test.csv
  id: id
  target: c
  drop: [t]
  kinds: {x1: numeric, day: date}
  nulls: ["?"]
metric: logloss
split: {use: stratified, folds: 3, repeats: 2}
stop: {use: cut, folds: 4}
features:
  base:
    - numeric
    - {use: category, min_count: 2}
models:
  cat: {use: catboost, params: {n_estimators: 2, depth: 3}, features: [base], weights: label_frequency}
  tree: lightgbm
blend: {stack: {use: hill_climb}}
""",
    """\
data: {train: train.csv, test: test.csv, id: id, target: y, time: day, extra: [{path: more.csv, as: rows, weight: 0.5}]}
metric: mae
split: {use: time, folds: 2}
augment: {noise: [{use: jitter, columns: [x1], std: 0.5, score: 1.0}]}
models: {m: {use: lightgbm, augment: noise, params: {n_estimators: 1}, features: [numeric, dates]}}
missing: drop
""",
    """\
data:
  train: train.csv
  test: test.csv
  id: id
  target: y
  join:
    - {path: side.csv, on: c, prefix: s_}
    - {path: more.csv, on: {c: c}, take: {n: "count(*)", high: "max(x1) - min(x1)", usual: mode(t)}}
    - {path: more.csv, on: [c], take: auto, before: {day: day}, prefix: m_}
metric: rmse
split: {use: kfold, folds: 2}
features: {base: [numeric, {use: target_mean, columns: [usual]}], few: [{use: numeric, columns: [high, m_x1_mean]}]}
models: {m: {use: lightgbm, params: {n_estimators: 1}}}
""",
]

DATA = """\
data: {train: train.csv, test: test.csv, sample: sample.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 2}
models: {m: {use: lightgbm, params: {n_estimators: 1, min_leaf: 2}, stop: fixed}}
"""

N_RECIPES, N_FILES, FEW_RECIPES, FEW_FILES = 300, 200, 40, 25


class Here:
    """Stands for a worker process: carries a task out at once."""

    def schedule(self, work: Any, args: Any) -> Future[None]:
        future: Future[None] = Future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            error.traceback = traceback.format_exc()  # type: ignore[attr-defined]
            future.set_exception(error)
        return future


class Inline(Workers):
    """Workers without processes."""

    def __init__(self, jobs: int, root: Path, threads: int = 1) -> None:
        self._root, self._threads = str(root), 1
        self.slots = [Slot(Here()) for _ in range(jobs)]

    def __exit__(self, *_: object) -> None:
        self.slots = []


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit.running, "Workers", Inline)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def write(folder: Path) -> None:
    """Write train, test, sample and more.csv: numbers, categories, text, dates, an id and a target."""
    rng = np.random.default_rng(3)

    def table(start: int, n: int) -> pl.DataFrame:
        c = rng.integers(0, 3, n)
        x = rng.normal(size=(n, 2)).round(3)
        days = [f"2021-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)]
        text = [f"word{i % 17} and {i} more" for i in range(n)]
        columns = {
            "id": range(start, start + n),
            "x1": x[:, 0],
            "x2": x[:, 1].round(1),
            "c": np.array(["red", "green", "blue"])[c],
        }
        return pl.DataFrame({**columns, "t": text, "day": days, "y": (x[:, 0] + c).round(3)})

    table(1000, 40).write_csv(folder / "train.csv")
    test = table(5000, 15).drop("y")
    test.write_csv(folder / "test.csv")
    test.select("id", y=pl.lit(0.5)).write_csv(folder / "sample.csv")
    table(9000, 10).drop("id").write_csv(folder / "more.csv")
    (folder / "side.csv").write_text("c,place,size\nred,A1,1.5\ngreen,A2,2\nblue,A1,\n")


def judge(*args: str, ends: tuple[int, ...]) -> str:
    """Carry a command out; it must end well or say where it is wrong. Return what it said."""
    done = CliRunner().invoke(main, [*args, "--json"])
    said = f"{done.stdout}\n{done.stderr}"
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise AssertionError(said) from done.exception
    assert done.exit_code in ends, said
    assert "Traceback" not in said, said
    lines = done.stdout.splitlines()
    assert len(lines) == 1, said
    value = json.loads(lines[0])
    if done.exit_code == 2:
        assert value["error"]["rule"] and value["error"]["place"], said
        assert done.stderr.strip(), said
    return said


def check_recipe(folder: Path, seed: int) -> None:
    write(folder)
    path = folder / "r.yaml"
    path.write_text(recipe(RECIPES[seed % len(RECIPES)], seed), "utf-8")
    judge("check", str(path), "--root", str(folder / "out"), ends=(0, 2))


def check_data(folder: Path, seed: int) -> None:
    write(folder)
    (folder / "r.yaml").write_text(DATA)
    what = data(folder, seed)
    root = folder / "out"
    judge("check", str(folder / "r.yaml"), "--root", str(root), ends=(0, 2))
    said = judge("run", str(folder / "r.yaml"), "--root", str(root), ends=(0, 2, 3))
    assert not list((root / ".kit" / "tmp").glob("*")), (what, said)
    for card in root.glob("oof/*/*"):
        assert (card / "card.json").is_file() and (card / "oof.parquet").is_file(), (what, said)


@pytest.mark.parametrize("seed", range(FEW_RECIPES))
def test_a_damaged_recipe(tmp_path, seed):
    check_recipe(tmp_path, seed)


@pytest.mark.parametrize("seed", range(FEW_FILES))
def test_damaged_data(tmp_path, seed):
    check_data(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW_RECIPES, N_RECIPES))
def test_every_damaged_recipe(tmp_path, seed):
    check_recipe(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW_FILES, N_FILES))
def test_all_damaged_data(tmp_path, seed):
    check_data(tmp_path, seed)
