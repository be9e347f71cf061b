"""The shares that a declared distribution of the target gives to values."""

from __future__ import annotations

import numpy as np
import pytest

from kit import evaluate
from kit.types import Task

NUMBER = Task("regression")


def shares_of(y: np.ndarray, n_bins: int = 10) -> np.ndarray:
    """Return what each distinct value of y counts under `uniform`, of sum one."""
    found = evaluate.declared(*evaluate.Wanted(n_bins).of(NUMBER, y), np.ones(len(y)))
    place = np.unique(y, return_inverse=True)[1]
    return np.bincount(place, found.ratio) / found.ratio.sum()


@pytest.mark.parametrize("values", [np.arange(11.0), np.arange(1, 6.0), np.arange(1, 5.5, 0.5), np.arange(20) / 10 - 1])
def test_uniform_gives_every_step_of_a_target_the_same_share(values):
    y = np.repeat(values, 30 + 7 * np.arange(len(values)) ** 2)
    np.testing.assert_allclose(shares_of(y), 1 / len(values), rtol=1e-12)


def test_many_steps_share_bins_by_how_many_of_them_a_bin_may_hold():
    y = np.repeat(np.arange(31.0), 40)  # the last of ten bins of width 3 holds four of them
    np.testing.assert_allclose(shares_of(y), 1 / 31, rtol=1e-12)


def test_a_step_that_no_row_has_keeps_its_room():
    y = np.repeat([0.0, 1.0, 2.0, 4.0], 50)  # 3 has a bin without rows: it joins that of 2 or 4
    found = shares_of(y)
    assert found[:2] == pytest.approx([0.2, 0.2]) and found.sum() == pytest.approx(1)
    assert sorted(found[2:]) == pytest.approx([0.2, 0.4])


def test_a_target_without_steps_is_shared_out_by_width():
    y = np.sort(np.random.default_rng(0).beta(5, 1, 4000))
    bins, shares = evaluate.Wanted(10).of(NUMBER, y)
    np.testing.assert_allclose(shares, np.diff(np.linspace(y[0], y[-1], 11)), rtol=1e-9)
    assert len(bins) == 10
