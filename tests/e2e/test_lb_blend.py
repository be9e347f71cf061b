"""lb blend on submissions of real runs: refused without a shift, a numbered submission that can be replayed with one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from conftest import numbers

import kit

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
models:
  a: {use: lightgbm, params: {n_estimators: 20}, stop: fixed}
  b: {use: lightgbm, params: {n_estimators: 60}, stop: fixed}
  c: {use: sklearn, params: {estimator: Ridge}}
  d: {use: sklearn, params: {estimator: KNeighborsRegressor}}
blend: {mix: {use: nnls}}
"""


@pytest.fixture
def board(toy):
    """Return a function that scores all submissions against a truth on the first 30 % of 2,000 test rows."""
    train, test = pl.DataFrame(numbers(1, 600)), pl.DataFrame(numbers(2, 2000))
    train.insert_column(0, pl.Series("id", range(600))).write_csv(toy.folder / "train.csv")
    test.drop("y").insert_column(0, pl.Series("id", range(5000, 7000))).write_csv(toy.folder / "test.csv")
    toy.write(RECIPE)
    for source in ("mix", "a", "b", "c", "d"):
        toy.run("--set", f"submit.from={source}")

    def score(truth) -> None:
        y = truth(test["y"].to_numpy())
        for line in kit.log(toy.root)["submissions"]:
            pred = pl.read_csv(toy.root / "submissions" / line["file"])["y"].to_numpy()
            rmse = float(np.sqrt(np.mean((pred - y)[:600] ** 2)))
            kit.lb_add(line["number"], f"{rmse:.5f}", root=toy.root)

    return score


def test_without_a_shift_it_is_refused_with_the_numbers(toy, board):
    board(lambda y: y)
    done = toy.kit("lb", "blend", "--json")
    assert done.code == 2
    error = done.json["error"]
    assert "no shift" in error["rule"]
    assert "0001" in error["got"]
    assert "expected" in error["got"]
    assert len(list((toy.root / "submissions").glob("*.csv"))) == 6
    assert kit.log(toy.root)["boards"]["public"]["verdict"] == "noise explains what differs"


def test_with_a_shift_it_makes_a_better_submission_that_can_be_replayed(toy, board):
    board(lambda y: 0.5 * y)
    assert "more than noise" in kit.log(toy.root)["boards"]["public"]["verdict"]
    done = toy.kit("lb", "blend", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["submission"].endswith("0006-lb.csv")
    assert sum(found["weights"].values()) == pytest.approx(1)
    truth = 0.5 * numbers(2, 2000)["y"]
    mix, made = (pl.read_csv(toy.root / "submissions" / n)["y"].to_numpy() for n in ("0001-r.csv", "0006-lb.csv"))
    before, after = (float(np.sqrt(np.mean((p - truth)[600:] ** 2))) for p in (mix, made))
    assert after < 0.8 * before
    assert found["lb"]["after"] == pytest.approx(after, rel=0.35)
    line = kit.log(toy.root)["submissions"][-1]
    assert (line["number"], line["recipe"], line["from"]) == ("0006", "r", "lb blend")
    (toy.root / "submissions" / "0006-lb.csv").unlink()
    replayed = kit.replay(6, root=toy.root)
    assert (replayed["rebuilt"], replayed["file"]) == (True, "restored")
    assert pl.read_csv(toy.root / "submissions" / "0006-lb.csv")["y"].to_numpy().tolist() == made.tolist()
    altered = toy.root / "submissions" / "0004-r.csv"
    altered.write_text(altered.read_text().replace("5000,", "5000,1"))
    assert "submission 0004 was altered" in kit.replay(6, root=toy.root)["gone"]
    again = toy.kit("lb", "blend")
    assert "to expect" in again.out, again.err
    assert "left out: 0004 was altered" in again.out


def test_reasons_not_to(toy, board, tmp_path):
    assert "no submission has a public score" in toy.kit("lb", "blend").err
    kit.lb_add(1, 0.5, root=toy.root)
    kit.lb_add(2, 0.6, root=toy.root)
    assert "too few" in toy.kit("lb", "blend").err
    for number, score in ((3, 0.9), (4, 0.2), (5, 3.0)):
        kit.lb_add(number, score, root=toy.root)
    assert "do not fit the files" in toy.kit("lb", "blend").err
    for number in (3, 5):
        kit.lb_add(number, 0.0, root=toy.root)
    error = toy.kit("lb", "blend").err
    assert "a rmse is above 0" in error and "0003: 0, 0005: 0" in error
    board(lambda y: 0.5 * y)
    for model in ("b", "c", "d"):
        (toy.root / "oof" / "r" / model / "card.json").unlink()
    error = toy.kit("lb", "blend").err
    assert "without the OOFs" in error
    assert "left out are guessed" in error


def test_other_metrics_tell_no_mean_squares(toy, board):
    toy.edit(("metric: rmse", "metric: mae"), text=RECIPE)
    toy.run()
    kit.lb_add(6, 0.5, root=toy.root)
    assert "squared loss only" in toy.kit("lb", "blend").err


def test_of_many_submissions_the_best_are_read(toy, board, monkeypatch):
    """Each is guessed from all others: of 2,000 that took hours."""
    from kit import leaderboard

    board(lambda y: 0.5 * y)
    monkeypatch.setattr(leaderboard, "MOST", 4)
    seen = leaderboard.read("public", 0.3, toy.root)
    scores = sorted(line["public"] for line in kit.log(toy.root)["submissions"])
    assert len(scores) > 4
    assert seen.rmse.tolist() == scores[:4]
    assert seen.left_out == (f"{len(scores) - 4} of {len(scores)}, whose scores are behind",)
