"""Calibrations of one source against general solvers and scikit-learn."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from sklearn.isotonic import IsotonicRegression

from kit import registry
from kit.canon import stream
from kit.contracts import Context
from kit.stackers import beta, isotonic, platt, quantile_map, temperature
from kit.stackers._curves import KNOTS, steps
from kit.types import Task

REGRESSION = Task("regression")
BINARY = Task("binary", "logloss", classes=(0, 1), positive=1)
MULTI = Task("multiclass", "softmax", classes=("a", "b", "c"))
ONES = np.ones(400)


def context(task: Task, metric: str = "logloss", std: np.ndarray | None = None) -> Context:
    return Context(task, registry.metric(metric), stream(0, "blend"), ("s",), std)


def odds(
    seed: int, n: int = 400, slope: float = 2.0, constant: float = 0.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p (1, n, 1) that is too unsure and too low, y (n,) and v (n,), a fifth of it 0."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-slope * score - constant))).astype(float)
    return (1 / (1 + np.exp(-score)))[None, :, None].astype(np.float32), y, rng.random(n) * (rng.random(n) < 0.8)


def loss(p: np.ndarray, target: np.ndarray, v: np.ndarray) -> float:
    return float(-(v * (target * np.log(p) + (1 - target) * np.log1p(-p))).sum() / v.sum())


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("seed", range(3))
def test_platt_is_the_minimum_for_its_targets(seed: int) -> None:
    z, y, v = odds(seed)
    n = v.sum() ** 2 / (v**2).sum()
    good = n * (v * y).sum() / v.sum()
    target = np.where(y == 1, (good + 1) / (good + 2), 1 / (n - good + 2))
    p = z[0, :, 0].astype(float)
    x = np.log(p / (1 - p))
    slow = minimize(
        lambda w: loss(sigmoid(w[0] * x + w[1]), target, v),
        [1.0, 0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13},
    )
    got = platt.fit(platt.Params(), context(BINARY), z, y, v)
    assert [got.slope, got.constant] == pytest.approx(slow.x, abs=1e-5)
    assert got.slope > 1.3 and got.constant > 0.3
    np.testing.assert_allclose(got(z, context(BINARY)).mean[:, 0], sigmoid(slow.x[0] * x + slow.x[1]), atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_beta_is_the_minimum(seed: int) -> None:
    z, y, v = odds(seed)
    p = z[0, :, 0].astype(float)

    def value(w: np.ndarray) -> float:
        return loss(sigmoid(w[0] * np.log(p) - w[1] * np.log1p(-p) + w[2]), y, v)

    slow = minimize(
        value,
        [1.0, 1.0, 0.0],
        bounds=[(0, None), (0, None), (None, None)],
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9},
    )
    got = beta.fit(beta.Params(), context(BINARY), z, y, v)
    assert value(np.array([got.a, got.b, got.c])) <= slow.fun + 1e-9
    assert [got.a, got.b, got.c] == pytest.approx(slow.x, abs=2e-3)


def test_beta_keeps_both_slopes_at_least_zero() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.01, 0.99, 3000)
    # Only the upper end matters: the best free a is below 0.
    y = (rng.random(3000) < sigmoid(-0.6 * np.log(p) - 2.0 * np.log1p(-p) - 1.0)).astype(float)
    z = p[None, :, None].astype(np.float32)
    got = beta.fit(beta.Params(), context(BINARY), z, y, np.ones(3000))
    assert got.a == pytest.approx(0.0, abs=1e-9)
    assert got.b > 0.5

    def alone(w: np.ndarray) -> float:
        return loss(sigmoid(-w[0] * np.log1p(-p) + w[1]), y, np.ones(3000))

    slow = minimize(alone, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-13})
    assert [got.b, got.c] == pytest.approx(slow.x, abs=1e-4)
    backwards = beta.fit(beta.Params(), context(BINARY), z, (rng.random(3000) > p).astype(float), np.ones(3000))
    assert backwards.a == pytest.approx(0.0, abs=1e-9) and backwards.b == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("task", [BINARY, MULTI], ids=["binary", "multiclass"])
def test_temperature_is_the_minimum(task: Task) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(400, 3))
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    sharp = np.exp(2.5 * scores) / np.exp(2.5 * scores).sum(axis=1, keepdims=True)
    y = (rng.random((400, 1)) > np.cumsum(sharp, axis=1)).sum(axis=1).astype(float)
    v = rng.random(400)
    if task is BINARY:
        z, y, v = odds(0, constant=0.0)
        both = np.concatenate([1 - z[0], z[0]], axis=1).astype(float)
    else:
        z, both = p[None].astype(np.float32), p

    def value(beta_: float) -> float:
        raised = both**beta_
        return float(
            -(v * np.log((raised / raised.sum(axis=1, keepdims=True))[np.arange(400), y.astype(int)])).sum() / v.sum()
        )

    slow = minimize_scalar(value, bounds=(0.01, 10), method="bounded", options={"xatol": 1e-10})
    ctx = context(task)
    got = temperature.fit(temperature.Params(), ctx, z, y, v)
    assert got.sharp == pytest.approx(slow.x, abs=1e-4)
    assert got.sharp > 1.5
    assert (got(z, ctx).mean.argmax(axis=1) == z[0].argmax(axis=1)).all()


def test_a_source_that_ranks_backwards_is_not_turned_round() -> None:
    z, y, v = odds(0)
    assert temperature.fit(temperature.Params(), context(BINARY), z, 1 - y, v).sharp == temperature.LEAST


@pytest.mark.parametrize("seed", range(3))
def test_isotonic_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(1, 400, 1)).round(1).astype(np.float32)
    y, v = z[0, :, 0] ** 3 + rng.normal(size=400), rng.random(400) + 0.01
    ctx = context(REGRESSION, "rmse", np.ones((1, 400), np.float32))
    got = isotonic.fit(isotonic.Params(), ctx, z, y, v)
    slow = IsotonicRegression(out_of_bounds="clip").fit(z[0, :, 0].astype(float), y, sample_weight=v)
    other = rng.normal(size=(1, 200, 1)).astype(np.float32) * 2
    np.testing.assert_allclose(got(other, ctx).mean[:, 0], slow.predict(other[0, :, 0].astype(float)), atol=1e-5)
    assert got(z, ctx).std is None
    assert len(got.x) < 80


def test_isotonic_probabilities_are_never_certain() -> None:
    z = np.linspace(0, 1, 40)[None, :, None].astype(np.float32)
    got = isotonic.fit(isotonic.Params(), context(BINARY), z, (z[0, :, 0] > 0.5).astype(float), np.ones(40))
    made = got(z, context(BINARY)).mean
    assert made.min() == pytest.approx(0.5 / 41) and made.max() == pytest.approx(1 - 0.5 / 41)


def test_isotonic_classes_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    z = rng.dirichlet(np.ones(3), 300)[None].astype(np.float32)
    y = (rng.random((300, 1)) > np.cumsum(z[0], axis=1)).sum(axis=1).clip(0, 2).astype(float)
    made = isotonic.fit(isotonic.Params(), context(MULTI), z, y, np.ones(300))(z, context(MULTI)).mean
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-6)


def test_quantile_map_spreads_predictions_as_the_target_is() -> None:
    rng = np.random.default_rng(0)
    y = rng.gamma(2.0, size=400)
    z = (0.3 * y + 0.1)[None, :, None].astype(np.float32)
    ctx = context(REGRESSION, "rmse")
    got = quantile_map.fit(quantile_map.Params(), ctx, z, y, ONES)
    np.testing.assert_allclose(got(z, ctx).mean[:, 0], y, rtol=1e-6)
    half = quantile_map.fit(quantile_map.Params(strength=0.5), ctx, z, y, ONES)
    np.testing.assert_allclose(half(z, ctx).mean[:, 0], (y + z[0, :, 0]) / 2, rtol=1e-6)
    beyond = got(np.array([[[-5.0], [99.0]]], np.float32), ctx).mean[:, 0]
    assert beyond.tolist() == pytest.approx([y.min(), y.max()])


def test_quantile_map_of_ties_keeps_the_mean_and_weights_are_repetitions() -> None:
    rng = np.random.default_rng(1)
    y, times = rng.gamma(2.0, size=60), rng.integers(0, 4, 60)
    z = rng.integers(0, 5, (1, 60, 1)).astype(np.float32)
    ctx = context(REGRESSION, "rmse")
    got = quantile_map.fit(quantile_map.Params(), ctx, z, y, times.astype(float))
    long = quantile_map.fit(
        quantile_map.Params(), ctx, np.repeat(z, times, axis=1), np.repeat(y, times), np.ones(times.sum())
    )
    np.testing.assert_allclose(got(z, ctx).mean, long(z, ctx).mean, rtol=1e-6)
    assert np.average(got(z, ctx).mean[:, 0], weights=times) == pytest.approx(np.average(y, weights=times), rel=1e-6)


def test_many_values_are_kept_as_a_thousand_steps() -> None:
    rng = np.random.default_rng(0)
    values, v = rng.normal(size=20_000), rng.random(20_000)
    places, upto = steps(values, v)
    assert len(places) == KNOTS and (np.diff(places) > 0).all()
    assert upto[0] == 0 and upto[-1] == pytest.approx(1.0)
    assert np.abs(np.diff(upto) - 1 / KNOTS).max() < 2e-4
    assert (np.diff(upto) * places).sum() == pytest.approx(np.average(values, weights=v), abs=1e-12)
    few, _ = steps(np.array([2.0, 1.0, 2.0, 7.0]), np.array([1.0, 1.0, 1.0, 0.0]))
    assert few.tolist() == [1.0, 2.0]
