"""What a blend is expected to score on test: between nested and plain, with an interval that holds as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from kit.estimate import TOWARDS_PLAIN, estimate
from kit.paired import Truth
from kit.types import Task

NUMBER = Task("regression")


def test_it_lies_between_the_nested_and_the_plain_score() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    nested, plain = (y[:, None] + s * rng.normal(size=(500, 1)) for s in (1.0, 0.8))
    truth = Truth(NUMBER, "rmse", y, np.ones(500))
    one = rng.normal(size=(1, 300, 1))
    found = estimate(truth, nested.astype(np.float32), plain.astype(np.float32), one.astype(np.float32))
    assert found.score == pytest.approx(np.sqrt(np.mean((nested[:, 0] - y) ** 2)), rel=1e-5)
    assert found.plain == pytest.approx(np.sqrt(np.mean((plain[:, 0] - y) ** 2)), rel=1e-5)
    assert found.expected == pytest.approx(found.score - TOWARDS_PLAIN * (found.score - found.plain), rel=1e-6)
    same = estimate(truth, nested.astype(np.float32), nested.astype(np.float32), one.astype(np.float32))
    assert same.expected == pytest.approx(same.score) and same.high - same.low > found.high - found.low
    assert estimate(truth, nested.astype(np.float32), plain.astype(np.float32), one[:, :0]).expected is None


@pytest.mark.parametrize(("n", "t"), [(400, 100), (150, 1000)])
def test_the_interval_holds_nine_times_in_ten(n: int, t: int) -> None:
    """A fixed predictor: its score on the test rows lies in the interval as often as it should."""
    held = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x, e = rng.normal(size=n + t), rng.normal(size=n + t)
        pred = (0.8 * x).astype(np.float32)[:, None]
        y = x + e
        found = estimate(Truth(NUMBER, "rmse", y[:n], np.ones(n)), pred[:n], pred[:n], pred[None, n:])
        real = np.sqrt(np.mean((y[n:] - pred[n:, 0]) ** 2))
        held.append(found.low <= real <= found.high)
    assert 0.83 < np.mean(held) < 0.97
