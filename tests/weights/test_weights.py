"""Weightings: known values of the label frequency."""

from __future__ import annotations

import numpy as np
import pytest

from kit.types import Rows
from kit.weights import balanced
from kit.weights.label_frequency import Params, weigh


def rows_of(y: list[float], w: list[float] | None = None) -> Rows:
    return Rows(np.arange(len(y)), {}, {}, y=np.array(y), w=np.array(w or [1.0] * len(y)))


def test_full_power_gives_every_class_the_same_weight() -> None:
    y = [0.0] * 8 + [1.0] * 2 + [2.0] * 5
    factor = weigh(Params(power=1), rows_of(y))
    np.testing.assert_allclose(np.bincount(np.array(y, int), factor), 5, rtol=1e-12)
    np.testing.assert_allclose(factor.mean(), 1)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_factor_is_the_frequency_to_the_power(power: float) -> None:
    factor = weigh(Params(power=power), rows_of([3.0] * 9 + [7.0]))
    np.testing.assert_allclose(factor[9] / factor[0], 9**power)
    np.testing.assert_allclose(factor.mean(), 1)


def test_bins_are_equally_wide_and_both_ends_belong() -> None:
    y = [0.0, 0.1, 0.2, 0.24, 0.5, 0.9, 1.0]  # of 4 bins: 4 in the first, 1 in the third, 2 in the last
    factor = weigh(Params(power=1, bins=4), rows_of(y))
    np.testing.assert_allclose(factor / factor[4], [1 / 4] * 4 + [1] + [1 / 2] * 2)


def test_few_distinct_values_are_a_bin_each_and_zero_means_always() -> None:
    y = [0.0, 0.0, 0.001, 1.0]
    apart = weigh(Params(power=1, bins=3), rows_of(y))
    np.testing.assert_allclose(apart / apart[3], [0.5, 0.5, 1, 1])
    together = weigh(Params(power=1, bins=2), rows_of(y))
    np.testing.assert_allclose(together / together[3], [1 / 3, 1 / 3, 1 / 3, 1])
    np.testing.assert_array_equal(weigh(Params(power=1, bins=0), rows_of(y)), apart)


def test_frequency_is_a_share_of_w_and_rows_without_weight_do_not_count() -> None:
    factor = weigh(Params(power=1), rows_of([0.0, 0.0, 1.0, 0.0, 2.0], [1.0, 2.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(factor[2] / factor[0], 3)
    np.testing.assert_allclose(factor[:3].mean(), 1)
    assert np.isfinite(factor).all() and (factor > 0).all()


def test_rows_without_any_weight_stay_as_they_are() -> None:
    np.testing.assert_array_equal(weigh(Params(), rows_of([0.0, 1.0], [0.0, 0.0])), 1)


def test_balanced_classes_weigh_the_same_and_w_counts() -> None:
    y, w = [0.0] * 6 + [1.0] * 3 + [2.0], [1.0] * 6 + [2.0] * 3 + [0.5]
    factor = balanced.weigh(balanced.Params(), rows_of(y, w))
    sums = np.bincount(np.array(y, int), factor * np.array(w))
    np.testing.assert_allclose(sums, sums[0])
    np.testing.assert_allclose(factor.mean(), 1)
