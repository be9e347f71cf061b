"""Combinations of several sources against slow references and general solvers."""

import sys
from types import ModuleType

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize
from sklearn.linear_model import ElasticNet
from threadpoolctl import threadpool_info, threadpool_limits

from kit import registry
from kit.canon import stream
from kit.contracts import Context
from kit.errors import FitError
from kit.stackers import (
    bias,
    class_weights,
    elastic_net,
    geometric_mean,
    logistic,
    median,
    precision,
    rank_mean,
    softmax,
    weighted,
)
from kit.stackers._curves import Curves, joined, steps
from kit.stackers._gram import _libraries, one_thread
from kit.types import Pred, Task

REGRESSION = Task("regression")
BINARY = Task("binary", "logloss", classes=(0, 1), positive=1)
MULTI = Task("multiclass", "softmax", classes=("a", "b", "c"))
NAMES = ("a", "b", "c", "d", "e", "f")


def context(
    task: Task, n_sources: int, metric: str = "", std: np.ndarray | None = None, group: np.ndarray | None = None
) -> Context:
    name = metric or ("rmse" if task.kind == "regression" else "logloss")
    return Context(task, registry.metric(name), stream(0, "blend"), NAMES[:n_sources], std, group)


def test_blas_has_one_thread_for_as_long_as_asked_for(monkeypatch):
    """Also in a library that was loaded after the first look at those there are."""

    def threads() -> set[int]:
        return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}

    _libraries.cache_clear()
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        for _ in range(2):
            with one_thread():
                assert threads() == {1}
            assert threads() == before
        looks = _libraries.cache_info().misses
        monkeypatch.setitem(sys.modules, "a module that was imported", ModuleType("loaded"))
        with one_thread():
            assert (looks, _libraries.cache_info().misses) == (1, 2)


def problem(task: Task, n_sources: int, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z (S, n, m) of sources with shared errors, y (n,) and v (n,), a fifth of it 0."""
    rng = np.random.default_rng(seed)
    classes = max(2, len(task.classes))
    y = rng.gamma(2.0, size=n) * 5 if task.kind == "regression" else rng.integers(0, classes, n).astype(float)
    m = 3 if task.kind == "multiclass" else 1
    target = y[:, None] == np.arange(m) if m > 1 else y[:, None]
    noise = rng.normal(size=(1, n, m)) + rng.normal(size=(n_sources, n, m)) * rng.uniform(0.5, 2, (n_sources, 1, 1))
    v = rng.random(n) * (rng.random(n) < 0.8)
    if task.kind == "regression":
        return (target + noise).astype(np.float32), y, v
    if task.kind == "binary":
        return (1 / (1 + np.exp(-(2 * target - 1 + noise)))).astype(np.float32), y, v
    raw = np.exp(2 * target + noise)
    return (raw / raw.sum(axis=2, keepdims=True)).astype(np.float32), y, v


def average(values: np.ndarray, v: np.ndarray) -> float:
    return float(np.average(values, weights=v))


# -- nothing or little is learnt


def test_median_and_geometric_mean() -> None:
    z = problem(MULTI, 3)[0]
    ctx = context(MULTI, 3)
    middle = np.median(z, axis=0)
    got = median.fit(median.Params(), ctx, z, np.zeros(300), np.ones(300))(z, ctx).mean
    np.testing.assert_allclose(got, middle / middle.sum(axis=1, keepdims=True), rtol=1e-5)
    product = z.astype(float).prod(axis=0) ** (1 / 3)
    got = geometric_mean.fit(geometric_mean.Params(), ctx, z, np.zeros(300), np.ones(300))(z, ctx).mean
    np.testing.assert_allclose(got, product / product.sum(axis=1, keepdims=True), rtol=1e-4)
    p, one = problem(BINARY, 2)[0], context(BINARY, 2)
    yes, no = np.sqrt(p[0].astype(float) * p[1]), np.sqrt((1.0 - p[0]) * (1.0 - p[1]))
    got = geometric_mean.fit(geometric_mean.Params(), one, p, np.zeros(300), np.ones(300))(p, one).mean
    np.testing.assert_allclose(got, yes / (yes + no), rtol=1e-4)


def test_rank_mean_ranks_by_the_mean_rank() -> None:
    z, y, _ = problem(BINARY, 3)
    ctx = context(BINARY, 3, "auc")
    got = rank_mean.fit(rank_mean.Params(), ctx, z, y, np.ones(300))(z, ctx).mean[:, 0]
    ranks = np.argsort(np.argsort(z[:, :, 0], axis=1), axis=1).sum(axis=0)
    order = np.argsort(ranks, kind="stable")
    assert (np.diff(got[order]) >= 0).all()
    assert (np.diff(got[order])[np.diff(ranks[order]) > 0] > 0).mean() > 0.99
    monotone = np.concatenate([z[:1], z[1:2] ** 3, np.sqrt(z[2:])])
    same = rank_mean.fit(rank_mean.Params(), ctx, monotone, y, np.ones(300))(monotone, ctx).mean[:, 0]
    area = [ctx.metric.score(BINARY, y, Pred(p[:, None]), np.ones(300)) for p in (got, same)]
    assert area[0] == pytest.approx(area[1], abs=1e-9)


def test_rank_mean_takes_log_odds_among_probabilities_as_their_ranks() -> None:
    z, y, v = problem(BINARY, 3)
    ctx = context(BINARY, 3, "auc")
    odds = 3 * np.log(z / (1 - z))
    for mixed in (np.concatenate([z[:2], odds[2:]]), odds):
        areas = []
        for given in (z, mixed):
            made = rank_mean.fit(rank_mean.Params(), ctx, given, y, v)(given, ctx)
            assert 0 <= made.mean.min() < made.mean.max() <= 1
            areas.append(ctx.metric.score(BINARY, y, made, v))
        assert areas[0] == pytest.approx(areas[1], abs=2e-5)


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("n", [300, 5000])
def test_steps_of_a_distribution_are_those_of_a_plain_count(n: int, even: bool) -> None:
    rng = np.random.default_rng(n)
    values = np.concatenate([rng.normal(size=n // 2), rng.integers(0, 5, n - n // 2)]).astype(np.float32)
    v = (rng.random(n) < 0.8).astype(float) * (2.0 if even else rng.random(n) + 0.1)
    places, upto = steps(values, v)
    assert len(upto) == len(places) + 1 <= 1001 and upto[0] == 0 and upto[-1] == pytest.approx(1)
    middles = (places[1:] + places[:-1]) / 2
    below = [v[values <= m].sum() / v.sum() for m in middles]
    assert np.abs(upto[1:-1] - below).max() < (1e-9 if n == 300 else 1.5e-3)
    assert (places * np.diff(upto)).sum() == pytest.approx((values * v).sum() / v.sum(), rel=1e-6)


def test_the_mean_of_inverted_curves_bends_where_one_of_them_does() -> None:
    rng = np.random.default_rng(0)
    knots = [(np.sort(rng.normal(size=m)), np.sort(rng.random(m))) for m in (5, 40, 3)]
    curves = Curves(*joined(knots))
    at = rng.uniform(-0.2, 1.2, 400)
    expected = np.mean([np.interp(at, y, x) for x, y in knots], axis=0)
    assert np.allclose(np.interp(at, *curves.back([0, 1, 2])), expected, atol=1e-12)
    assert np.array_equal(curves.at(1, at), np.interp(at, *knots[1]))


def test_rank_mean_of_one_source_is_that_source() -> None:
    for task, metric in ((REGRESSION, "spearman"), (BINARY, "auc"), (MULTI, "auc")):
        z, y, v = problem(task, 1)
        ctx = context(task, 1, metric)
        made = rank_mean.fit(rank_mean.Params(), ctx, z, y, v)
        np.testing.assert_allclose(made(z, ctx).mean, z[0], rtol=2e-5, atol=2e-5)
        if task is REGRESSION:
            far = np.array([[[-40.0], [90.0]]], np.float32)
            assert np.ptp(made(far, ctx).mean) > 120, "values beyond those seen are not put together"


def test_weights_by_name_by_place_and_out_of_step() -> None:
    z, y, v = problem(REGRESSION, 3)
    ctx = context(REGRESSION, 3, std=np.stack([np.full(300, s) for s in (1.0, 2.0, 3.0)]).astype(np.float32))
    by_name = weighted.Params(weights={"c": 3, "a": 1})
    assert by_name.placed(("a", "b", "c")).weights == (1.0, 0.0, 3.0)
    got = weighted.fit(by_name.placed(("a", "b", "c")), ctx, z, y, v)
    assert got.weights.tolist() == weighted.fit(by_name, ctx, z, y, v).weights.tolist() == [0.25, 0.0, 0.75]
    np.testing.assert_allclose(got(z, ctx).mean, 0.25 * z[0] + 0.75 * z[2], rtol=1e-6)
    assert got(z, ctx).std == pytest.approx(np.full(300, np.sqrt(7.0)))
    raw = weighted.fit(weighted.Params(weights=(1.5, -0.25, 0), normalize=False), ctx, z, y, v)
    assert raw.weights.tolist() == [1.5, -0.25, 0.0] and raw(z, ctx).std is None
    with pytest.raises(ValueError, match="d is not among the sources: a, b"):
        weighted.Params(weights={"d": 1}).placed(("a", "b"))
    with pytest.raises(ValueError, match="2 weights for 3 sources"):
        weighted.Params(weights=(1, 2)).placed(("a", "b", "c"))
    with pytest.raises(ValidationError, match="sum to 0"):
        weighted.Params(weights=(1, -1))
    with pytest.raises(FitError, match="one weight per source"):
        weighted.fit(weighted.Params(weights=(1, 2)), ctx, z, y, v)


def test_given_weights_keep_probabilities() -> None:
    z, y, v = problem(MULTI, 2)
    ctx = context(MULTI, 2)
    made = weighted.fit(weighted.Params(weights=(4, -2), normalize=False), ctx, z, y, v)(z, ctx).mean
    assert (made >= 0).all() and (made == 0).any()
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-6)


# -- log odds and log probabilities


@pytest.mark.parametrize("l2", [0.5, 30.0])
def test_logistic_is_the_minimum(l2: float) -> None:
    z, y, v = problem(BINARY, 4)
    x = np.log(z[:, :, 0].astype(float)) - np.log1p(-z[:, :, 0].astype(float))
    n = v.sum() ** 2 / (v**2).sum()

    def value(w: np.ndarray) -> float:
        score = w[:4] @ x + w[4]
        return average(np.logaddexp(0, score) - y * score, v) + l2 / (2 * n) * ((w[:4] - 0.25) ** 2).sum()

    slow = minimize(value, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    ctx = context(BINARY, 4)
    got = logistic.fit(logistic.Params(l2=l2), ctx, z, y, v)
    assert [*got.weights, got.constant] == pytest.approx(slow.x, abs=1e-4)
    np.testing.assert_allclose(got(z, ctx).mean[:, 0], 1 / (1 + np.exp(-(slow.x[:4] @ x + slow.x[4]))), atol=1e-4)
    plain = logistic.fit(logistic.Params(l2=1e9, intercept=False), ctx, z, y, v)
    np.testing.assert_allclose(plain.weights, 0.25, atol=1e-5)
    assert plain.constant == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("constants", [True, False])
def test_softmax_is_the_minimum(constants: bool) -> None:
    z, y, v = problem(MULTI, 3)
    logs = np.log(z.astype(float))
    n = v.sum() ** 2 / (v**2).sum()

    def value(w: np.ndarray) -> float:
        scores = np.tensordot(w[:3], logs, 1) + (w[3:] if constants else 0)
        own = scores[np.arange(300), y.astype(int)]
        pull = ((w[:3] - 1 / 3) ** 2).sum() + (w[3:] ** 2).sum()
        return average(np.log(np.exp(scores).sum(axis=1)) - own, v) + 5 / (2 * n) * pull

    slow = minimize(value, np.zeros(6), method="BFGS", options={"gtol": 1e-9})
    got = softmax.fit(softmax.Params(l2=5.0, constants=constants), context(MULTI, 3), z, y, v)
    assert got.weights == pytest.approx(slow.x[:3], abs=1e-4)
    assert got.constants == pytest.approx(slow.x[3:], abs=1e-4)
    made = got(z, context(MULTI, 3)).mean
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-6)


def test_stacking_by_logs_mends_probabilities_that_are_too_sure() -> None:
    z, y, v = problem(BINARY, 1, 2000)
    sharp = z.astype(float) ** 4 / (z.astype(float) ** 4 + (1.0 - z) ** 4)
    ctx = context(BINARY, 1)
    got = logistic.fit(logistic.Params(), ctx, sharp.astype(np.float32), y, v)
    assert got.weights[0] == pytest.approx(0.25 * logistic.fit(logistic.Params(), ctx, z, y, v).weights[0], rel=0.05)


# -- squared error


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("alpha", [1e-4, 1e-2, 0.3])
def test_elastic_net_equals_scikit_learn(positive: bool, alpha: float) -> None:
    z, y, v = problem(REGRESSION, 5)
    z, y = (z + 1000).astype(np.float32), y + 1000
    x = z[:, :, 0].T.astype(float)
    cov = (v / v.sum()) @ ((x - np.average(x, axis=0, weights=v)) * (y - np.average(y, weights=v))[:, None])
    strength = alpha * np.abs(cov).max() / 0.4
    slow = ElasticNet(strength, l1_ratio=0.4, positive=positive, tol=1e-10, max_iter=100_000).fit(x, y, sample_weight=v)
    got = elastic_net.fit(
        elastic_net.Params(alpha=alpha, l1_ratio=0.4, positive=positive), context(REGRESSION, 5), z, y, v
    )
    assert got.weights == pytest.approx(slow.coef_, abs=1e-6)
    assert got.constant == pytest.approx(slow.intercept_, abs=1e-3)
    assert (got.weights == 0).any() == (slow.coef_ == 0).any()


@pytest.mark.parametrize("positive", [True, False])
def test_elastic_net_of_many_sources_that_are_alike_is_exact(positive: bool) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=1000)
    common, own = rng.normal(size=(3, 1000)), rng.normal(size=(40, 1000)) * rng.uniform(0.02, 0.2, (40, 1))
    z = np.concatenate([y + rng.normal(size=(39, 3)) @ common * 0.3 + own[:39], [np.ones(1000)]])
    z[1] = z[0]
    params = elastic_net.Params(alpha=1e-4, positive=positive)
    got = elastic_net.fit(params, context(REGRESSION, 40), z[:, :, None].astype(np.float32), y, np.ones(1000))
    x = z.astype(np.float32).astype(float)
    mean, aim = x.mean(axis=1), np.cov(x, y, bias=True)[:-1, -1]
    strength = 1e-4 * np.abs(aim).max() / 0.5
    pull = aim - np.cov(x, bias=True) @ got.weights - strength / 2 * got.weights
    used = got.weights != 0
    assert pull[used] == pytest.approx(strength / 2 * np.sign(got.weights[used]), abs=1e-9)
    assert (pull if positive else np.abs(pull))[~used].max() <= strength / 2 + 1e-9
    assert 3 < used.sum() < 40 and got.weights[-1] == 0
    assert got.constant == pytest.approx(y.mean() - got.weights @ mean)


def test_elastic_net_at_its_strongest_is_the_mean() -> None:
    z, y, v = problem(REGRESSION, 3)
    got = elastic_net.fit(elastic_net.Params(alpha=1, l1_ratio=1), context(REGRESSION, 3), z, y, v)
    assert not got.weights.any()
    assert got.constant == pytest.approx(average(y, v))


def test_class_weights_are_the_minimum_of_each_class() -> None:
    z, y, v = problem(MULTI, 4)
    got = class_weights.fit(class_weights.Params(l2=0.05), context(MULTI, 4), z, y, v)
    for k in range(3):
        x = z[:, :, k].astype(float)
        pull = 0.05 * np.mean([average(one**2, v) for one in x])

        def value(w: np.ndarray, x: np.ndarray = x, pull: float = pull, k: int = k) -> float:
            return average((w @ x - (y == k)) ** 2, v) + pull * ((w - 0.25) ** 2).sum()

        slow = minimize(
            value, np.full(4, 0.25), bounds=[(0, None)] * 4, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-10}
        )
        assert got.by_class[:, k] == pytest.approx(slow.x, abs=1e-4)
    assert got.weights.sum() == pytest.approx(1.0)


def test_class_weights_believe_a_source_where_it_is_good() -> None:
    _, y, v = problem(MULTI, 2, 2000)
    true = (y[:, None] == np.arange(3)).astype(float)
    noise = np.random.default_rng(5).dirichlet(np.ones(3), 2000)
    # The first source knows class a, the second tells b from c.
    first = np.stack(
        [true[:, 0], *((1 - true[:, :1]) * noise[:, 1:] / noise[:, 1:].sum(axis=1, keepdims=True)).T], axis=1
    )
    second = np.where(true[:, :1] == 1, noise, np.stack([noise[:, 0], *((1 - noise[:, :1]) * true[:, 1:]).T], axis=1))
    both = np.stack([first, second]).astype(np.float32)
    got = class_weights.fit(class_weights.Params(), context(MULTI, 2), both, y, v).by_class
    assert got[0, 0] > 3 * got[1, 0] and got[1, 1] > got[0, 1] and got[1, 2] > got[0, 2]


# -- std


def uneven(seed: int = 0, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z (2, n, 1) of which each is good on one half of the rows and says so, y (n,) and std (2, n)."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n) * 3
    std = np.where(np.arange(n) % 2 == np.array([[0], [1]]), 0.5, 2.0)
    return (y + std * rng.normal(size=(2, n)))[:, :, None].astype(np.float32), y, std.astype(np.float32)


def test_precision_equals_the_formula_row_by_row() -> None:
    z, y, std = uneven(n=200)
    z = np.concatenate([z, z[:1] + 0.3])
    std = np.concatenate([2 * std, np.full((1, 200), np.nan, np.float32)])
    v = np.random.default_rng(1).random(200)
    ctx = context(REGRESSION, 3, std=std)
    got = precision.fit(precision.Params(shrink=0.2), ctx, z, y, v)
    error = z[:, :, 0].astype(float) - y
    scale = [np.sqrt(average((e / s) ** 2, v)) for e, s in zip(error[:2], std[:2], strict=True)]
    own = np.sqrt(average(error[2] ** 2, v))
    true = np.stack([scale[0] * std[0], scale[1] * std[1], np.full(200, own)])
    units = error / true
    corr = np.array([[average(a * b, v) for b in units] for a in units])
    corr = 0.8 * corr + 0.2 * np.eye(3)
    mean, spread = np.empty(200), np.empty(200)
    for i in range(200):
        cov = corr * true[:, i] * true[:, i, None]
        w = np.maximum(np.linalg.solve(cov, np.ones(3)), 0)
        w /= w.sum()
        mean[i], spread[i] = w @ z[:, i, 0], np.sqrt(w @ cov @ w)
    made = got(z, ctx)
    np.testing.assert_allclose(made.mean[:, 0], mean, atol=1e-4)
    final = np.sqrt(average(((mean - y) / spread) ** 2, v))
    np.testing.assert_allclose(made.std, final * spread, rtol=1e-4)


def test_precision_beats_equal_weights_and_its_std_is_true() -> None:
    z, y, std = uneven()
    ctx = context(REGRESSION, 2, std=std)
    made = precision.fit(precision.Params(), ctx, z, y, np.ones(4000))(z, ctx)
    assert made.std is not None
    error = made.mean[:, 0] - y
    assert np.sqrt((error**2).mean()) < 0.5 * np.sqrt(((z.mean(axis=0)[:, 0] - y) ** 2).mean())
    assert np.sqrt(((error / made.std) ** 2).mean()) == pytest.approx(1.0, abs=1e-4)


def test_precision_without_any_std_weighs_by_the_errors() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=5000)
    z = (y + np.array([[1.0], [2.0]]) * rng.normal(size=(2, 5000)))[:, :, None].astype(np.float32)
    ctx = context(REGRESSION, 2)
    got = precision.fit(precision.Params(shrink=1), ctx, z, y, np.ones(5000))
    assert got.weights == pytest.approx([0.8, 0.2], abs=0.02)
    assert got(z, ctx).std == pytest.approx(np.full(5000, np.sqrt(0.8)), abs=0.03)


# -- groups


def test_bias_is_the_shrunk_mean_residual_of_each_group() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 6, 300) * 10
    y = rng.normal(size=300) + group / 20
    z = rng.normal(size=(1, 300, 1)).astype(np.float32)
    v = rng.integers(0, 3, 300).astype(float)
    ctx = context(REGRESSION, 1, std=np.ones((1, 300), np.float32), group=group)
    got = bias.fit(bias.Params(shrink=7), ctx, z, y, v)
    n = v.sum() ** 2 / (v**2).sum()
    for g, move in zip(got.groups, got.moves[:, 0], strict=True):
        own = group == g
        size = v[own].sum() * n / v.sum()
        assert move == pytest.approx(size / (size + 7) * average((y - z[0, :, 0])[own], v[own]))
    made = got(z, ctx)
    np.testing.assert_allclose(made.mean[:, 0], z[0, :, 0] + got.moves[group // 10, 0], atol=1e-5)
    assert made.std is not None
    unseen = context(REGRESSION, 1, group=np.full(300, 5))
    np.testing.assert_array_equal(got(z, unseen).mean, z[0])
    np.testing.assert_array_equal(got(z, context(REGRESSION, 1)).mean, z[0])


def test_bias_estimates_how_far_to_believe() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(200), 5)
    effect, noise = rng.normal(size=200)[group], rng.normal(size=1000)
    z = np.zeros((1, 1000, 1), np.float32)
    real = bias.fit(bias.Params(), context(REGRESSION, 1, group=group), z, effect + noise, np.ones(1000))
    mean = (effect + noise).reshape(200, 5).mean(axis=1)
    # Within variance 1, between 1: half of a mean would be believed at one row.
    assert (real.moves[:, 0] / mean).mean() == pytest.approx(5 / 6, abs=0.05)
    none = bias.fit(bias.Params(), context(REGRESSION, 1, group=group), z, noise, np.ones(1000))
    assert np.abs(none.moves).max() < 0.3 * np.abs(noise.reshape(200, 5).mean(axis=1)).max()


def test_bias_of_classes_keeps_probabilities() -> None:
    z, y, v = problem(MULTI, 1)
    group = (y + np.random.default_rng(0).integers(0, 2, 300)).astype(int)
    ctx = context(MULTI, 1, group=group)
    made = bias.fit(bias.Params(), ctx, z, y, v)(z, ctx).mean
    np.testing.assert_allclose(made.sum(axis=1), 1, atol=1e-6)
    before, after = (ctx.metric.score(MULTI, y, Pred(p), v) for p in (z[0], made))
    assert after < before
