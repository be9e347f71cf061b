"""What a blend is expected to score on test: between nested and plain, with an interval that holds as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from kit.difficulty import signs
from kit.estimate import estimate, towards_plain
from kit.oof import Oof
from kit.paired import Truth
from kit.panel import Panel
from kit.stackers._gram import Weighted
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
    assert found.expected == pytest.approx(found.score - towards_plain(5) * (found.score - found.plain), rel=1e-6)
    same = estimate(truth, nested.astype(np.float32), nested.astype(np.float32), one.astype(np.float32))
    assert same.expected == pytest.approx(same.score) and same.high - same.low > found.high - found.low
    assert estimate(truth, nested.astype(np.float32), plain.astype(np.float32), one[:, :0]).expected is None


@pytest.mark.parametrize(("n", "t"), [(400, 100), pytest.param(150, 1000, marks=pytest.mark.slow)])
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


def test_the_interval_ends_where_the_metric_does() -> None:
    """Few of a class: twice the error of an average precision near 0 is more than the way to 0."""
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 80 == 0).astype(float)
    pred = rng.uniform(size=(400, 1)).astype(np.float32)
    truth = Truth(Task("binary", classes=(0, 1), positive=1), "average_precision", y, np.ones(400))
    found = estimate(truth, pred, pred, rng.uniform(size=(1, 20, 1)).astype(np.float32))
    assert found.low == 0 < found.expected < found.high <= 1


class World:
    """n training and t test rows whose errors grow with x, two sources, fold models that agree; x of test times `far`.

    What both blends predict is known exactly, so that nested and plain scores are one.
    """

    def __init__(self, seed: int, far: float = 1.0, n: int = 600, t: int = 400) -> None:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=n + t) * np.where(np.arange(n + t) < n, 1.0, far)
        y = x + (0.2 + np.abs(x)) * rng.normal(size=n + t)
        z = [(x + s * np.abs(x)).astype(np.float32)[:, None] for s in (0.3, -0.3)]
        fold, layers = (np.arange(n) % 2).astype(np.int16)[None], [np.stack([one[n:]] * 2) for one in z]
        oofs = [Oof(fold, y[:n], one[None, :n], test) for one, test in zip(z, layers, strict=True)]
        self.panel, self.full = Panel(NUMBER, oofs, np.ones(n), None), Weighted(np.array([0.5, 0.5]))
        self.truth, self.pred = Truth(NUMBER, "rmse", y[:n], np.ones(n)), (z[0] + z[1])[:n] / 2
        self.layers = (layers[0] + layers[1]) / 2
        self.real = float(np.sqrt(np.mean((y[n:] - self.layers[0, :, 0]) ** 2)))
        self.known = signs(self.panel, self.full, self.pred, self.layers, "rmse")

    def both(self):
        """Return the estimate without and with what the rows themselves tell."""
        told = (self.truth, self.pred, self.pred, self.layers)
        return estimate(*told), estimate(*told, self.known)


def test_rows_that_look_harder_move_the_expected_score() -> None:
    found = [(world.real, *world.both()) for world in (World(seed, far=1.3) for seed in range(40))]
    assert np.mean([b.low <= real <= b.high for real, _, b in found]) > 0.65
    assert np.mean([a.low <= real <= a.high for real, a, _ in found]) < 0.35
    assert all(b.rows > 0 and a.rows is None for _, a, b in found)


@pytest.mark.slow
def test_what_the_rows_tell_makes_the_interval_narrower_and_it_still_holds() -> None:
    found = [(world.real, *world.both()) for world in map(World, range(150))]
    ratio = np.mean([(b.high - b.low) / (a.high - a.low) for _, a, b in found])
    assert 0.7 < ratio < 0.97
    assert 0.83 < np.mean([b.low <= real <= b.high for real, _, b in found]) < 0.97
    error = [
        np.sqrt(np.mean([(real - e.expected) ** 2 for real, *both in found for e in both[i : i + 1]])) for i in (0, 1)
    ]
    assert error[1] < error[0]


def test_averages_of_fold_models_tell_nothing_of_rows() -> None:
    world = World(0)
    assert world.known is not None
    assert world.known.there.shape == (3,)
    assert signs(world.panel, world.full, world.pred, world.layers[:1], "rmse") is None
    assert signs(world.panel, world.full, world.pred, world.layers[:, :0], "rmse") is None
    assert estimate(world.truth, world.pred, world.pred, world.layers[:1]).rows is None
