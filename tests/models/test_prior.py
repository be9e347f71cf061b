"""The prior strength of categories against variance components worked out by hand, and what LightGBM makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kit import registry
from kit.contracts import Run
from kit.models import _prior as prior
from kit.types import Block, Design, Task

LOW, HIGH = prior.BOUNDS
TASK = Task("regression", "squared")
lightgbm: Any = registry.load("models", "lightgbm")


def test_components_are_those_worked_out_by_hand() -> None:
    # Means 2 and 6 of 4: s2 = 4 / (4 - 2); between 16 = 1 * s2 + (4 - 8 / 4) t2.
    even = prior.components(np.array([0, 0, 1, 1]), np.array([1.0, 3, 5, 7]), np.ones(4))
    assert even == pytest.approx((2, 7))
    # Weights 3 and 1, means 2 and 5 of 2.75: s2 = 6 / (3 - 2); between 6.75 = 1 * s2 + (4 - 10 / 4) t2.
    uneven = prior.components(np.array([0, 0, 1]), np.array([0.0, 3, 5]), np.array([1.0, 2, 1]))
    assert uneven == pytest.approx((6, 0.5))
    # Equal means: t2 would be negative.
    assert prior.components(np.array([0, 0, 1, 1]), np.array([1.0, 3, 1, 3]), np.ones(4)) == pytest.approx((2, 0))


def test_components_of_two_classes_are_twice_those_of_one() -> None:
    level, y, w = np.array([0, 0, 0, 1, 1, 1]), np.array([0.0, 0, 1, 1, 1, 0]), np.array([1.0, 2, 1, 1, 3, 1])
    s2, t2 = prior.components(level, y, w)
    assert prior.components(level, y, w, 2) == pytest.approx((2 * s2, 2 * t2))


def test_strength_is_of_columns_that_lightgbm_smooths() -> None:
    n = 2 * 40
    pairs, few, alone = np.arange(n) // 2, np.arange(n) % (prior.LEVELS - 1), np.arange(n)
    apart = np.arange(n) % 40  # both of its rows have one sign below
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    x = np.stack([pairs, few, alone, apart], 1).astype(np.float32)
    w = np.full(n, 7.0)
    assert prior.strength(x, {0: 40}, y, w) == HIGH  # the levels do not differ
    assert prior.strength(x, {3: 40}, y, w) == LOW  # and these in all
    assert prior.strength(x, {1: 29}, y, w) is prior.strength(x, {2: n}, y, w) is prior.strength(x, {}, y, w) is None
    missing = np.where(pairs < 11, np.nan, pairs).astype(np.float32)[:, None]
    assert prior.strength(missing, {0: 40}, y, w) is None  # 29 levels are left


def test_strength_of_levels_alike_in_rows_is_the_ratio_of_variances() -> None:
    rng = np.random.default_rng(1)
    level = rng.permutation(np.arange(30_000) % 1000)
    y = rng.normal(0, 1, 1000)[level] + rng.normal(0, 10, 30_000)
    found = prior.strength(level.astype(np.float32)[:, None], {0: 1000}, y, np.full(30_000, 0.5))
    assert found == pytest.approx(100, rel=0.1)


def test_strength_makes_the_error_of_all_columns_together_least() -> None:
    rng = np.random.default_rng(2)
    n = 2000
    x = np.stack([rng.integers(0, 400, n), rng.geometric(0.1, n).clip(max=40), rng.integers(0, 4, n)], 1)
    y = 0.5 * rng.normal(size=41)[x[:, 1]] + rng.normal(size=n) + x[:, 2]
    found = prior.strength(x.astype(np.float32), {0: 400, 1: 41, 2: 4}, y, np.ones(n))

    def error(k: float) -> float:
        total = 0.0
        for column in (x[:, 0], x[:, 1]):
            level = np.unique(column, return_inverse=True)[1]
            s2, t2 = prior.components(level, y, np.ones(n))
            for rows in np.bincount(level):
                total += rows / n * (t2 * (k / (rows + k)) ** 2 + s2 / rows * (rows / (rows + k)) ** 2)
        return total

    assert found is not None and LOW < found < HIGH
    best = min(np.arange(LOW, HIGH, 0.5), key=error)
    assert found == pytest.approx(best, rel=0.06)
    assert found < prior.strength(x[:, :1].astype(np.float32), {0: 400}, y, np.ones(n))


def test_noise_of_many_levels_does_not_blur_a_column_that_tells_all() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(0, 900, 3000), rng.integers(0, 35, 3000)], 1)
    y = rng.normal(0, 10, 35)[x[:, 1]] + 0.1 * rng.normal(size=3000)
    assert prior.strength(x[:, :1].astype(np.float32), {0: 900}, y, np.ones(3000)) > 100
    assert prior.strength(x.astype(np.float32), {0: 900, 1: 35}, y, np.ones(3000)) < 1.2 * LOW


def planted(share: float) -> Design:
    """Return rows whose y has `share` of its variance between 150 levels, the rest in a number and noise."""
    rng = np.random.default_rng(3)
    x = np.stack([rng.integers(0, 150, 1200), rng.normal(size=1200)], 1).astype(np.float32)
    y = (
        share**0.5 * rng.normal(size=150)[x[:, 0].astype(int)]
        + x[:, 1] / 2
        + (1 - share) ** 0.5 * rng.normal(size=1200)
    )
    return Design((Block(("c", "x"), x, {"c": 150}),), y, np.ones(1200), np.ones(1200))


def fitted(rows: Design, **params: Any) -> Any:
    chosen, run = lightgbm.Params(n_estimators=20, **params), Run(np.random.default_rng(0))
    return lightgbm.fit(chosen, TASK, lightgbm.prepare(chosen, TASK, rows, None, run), run)


def test_lightgbm_smooths_as_much_as_the_rows_ask_for_unless_told() -> None:
    (weak,), (strong,) = (fitted(planted(share)).facts["cat_smooth"] for share in (0.01, 0.8))
    assert weak > 30 and strong == LOW
    assert fitted(planted(0.01), cat_smooth=10).facts["cat_smooth"] == (10,)
    assert fitted(planted(0.01)).model == fitted(planted(0.01), cat_smooth=weak).model
    assert fitted(planted(0.01)).model != fitted(planted(0.01), cat_smooth=10).model


def test_lightgbm_splits_off_categories_on_few_rows() -> None:
    """With the library's 100 rows of a category or more, five levels on 200 rows are a column that does not exist."""

    level = np.arange(200) % 5
    x = np.stack([level, np.random.default_rng(0).normal(size=200)], 1).astype(np.float32)
    rows = Design((Block(("c", "x"), x, {"c": 5}),), np.array([0.0, 9, -9, 4, -4])[level], np.ones(200), np.ones(200))
    errors = [np.std(fitted(rows, **p).predict(rows).mean[:, 0] - rows.y) for p in ({}, {"min_category": 100})]
    assert errors[0] < 0.7 * np.std(rows.y) < errors[1]
