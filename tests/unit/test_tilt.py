"""Mean and std as a likelihood: the moments come back, whatever the base; another base moves them as it must."""

from __future__ import annotations

import numpy as np
import pytest

from kit import tilt

AT = tilt.grid(0.0, 10.0)
EVEN = np.full(len(AT), 1 / len(AT))
SKEWED = tilt.density(AT, np.array([0.0, 8.0, 10.0]), np.array([0.05, 0.95]))


def moments(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = share / share.sum(axis=1, keepdims=True)
    mean = share @ AT
    return mean, np.sqrt((share * (AT - mean[:, None]) ** 2).sum(axis=1))


@pytest.mark.parametrize("base", [EVEN, SKEWED], ids=["even", "skewed"])
def test_the_moments_come_back(base: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.3, 9.7, 500)
    std = np.minimum(rng.uniform(0.15, 3.5, 500), np.sqrt(0.9 * mean * (10 - mean)))
    found = moments(tilt.likelihood(mean, std, AT, base) * base)
    np.testing.assert_allclose(found[0], mean, atol=1e-5)
    np.testing.assert_allclose(found[1], std, atol=1e-5)


def test_predictions_outside_are_drawn_in() -> None:
    found = tilt.likelihood(np.array([-5.0, 14.0, 5.0]), np.array([1.0, 1.0, 90.0]), AT, EVEN)
    mean, _ = moments(found)
    assert np.isfinite(found).all() and mean[0] < 0.2 and mean[1] > 9.8
    assert mean[2] == pytest.approx(5, abs=1e-6)


def test_a_normal_base_moves_it_by_the_formula() -> None:
    """Where all is normal: precision 1/s2 + 1/v_q - 1/v_p, mean (mu/s2 + m_q/v_q - m_p/v_p) / precision."""
    old, new = (np.exp(-0.5 * ((AT - m) / s) ** 2) for m, s in ((6.0, 1.5), (4.5, 1.5)))
    mu, s = np.array([5.5]), np.array([0.7])
    mean, std = moments(tilt.likelihood(mu, s, AT, old / old.sum()) * new)
    precision = 1 / s**2
    assert mean[0] == pytest.approx(float(((mu / s**2 + 4.5 / 1.5**2 - 6 / 1.5**2) / precision)[0]), abs=2e-3)
    assert std[0] == pytest.approx(0.7, abs=2e-3)


def test_no_row_depends_on_another() -> None:
    rng = np.random.default_rng(1)
    mean, std = rng.uniform(0, 10, 60), rng.uniform(0.01, 4, 60)
    whole = tilt.likelihood(mean, std, AT, SKEWED)
    assert tilt.likelihood(mean[::3], std[::3], AT, SKEWED).tobytes() == whole[::3].tobytes()


def test_a_density_is_spread_evenly_in_each_bin() -> None:
    assert SKEWED.sum() == pytest.approx(1)
    assert SKEWED[AT > 8].sum() == pytest.approx(0.95, abs=1e-3)
    assert np.ptp(SKEWED[AT < 8]) == 0
    beyond = tilt.density(AT, np.array([2.0, 5.0]), np.array([1.0]))
    assert 0 < beyond[AT > 5].sum() < 0.01
