"""The target of earlier rows: beside a slow reference, and what it may not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import kit
from kit.canon import stream
from kit.errors import RecipeError
from kit.features import target_lag
from kit.types import Column, Rows, Task

REGRESSION = Task("regression")
HEADER = {"shop": Column("category", ("k", "l")), "day": Column("date")}


def panel(day: list[float], shop: list[int], y: list[float]) -> Rows:
    x = {"shop": np.array(shop, np.int32), "day": np.array(day, np.float64)}
    return Rows(np.arange(len(day)), x, HEADER, y=np.array(y, np.float64))


def learnt(rows: Rows, task: Task = REGRESSION, **given: object) -> target_lag.TargetLag:
    params = target_lag.ready(target_lag.Params.model_validate({"time": "day", "by": ["shop"], **given}), HEADER)
    return target_lag.learn(params, task, rows, stream(0, "t"))


def test_against_a_slow_reference() -> None:
    """400 rows of 2 shops over 250 days, in hours: days missing, rows doubled, in any order."""
    rng = np.random.default_rng(0)
    day, shop, y = rng.integers(0, 6000, 400) / 24 + 18_262, rng.integers(-1, 2, 400), rng.normal(size=400)
    day[rng.random(400) < 0.05] = np.nan
    rows = panel(day.tolist(), shop.tolist(), y.tolist())
    found = learnt(rows, delay=7, lags=[1, 3], means=[4], back=[7, 7.5])(rows)
    assert found.names == tuple(f"{n}(target by shop)" for n in ("lag1", "lag3", "mean4", "back7", "back7.5"))
    expected = np.full((400, 5), np.nan)
    hours = np.rint(day * 24)
    for i in np.flatnonzero((shop >= 0) & ~np.isnan(day)):
        mine = (shop == shop[i]) & ~np.isnan(day)
        known = sorted({h for h in hours[mine] if h <= hours[i] - 7 * 24})
        at = {h: y[mine & (hours == h)].mean() for h in sorted(set(hours[mine]))}
        past = [at[h] for h in known]
        expected[i, :2] = [past[-k] if len(past) >= k else np.nan for k in (1, 3)]
        expected[i, 2] = np.mean(past[-4:]) if past else np.nan
        expected[i, 3:] = [at.get(hours[i] - 24 * back, np.nan) for back in (7, 7.5)]
    np.testing.assert_allclose(found.x, expected, rtol=1e-6)
    assert np.isfinite(expected).any(axis=0).all() and np.isnan(expected).any(axis=0).all()


def test_nothing_younger_than_the_delay_is_told() -> None:
    rows = panel([0, 1, 2, 3, 9], [0] * 5, [1, 2, 3, 4, 5])
    found = learnt(rows, delay=2, lags=[1], means=[], back=[2])
    assert np.array_equal(found(rows).x, [[np.nan] * 2, [np.nan] * 2, [1, 1], [2, 2], [4, np.nan]], equal_nan=True)
    later = panel([4, 6, 30], [0, 0, 1], [9, 9, 9]).blind()
    assert np.array_equal(found(later).x, [[3, 3], [4, np.nan], [np.nan] * 2], equal_nan=True)


def test_classes_have_a_column_each_and_synthetic_rows_are_told_nothing() -> None:
    task = Task("multiclass", "softmax", ("a", "b", "c"))
    rows = panel([0, 0, 5], [0] * 3, [0, 2, 1])
    found = learnt(rows, task, delay=1)
    assert found(rows).names == tuple(f"lag1(target by shop|{c})" for c in "abc")
    assert found(rows).x[2].tolist() == [0.5, 0, 0.5]
    made = replace(rows, parents=np.array([[0, 2]] * 3))
    assert np.isnan(found(made).x).all()


@pytest.mark.parametrize(
    ("given", "rule"), [({"lags": []}, "nothing to do"), ({"back": [7, 1]}, "looks back by less than its delay")]
)
def test_what_cannot_be_asked(given, rule) -> None:
    with pytest.raises(RecipeError, match=rule):
        learnt(panel([0], [0], [0]), delay=2, **given)


def test_folds_that_hold_a_group_whole_know_nothing_of_its_past(tmp_path) -> None:
    n = np.arange(60)
    train = pl.DataFrame({"shop": n % 6, "day": n // 6, "x": n * 7 % 11, "y": n % 5})
    recipe = {
        "data": {"train": train, "target": "y", "groups": "shop", "time": "day"},
        "metric": "rmse",
        "features": {"past": ["numeric", {"use": "target_lag", "by": ["shop"], "time": "day", "delay": 1}]},
        "models": {"m": "lightgbm"},
    }
    with pytest.raises(RecipeError, match="target_lag by shop would be missing in all held rows"):
        kit.check({**recipe, "split": {"use": "group", "folds": 3}}, root=tmp_path)
    for use in ("time", "kfold"):
        assert kit.check({**recipe, "split": {"use": use, "folds": 3}}, root=tmp_path)["findings"] is not None
