"""lb final on submissions of real runs."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import kit
from kit import registry
from kit.metrics import rmse

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
models:
  a: {use: lightgbm, params: {n_estimators: 5}, stop: fixed}
  b: {use: lightgbm, params: {n_estimators: 40}, stop: fixed}
  c: {use: sklearn, params: {estimator: Ridge}}
  d: {use: sklearn, params: {estimator: KNeighborsRegressor}}
"""


@pytest.fixture
def submitted(toy):
    toy.write(RECIPE)
    for source in ("a", "b", "c", "d"):
        toy.run("--set", f"submit.from={source}")
    return toy


def final(toy, *options: str):
    done = toy.kit("lb", "final", "--json", *options)
    assert done.code == 0, done.out
    return done.json


def test_estimates_alone(submitted):
    found = final(submitted)
    cv = {line["number"]: line["cv"] for line in kit.log(submitted.root)["submissions"]}
    first, second = found["finals"]
    assert first["number"] == min(cv, key=cv.get) and first["expected"] == pytest.approx(cv[first["number"]])
    assert 0 < second["beats_first"] < 0.5 and second["gain"] > 0 and second["number"] != first["number"]
    assert (found["of"], found["with_public"], found["shift"]) == (4, 0, 0)
    assert found == {**kit.lb_final(root=submitted.root), "finals": found["finals"]}


def test_public_scores_that_turn_the_order_decide(submitted):
    """The worst by CV is far ahead on a board of digits enough: more than noise, so it is selected first."""
    cv = {line["number"]: line["cv"] for line in kit.log(submitted.root)["submissions"]}
    order = sorted(cv, key=cv.get)
    for number, score in zip(order, (3.0, 2.9, 3.1, 0.1), strict=True):
        kit.lb_add(number, score, root=submitted.root)
    found = final(submitted, "--count", "3")
    assert found["shift"] > 0.5 and found["finals"][0]["number"] == order[-1] and len(found["finals"]) == 3
    shown = submitted.kit("lb", "final").out
    assert "best expected" in shown and "public scores weigh more" in shown and order[-1] in shown


def test_a_file_made_elsewhere_and_a_copy_are_left_out_and_named(submitted):
    elsewhere = submitted.folder / "mine.csv"
    pl.DataFrame({"id": range(5000, 5040), "y": 0.5}).write_csv(elsewhere)
    kit.lb_add(str(elsewhere), 9.0, root=submitted.root)
    assert final(submitted)["left_out"] == ["0005"]


def test_one_submission_is_no_choice(toy):
    toy.write(RECIPE)
    toy.run("--set", "submit.from=a")
    done = toy.kit("lb", "final", "--json")
    assert done.code == 2 and "2 different submissions whose OOFs are here are needed" in done.json["error"]["rule"]


def test_a_metric_of_ones_own_is_run_by_nothing_that_only_looks(toy, monkeypatch):
    """It lies where the command is given, so that its name alone would find it."""
    (toy.folder / "mine.py").write_text(Path(rmse.__file__).read_text().replace('"lower"', '"higher"'))
    toy.edit(("metric: rmse", "metric: mine.py"), text=RECIPE)
    for source in ("a", "b"):
        toy.run("--trust", "--set", f"submit.from={source}")
    kit.lb_add(1, 0.5, root=toy.root)
    kit.lb_add(2, 0.7, root=toy.root)
    monkeypatch.chdir(toy.folder)
    monkeypatch.setattr(registry, "_load_file", lambda *_: pytest.fail("it was run"))
    listed = [line["score"] for line in toy.kit("ls", "--json").json["results"]]
    assert listed == sorted(listed, reverse=True)
    assert "noise is not known" in toy.kit("log").out
    for command in (("ls", "--compare"), ("errors", "r:a"), ("audit",)):
        assert toy.kit(*command).code == 0
    done = toy.kit("lb", "final", "--json")
    assert done.code == 2 and "mine.py, a file of its own" in done.json["error"]["got"]
