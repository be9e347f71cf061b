"""Lags: known values, a slow reference, new rows, and what the past is."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import columns_of, learn, made, rows_of

from kit.errors import RecipeError
from kit.features import lag
from kit.types import Rows

NAN = np.nan


def test_lags_differences_and_means_of_a_short_history() -> None:
    rows = rows_of(
        who=["a", "a", "b", "a", "b", "a"], day=[3.0, 1.0, 1.0, 2.0, 5.0, 9.0], v=[30.0, 10.0, 100.0, 20.0, 500.0, 90.0]
    )
    found = made(lag, rows, columns=["v"], by=["who"], time="day", lags=[1, 2], means=[2])
    assert list(found) == ["before(day)", "since(day)", "lag1(v)", "lag2(v)", "diff1(v)", "mean2(v)"]
    np.testing.assert_array_equal(found["before(day)"], [2, 0, 0, 1, 1, 3])
    np.testing.assert_array_equal(found["since(day)"], [1, NAN, NAN, 1, 4, 6])
    np.testing.assert_array_equal(found["lag1(v)"], [20, NAN, NAN, 10, 100, 30])
    np.testing.assert_array_equal(found["lag2(v)"], [10, NAN, NAN, NAN, NAN, 20])
    np.testing.assert_array_equal(found["diff1(v)"], [10, NAN, NAN, 10, 400, 60])
    np.testing.assert_array_equal(found["mean2(v)"], [15, NAN, NAN, 10, 100, 25])


def test_rows_of_one_time_see_the_time_before_and_count_by_their_mean() -> None:
    rows = rows_of(day=[1.0, 2.0, 2.0, 3.0], v=[1.0, 10.0, 30.0, 5.0])
    np.testing.assert_array_equal(made(lag, rows, columns=["v"], time="day")["lag1(v)"], [NAN, 1, 1, 20])


def test_a_missing_value_key_or_time() -> None:
    rows = rows_of(who=["a", "a", None, None, "a"], day=[1.0, 2.0, 1.0, 2.0, None], v=[1.0, None, 3.0, 4.0, 5.0])
    found = made(lag, rows, columns=["v"], by=["who"], time="day", means=[2])
    np.testing.assert_array_equal(found["lag1(v)"], [NAN, 1, NAN, NAN, NAN])
    np.testing.assert_array_equal(found["before(day)"], [0, 1, NAN, NAN, NAN])
    later = learn(lag, rows, columns=["v"], by=["who"], time="day", means=[2])(rows_of(who=["a"], day=[7.0], v=[0.0]))
    assert np.isnan(columns_of(later)["lag1(v)"][0]) and columns_of(later)["mean2(v)"][0] == 1


def test_new_rows_see_the_history_that_was_learnt() -> None:
    rows = rows_of(who=[7.0, 7.0, 8.0], day=[1.0, 3.0, 1.0], v=[1.0, 3.0, 8.0])
    new = rows_of(who=[7.0, 7.0, 8.0, 9.0], day=[2.0, 99.0, 0.5, 5.0], v=[0.0] * 4)
    found = columns_of(learn(lag, rows, columns=["v"], by=["who"], time="day")(new))
    np.testing.assert_array_equal(found["lag1(v)"], [1, 3, NAN, NAN])
    np.testing.assert_array_equal(found["before(day)"], [1, 2, 0, NAN])


def slow(rows: Rows, steps: int, mean: int) -> tuple[list[float], list[float]]:
    """Return the lag and the rolling mean, row by row."""
    who, day, v = (rows.x[n] for n in ("who", "day", "v"))
    lags, means = [], []
    for i in range(len(rows)):
        past: dict[float, list[float]] = {}
        for j in range(len(rows)):
            if who[j] == who[i] and day[j] < day[i]:
                past.setdefault(day[j], []).append(v[j])
        points = [np.mean([x for x in past[t] if not np.isnan(x)] or [NAN]) for t in sorted(past)]
        known = [p for p in points[-mean:] if not np.isnan(p)]
        lags.append(points[-steps] if len(points) >= steps else NAN)
        means.append(float(np.mean(known)) if known else NAN)
    return lags, means


def test_lags_equal_the_slow_reference() -> None:
    rng = np.random.default_rng(0)
    n = 200
    rows = rows_of(
        who=[["a", "b", "c"][i] for i in rng.integers(0, 3, n)],
        day=rng.integers(0, 60, n).astype(float).tolist(),
        v=[None if rng.random() < 0.2 else float(x) for x in rng.normal(size=n)],
    )
    found = made(lag, rows, columns=["v"], by=["who"], time="day", lags=[3], means=[4])
    lags, means = slow(rows, 3, 4)
    np.testing.assert_allclose(found["lag3(v)"], lags, rtol=1e-5)
    np.testing.assert_allclose(found["mean4(v)"], means, rtol=1e-5)


def test_a_lag_must_have_something_to_do() -> None:
    rows = rows_of(day=[1.0], v=[1.0])
    with pytest.raises(RecipeError, match="nothing to do"):
        learn(lag, rows, columns=["v"], time="day", lags=[], differences=[])
    with pytest.raises(RecipeError, match="without a column"):
        learn(lag, rows, columns=["day"], time="day")
