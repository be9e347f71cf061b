"""Which submissions to select: worked examples, and that the belief is right on average."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from kit.finals import Belief, Evidence, believe, pick


def evidence(k: int, **given: Any) -> Evidence:
    zero = np.zeros(k)
    parts: dict[str, Any] = {"estimate": zero, "sampling": np.eye(k), "own": zero, "public": np.full(k, np.nan)}
    return Evidence(**{**parts, "rounding": zero, "n": 1000.0, "n_public": 300.0, "n_private": 700.0, **given})


def test_without_public_scores_the_estimates_are_believed() -> None:
    found = believe(evidence(3, estimate=np.array([1.0, 2.0, 3.0])))
    assert found.mean.tolist() == [1, 2, 3] and found.level == 0 and found.shift == 0
    np.testing.assert_allclose(found.covariance, np.eye(3) * (1 + 1000 / 700))


def test_public_scores_are_drawn_to_the_estimates_by_their_noise() -> None:
    """The level of two is the mean of what they are off; what is left counts 1 / (1 + n / n_public)."""
    found = believe(evidence(2, estimate=np.array([1.0, 2.0]), public=np.array([1.6, 2.4])))
    share = 1 / (1 + 1000 / 300)
    assert found.level == pytest.approx(0.5)
    np.testing.assert_allclose(found.mean, [1.5 + 0.1 * share, 2.5 - 0.1 * share])


def test_a_shift_between_submissions_makes_public_scores_weigh_more() -> None:
    public = np.array([5.0, -5.0, 4.0, -4.0, 0.0])
    known = evidence(5, sampling=np.eye(5) * 1e-4, public=public)
    found = believe(known)
    assert found.shift == pytest.approx(np.sqrt(82 / 4), rel=1e-3)
    np.testing.assert_allclose(found.mean, public, rtol=1e-3, atol=1e-3)
    assert believe(replace(known, sampling=np.eye(5) * 100)).shift == 0


def test_one_without_a_public_score_follows_those_it_is_like() -> None:
    sampling = np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = believe(evidence(3, sampling=sampling, public=np.array([1.0, np.nan, -1.0])))
    assert found.mean[1] == pytest.approx(0.99 * found.mean[0]) and found.mean[0] > 0.1


def test_belief_is_right_on_average() -> None:
    """Deviations drawn as assumed: standardised errors of the believed private differences have variance 1."""
    rng = np.random.default_rng(0)
    k, n, n_public, n_private = 6, 1000.0, 300.0, 700.0
    mixing = rng.normal(size=(k, k)) / 3
    sampling = mixing @ mixing.T / 100
    estimate = rng.normal(size=k)
    z = []
    for _ in range(400):
        true = estimate + 0.7 + rng.multivariate_normal(np.zeros(k), sampling)
        public = true + rng.multivariate_normal(np.zeros(k), sampling * n / n_public)
        private = true + rng.multivariate_normal(np.zeros(k), sampling * n / n_private)
        public[4:] = np.nan
        found = believe(evidence(k, estimate=estimate, sampling=sampling, public=public))
        c = found.covariance
        for i, j in ((0, 1), (2, 5), (4, 5)):
            se = np.sqrt(c[i, i] + c[j, j] - 2 * c[i, j])
            z.append((private[i] - private[j] - found.mean[i] + found.mean[j]) / se)
    assert 0.9 < np.mean(np.square(z)) < 1.1 and abs(np.mean(z)) < 0.1


def test_a_hedge_is_preferred_to_a_twin() -> None:
    covariance = np.array([[1.0, 0.999, 0.0], [0.999, 1.0, 0.0], [0.0, 0.0, 1.0]])
    first, second = pick(Belief(np.array([0.0, 0.01, 0.3]), covariance, 0.0, 0.0), 2)
    assert (first.at, second.at) == (0, 2)
    theta = np.sqrt(2)
    assert second.beats == pytest.approx(stats.norm.cdf(-0.3 / theta), abs=0.01)
    expected = theta * stats.norm.pdf(0.3 / theta) - 0.3 * stats.norm.sf(0.3 / theta)
    assert second.gain == pytest.approx(expected, rel=0.03)
    assert [p.at for p in pick(Belief(np.array([0.0, 0.01, 3.0]), covariance * 1e-4, 0.0, 0.0), 2)] == [0, 1]


def test_no_more_are_picked_than_there_are() -> None:
    assert sorted(p.at for p in pick(Belief(np.zeros(2), np.eye(2), 0.0, 0.0), 5)) == [0, 1]
