"""Submissions of several targets beside a leaderboard: the noise of their mean score, and which to select."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import kit
from kit import archive, logbook, sampling
from kit.errors import DataError
from kit.store import Store

DATA = ("id: id, target: y", "id: id, targets: [z, y], unlabelled: drop")


@pytest.fixture
def board(toy):
    """The toy with a second target: `board(z)` submits what is made of both, and of each alone, and gives the root."""

    def made(z: pl.Expr):
        train = pl.read_csv(toy.folder / "train.csv")
        train.with_columns(z=z).write_csv(toy.folder / "train.csv")
        toy.edit(DATA)
        for pick in ((), ("--set", "data.target=z"), ("--set", "data.target=y")):
            for name in ("a", "b", "final"):
                toy.run("--set", f"submit.from={name}", *pick)
        return toy.root

    return made


def spreads(root, *numbers: tuple[int, ...]) -> list[sampling.Sampled]:
    """Return what the OOFs tell of the scores of these submissions."""
    found = {e.number: e.about for e in logbook.entries(root)}
    return [sampling.sampled([found[n] for n in each], archive.index(root), Store(root)) for each in numbers]


def test_targets_of_the_same_rows_are_left_out_together(board):
    both, own = spreads(board(pl.col("y")), (1, 2, 3), (4, 5, 6))
    np.testing.assert_allclose(both.spread.covariance, own.spread.covariance, rtol=1e-9)
    np.testing.assert_allclose(both.averaging, own.averaging, rtol=1e-9)
    assert both.n == own.n == 120 and both.n_test == 40


def test_targets_of_other_rows_err_apart(board):
    root = board(pl.when(pl.int_range(pl.len()) % 3 > 0).then(-pl.col("y")))
    both, z, y = spreads(root, (1, 2, 3), (4, 5, 6), (7, 8, 9))
    np.testing.assert_allclose(both.spread.covariance, (z.spread.covariance + y.spread.covariance) / 4, rtol=1e-9)
    np.testing.assert_allclose(both.spread.scores, (z.spread.scores + y.spread.scores) / 2, rtol=1e-9)
    assert z.n == 80 < both.n < y.n == 120


def test_submissions_of_all_targets_are_judged_and_those_of_one_are_left_out(board):
    root = board(-pl.col("y"))
    for number, score in ((1, 1.0), (2, 0.9), (3, 0.95)):
        kit.lb_add(number, score, root=root)
    found = kit.lb_final(root=root)
    assert found["of"] == found["with_public"] == 3 and found["left_out"] == [f"{n:04d}" for n in range(4, 10)]
    assert kit.log(root)["boards"]["public"]["noise"] > 0
    with pytest.raises(DataError, match="no mean square"):
        kit.lb_blend(root=root)
