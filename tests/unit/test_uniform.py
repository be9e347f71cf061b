"""The shares that a declared or an estimated distribution of the target gives to values; targets of steps."""

from __future__ import annotations

import numpy as np
import pytest

from kit import evaluate
from kit.oof import Oof
from kit.types import Rows, Task

NUMBER = Task("regression")


def shares_of(y: np.ndarray, n_bins: int = 10) -> np.ndarray:
    """Return what each distinct value of y counts under `uniform`, of sum one."""
    found = evaluate.declared(*evaluate.Wanted(n_bins).of(NUMBER, y, np.ones(len(y))), np.ones(len(y)))
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


def test_one_stray_value_makes_no_steps_of_its_own():
    """5000 ratings of 0 to 10 and a single 9.5: eleven steps, as in the folds that lack this row, and not 21 halves."""
    y = np.append(np.repeat(np.arange(11.0), [13, 6, 5, 7, 3, 21, 45, 95, 259, 3123, 1442]), 9.5)
    for n_bins in (6, 10, 12):
        bins = evaluate.regular(NUMBER, y, n_bins)
        np.testing.assert_array_equal(bins.edges, np.arange(-0.5, 11))
        np.testing.assert_array_equal(bins.of[:-1], y[:-1])
    np.testing.assert_array_equal(evaluate.uniform(bins, y), np.ones(11))


def test_steps_that_hardly_ever_came_are_no_bins():
    """Whole numbers and enough halves beside them that they are no slips: 22 steps of one half, nine without a row."""
    y = np.append(np.repeat(np.arange(11.0), 30), np.full(9, 9.5))
    bins = evaluate.regular(NUMBER, y, 12)
    np.testing.assert_allclose(bins.edges, np.linspace(0, 10, 13))


def test_a_target_without_steps_is_shared_out_by_width():
    y = np.sort(np.random.default_rng(0).beta(5, 1, 4000))
    bins, shares = evaluate.Wanted(10).of(NUMBER, y, np.ones(4000))
    np.testing.assert_allclose(shares, np.diff(np.linspace(y[0], y[-1], 11)), rtol=1e-9)
    assert len(bins) == 10


@pytest.mark.parametrize(
    "wanted", [evaluate.Wanted(10), evaluate.Wanted(4, np.array([-20.0, 0, 6, 8, 10]), np.ones(4))]
)
def test_rows_that_are_never_scored_shape_no_bin(wanted):
    """Learn-only rows below stand in the learning rows of a fold; they widened the range and filled up bins."""
    y = np.random.default_rng(0).uniform(5, 10, 400)
    both, v = np.append(np.linspace(-20, 5, 300), y), np.append(np.zeros(300), np.ones(400))

    def factors(y: np.ndarray, v: np.ndarray) -> np.ndarray:
        return evaluate.factors(wanted, NUMBER, Rows(np.arange(len(y)), {}, {}, y=y, v=v))

    np.testing.assert_allclose(factors(both, v)[300:], factors(y, np.ones(400)))


@pytest.mark.parametrize(("by", "far"), [("sigma", 0.06), ("counts", 0.08), ("both", 0.06)])
def test_shares_of_ratings_are_found_where_the_std_is_true(by, far):
    """Bins of equal width are 0.46, 0.49 and 0.24 away in total variation: half of what is said lies beside its bin."""
    rng, values = np.random.default_rng(0), np.arange(1, 6.0)
    share = np.exp(0.6 * values) / np.exp(0.6 * values).sum()
    truth = {"train": rng.choice(values, 1200, p=share), "test": rng.choice(values, 600)}
    said = {}
    for part, y in truth.items():
        x = y + rng.normal(size=len(y))
        likely = np.exp(-((x[:, None] - values) ** 2) / 2) * share
        likely /= likely.sum(axis=1, keepdims=True)
        mean = likely @ values
        said[part] = mean[None, :, None].astype(np.float32), np.sqrt(likely @ values**2 - mean**2)[None]
    fold = (np.arange(1200) % 5).astype(np.int16)[None]
    oof = Oof(fold, truth["train"], said["train"][0], said["test"][0], said["train"][1], said["test"][1])
    bins = evaluate.regular(NUMBER, oof.y, 10)
    found = evaluate.estimate(NUMBER, oof, bins, np.ones(1200), by)
    true = np.bincount(truth["test"].astype(int) - 1) / 600
    assert np.abs(found.shares - true).sum() / 2 < far
