"""Standard errors of scores and differences against what many repetitions give; agreement of CV and leaderboard."""

from __future__ import annotations

import numpy as np
import pytest

from kit import paired
from kit.boards import agreement
from kit.paired import MOST_ROWS, Truth, spread
from kit.types import Task

NUMBER = Task("regression")
BINARY = Task("binary", "logloss", ("no", "yes"), "yes")


def world(rng, n: int, task: Task):
    """Return y and two predictions with much error in common."""
    x, e = rng.normal(size=n), rng.normal(size=n)
    if task.kind == "regression":
        return x + e, [x[:, None] * 0.9, (x + 0.3 * rng.normal(size=n))[:, None]]
    y = (x + e > 0).astype(float)
    return y, [1 / (1 + np.exp(-z))[:, None] for z in (x, x + 0.5 * rng.normal(size=n))]


@pytest.mark.parametrize(("metric", "task"), [("rmse", NUMBER), ("mae", NUMBER), ("auc", BINARY), ("logloss", BINARY)])
def test_the_standard_errors_are_those_of_repetitions(metric, task):
    n, scores, told = 300, [], []
    for seed in range(150):
        y, preds = world(np.random.default_rng(seed), n, task)
        truth = Truth(task, metric, y, np.ones(n))
        scores.append([truth.score(p) for p in preds])
        if seed < 20:
            found = spread(truth, preds)
            told.append([*np.sqrt(np.diag(found.covariance)), found.of_difference(0, 1)])
    real = [*np.std(scores, axis=0), np.std(np.diff(scores, axis=1))]
    np.testing.assert_allclose(np.mean(told, axis=0), real, rtol=0.2)
    assert real[2] < 0.7 * real[0]


@pytest.mark.parametrize("n_groups", [100, 3000, 6000, 12_000])
def test_a_sample_of_rows_makes_no_group_surer(monkeypatch, n_groups):
    """The error is that of whole groups, however many of their rows are looked at; it was half of that."""
    monkeypatch.setattr(paired, "MOST_ROWS", 2000)
    monkeypatch.setattr(paired, "LEAST_GROUPS", 200)
    rng, n = np.random.default_rng(0), 12_000
    group = rng.permutation(np.arange(n) % n_groups)
    error = rng.normal(size=n_groups)[group] + rng.normal(size=n)
    loss = np.abs(error)
    whole = np.sqrt((np.bincount(group, loss - loss.mean()) ** 2).sum()) / n
    found = spread(Truth(NUMBER, "mae", np.zeros(n), np.ones(n), group), [error[:, None].astype(np.float32)])
    np.testing.assert_allclose(np.sqrt(found.covariance[0, 0]), whole, rtol=0.2)


def test_groups_make_the_error_larger():
    """Rows of a group share their error: 300 rows of 30 groups tell little more than 30 rows."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), 10)
    y = rng.normal(size=30)[group] + 0.1 * rng.normal(size=300)
    preds = [np.zeros((300, 1))]
    alone = spread(Truth(NUMBER, "rmse", y, np.ones(300)), preds)
    grouped = spread(Truth(NUMBER, "rmse", y, np.ones(300), group), preds)
    assert 2 < np.sqrt(grouped.covariance[0, 0] / alone.covariance[0, 0]) < 4
    assert grouped.dof == 29


def test_a_sample_of_many_rows_tells_the_error_of_all():
    rng = np.random.default_rng(0)
    n = 4 * MOST_ROWS
    y = rng.normal(size=n)
    found = spread(Truth(NUMBER, "rmse", y, np.ones(n)), [np.zeros((n, 1), np.float32)])
    assert found.scores[0] == pytest.approx(np.sqrt((y**2).mean()))
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(1 / np.sqrt(2 * n), rel=0.15)


def test_weights_of_the_rows_count():
    y, v = np.array([0.0, 0, 3, 3] * 20), np.array([1.0, 1, 0, 0] * 20)
    found = spread(Truth(NUMBER, "rmse", y, v), [np.ones((80, 1))])
    assert found.scores[0] == pytest.approx(1)
    assert found.covariance[0, 0] == pytest.approx(0, abs=1e-20)


def boards(seed: int, shift: np.ndarray) -> tuple:
    """Return CV, leaderboard and noise of 6 submissions with much noise in common."""
    rng = np.random.default_rng(seed)
    noise = 0.01**2 * (0.8 + 0.2 * np.eye(6))
    cv = np.linspace(1, 1.05, 6)
    return cv, cv + shift + rng.multivariate_normal(np.zeros(6), noise), noise


def test_noise_is_called_noise_and_a_shift_a_shift():
    none, level, pattern = np.zeros(6), np.full(6, 0.1), np.array([0, 0, 0, 0.05, 0, -0.05])
    found = [agreement(*boards(seed, none)) for seed in range(200)]
    assert 0.02 < np.mean([f.p_pattern < 0.05 for f in found]) < 0.09
    assert 0.02 < np.mean([f.p_level < 0.05 for f in found]) < 0.09
    assert np.mean([f.scatter**2 for f in found]) == pytest.approx(found[0].noise ** 2, rel=0.15)
    moved = agreement(*boards(0, level))
    assert moved.level == pytest.approx(0.1, abs=0.03)
    assert moved.p_level < 1e-6
    assert moved.p_pattern > 0.01
    assert "level differs" in moved.verdict
    bent = agreement(*boards(0, pattern))
    assert bent.p_pattern < 1e-6
    assert "order" in bent.verdict


def test_the_level_of_a_board_is_one_that_submissions_show():
    noise = np.full((3, 3), 0.0001) * np.array([[4, 2, 1], [2, 1.1, 0.5], [1, 0.5, 0.27]])
    lb = np.array([0.96, 0.98, 0.99])
    found = agreement(np.ones(3), lb, noise)
    assert (found.level, found.scatter) == (pytest.approx(lb.mean() - 1), pytest.approx(lb.std()))
    assert found.level_se == pytest.approx(np.sqrt(noise.mean()))
    assert found.p_pattern == pytest.approx(agreement(np.zeros(3), lb - 1, noise).p_pattern)
    least_squares = float((np.linalg.inv(noise) @ (lb - 1)).sum() / np.linalg.inv(noise).sum())
    assert not -0.04 <= least_squares <= -0.01  # what would be told of these without care


def test_few_submissions_tell_little():
    assert "no submission" in agreement(np.empty(0), np.empty(0), None).verdict
    one = agreement(np.array([1.0]), np.array([1.2]), np.array([[0.01]]))
    assert (one.n, one.level, one.p_pattern) == (1, pytest.approx(0.2), pytest.approx(np.nan, nan_ok=True))
    lost = agreement(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5]), None)
    assert (lost.level, lost.slope) == (0.5, pytest.approx(1))
    assert "not known" in lost.verdict


def test_few_degrees_of_freedom_make_the_test_careful():
    cv, lb, noise = boards(0, np.array([0, 0, 0, 0.02, 0, -0.02]))
    assert agreement(cv, lb, noise, 8).p_pattern > 3 * agreement(cv, lb, noise).p_pattern
