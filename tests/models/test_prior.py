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


def test_strength_is_the_geometric_mean_of_bounded_columns_of_many_levels() -> None:
    n = 2 * 40
    pairs, few, alone = np.arange(n) // 2, np.arange(n) % (prior.LEVELS - 1), np.arange(n)
    apart = np.arange(n) % 40  # both of its rows have one sign below
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    x = np.stack([pairs, few, alone, apart], 1).astype(np.float32)
    every, w = {0: 40, 1: prior.LEVELS - 1, 2: n, 3: 40}, np.full(n, 7.0)
    assert prior.strength(x, {0: 40}, y, w) == pytest.approx(HIGH)
    assert prior.strength(x, {3: 40}, y, w) == pytest.approx(LOW)
    assert (
        prior.strength(x, {1: every[1]}, y, w) is prior.strength(x, {2: n}, y, w) is prior.strength(x, {}, y, w) is None
    )
    assert prior.strength(x, every, y, w) == round((LOW * HIGH) ** 0.5, 1)
    missing = np.where(pairs < 11, np.nan, pairs).astype(np.float32)[:, None]
    assert prior.strength(missing, {0: 40}, y, w) is None  # 29 levels are left


def test_strength_finds_the_planted_ratio() -> None:
    rng = np.random.default_rng(1)
    level = rng.permutation(np.arange(30_000) % 1000)
    y = rng.normal(0, 1, 1000)[level] + rng.normal(0, 10, 30_000)
    found = prior.strength(level.astype(np.float32)[:, None], {0: 1000}, y, np.full(30_000, 0.5))
    assert found == pytest.approx(100 * 100 / (100 + 30), rel=0.1)


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
