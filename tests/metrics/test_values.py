"""Metrics of values and of distributions against scikit-learn, SciPy and closed forms, with random weights."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn import metrics as sk

from kit import registry
from kit.errors import DataError
from kit.metrics import crps, gini, log_cosh, mape, medae, nll, pinball, r2, rmspe, smape, spearman
from kit.metrics._ranks import correlation
from kit.types import Pred, Task

TASK = Task("regression")
BINARY = Task("binary", "logloss", classes=("no", "yes"), positive="yes")


def sample(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return y (n,) and p (n,) with ties, and weights (n,) of which a quarter is 0."""
    rng = np.random.default_rng(seed)
    y = rng.gamma(2.0, size=n).round(1) + 0.1
    p = (y * rng.uniform(0.5, 1.5, n)).round(1).astype(np.float32)
    return y, p, rng.integers(0, 4, n) * rng.random(n)


def score(name: str, y: np.ndarray, p: np.ndarray, v: np.ndarray) -> float:
    return registry.metric(name).score(TASK, y, Pred(p[:, None]), v)


REFERENCES = {
    "mape": lambda y, p, v: sk.mean_absolute_percentage_error(y, p, sample_weight=v),
    "smape": lambda y, p, v: 200 * np.average(np.abs(p - y) / (np.abs(p) + np.abs(y)), weights=v),
    "r2": lambda y, p, v: sk.r2_score(y, p, sample_weight=v),
    "rmspe": lambda y, p, v: np.sqrt(np.average(((p - y) / y) ** 2, weights=v)),
    "log_cosh": lambda y, p, v: np.average(np.log(np.cosh(p - y)), weights=v),
    "pinball": lambda y, p, v: sk.mean_pinball_loss(y, p, sample_weight=v, alpha=0.5),
    "pinball@0.9": lambda y, p, v: sk.mean_pinball_loss(y, p, sample_weight=v, alpha=0.9),
    "pearson": lambda y, p, v: np.cov(y, p, aweights=v)[0, 1]
    / np.sqrt(np.cov(y, p, aweights=v).diagonal().prod()),
    "f1_rounded": lambda y, p, v: sk.f1_score(*np.floor([y[v > 0] + 0.5, p[v > 0] + 0.5]), average="macro", sample_weight=v[v > 0]),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(REFERENCES))
@pytest.mark.parametrize("seed", range(5))
def test_score_equals_the_reference(name: str, seed: int) -> None:
    y, p, v = sample(seed)
    assert score(name, y, p, v) == pytest.approx(REFERENCES[name](y, p.astype(float), v), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["medae", "spearman", "gini"])
def test_whole_weights_are_repetitions_of_the_reference(name: str, seed: int) -> None:
    y, p, _ = sample(seed, 60)
    times = np.random.default_rng(seed).integers(0, 4, 60)
    long_y, long_p = np.repeat(y, times), np.repeat(p, times).astype(float)
    expected = {
        "medae": lambda: np.median(np.abs(long_p - long_y)),
        "spearman": lambda: stats.spearmanr(long_y, long_p).statistic,
        "gini": lambda: slow_gini(long_y, long_p) / slow_gini(long_y, long_y),
    }[name]()
    assert score(name, y, p, times.astype(float)) == pytest.approx(expected, rel=1e-9)


def slow_gini(y: np.ndarray, p: np.ndarray) -> float:
    """Return Kaggle's formula, its mean over all orders of a tie: the straight line between the tie's ends."""
    before, total = 0.0, 0.0
    for value in np.unique(p)[::-1]:
        tied = y[p == value]
        steps = before + tied.sum() * (np.arange(len(tied)) + 1) / len(tied)
        total, before = total + steps.sum(), before + tied.sum()
    return float((total / y.sum() - (len(y) + 1) / 2) / len(y))


def test_gini_of_a_binary_target_follows_from_auc() -> None:
    rng = np.random.default_rng(0)
    y, p, v = rng.integers(0, 2, 300).astype(float), rng.random((300, 1)).round(1), rng.random(300)
    area = registry.metric("auc").score(BINARY, y, Pred(p), v)
    assert gini.score(BINARY, y, Pred(p), v) == pytest.approx(2 * area - 1, rel=1e-12)


@pytest.mark.parametrize("y", [np.zeros(4), np.full(4, 3.0), np.array([-2.0, 1, 0, 0])])
def test_gini_needs_a_target_that_can_be_ranked(y: np.ndarray) -> None:
    with pytest.raises(DataError, match="varies"):
        gini.score(TASK, y, Pred(np.arange(4.0)[:, None]), np.ones(4))


@pytest.mark.parametrize("seed", range(3))
def test_distributions_against_scipy(seed: int) -> None:
    y, p, v = sample(seed, 12)
    std = np.random.default_rng(seed).uniform(0.2, 2, 12).astype(np.float32)
    pred = Pred(p[:, None], std)
    log = stats.norm(p.astype(float), std.astype(float)).logpdf(y)
    assert nll.score(TASK, y, pred, v) == pytest.approx(-np.average(log, weights=v), rel=1e-9)

    def square(x: float, i: int) -> float:
        return float((stats.norm.cdf(x, float(p[i]), float(std[i])) - (x >= y[i])) ** 2)

    each = [
        sum(integrate.quad(square, *ends, args=(i,), limit=200)[0] for ends in ((-40, y[i]), (y[i], 40)))
        for i in range(12)
    ]
    assert crps.score(TASK, y, pred, v) == pytest.approx(np.average(each, weights=v), rel=1e-5)


@pytest.mark.parametrize("module", [nll, crps])
def test_a_prediction_without_std_is_told(module) -> None:
    with pytest.raises(DataError, match="with std") as caught:
        module.score(TASK, np.zeros(2), Pred(np.zeros((2, 1))), np.ones(2))
    assert "hetero_mlp" in str(caught.value)
    half = Pred(np.zeros((2, 1)), np.array([1.0, np.nan]))
    with pytest.raises(DataError, match="with std"):
        module.score(TASK, np.zeros(2), half, np.ones(2))
    assert np.isfinite(module.score(TASK, np.ones(2), Pred(np.ones((2, 1)), np.zeros(2)), np.ones(2)))


def test_zero_targets_have_no_percentage() -> None:
    y, p = np.array([0.0, 2.0]), Pred(np.array([[5.0], [3.0]]))
    assert mape.score(TASK, y, p, np.ones(2)) == rmspe.score(TASK, y, p, np.ones(2)) == 0.5
    for module in (mape, rmspe):
        with pytest.raises(DataError, match="other than 0"):
            module.score(TASK, y, p, np.array([1.0, 0.0]))
    assert smape.score(TASK, np.zeros(1), Pred(np.zeros((1, 1))), np.ones(1)) == 0.0


def test_medae_averages_the_two_in_the_middle() -> None:
    p = Pred(np.array([[1.0], [2.0], [4.0], [9.0]]))
    assert medae.score(TASK, np.zeros(4), p, np.ones(4)) == 3.0
    assert medae.score(TASK, np.zeros(4), p, np.array([1.0, 0, 0, 1])) == 5.0
    assert medae.score(TASK, np.zeros(4), p, np.array([1.0, 1, 3, 0])) == 4.0
    assert medae.score(TASK, np.zeros(4), p, np.full(4, 0.1)) == 3.0


def test_r2_and_correlations_of_constants() -> None:
    ones = np.ones(3)
    assert r2.score(TASK, ones, Pred(np.ones((3, 1))), ones) == 1.0
    assert r2.score(TASK, ones, Pred(np.zeros((3, 1))), ones) == 0.0
    assert spearman.score(TASK, np.arange(3.0), Pred(np.full((3, 1), 0.1)), np.array([0.3, 0.1, 0.7])) == 0.0
    assert correlation(np.full(3, 0.1), np.arange(3.0), np.array([0.3, 0.1, 0.7])) == 0.0
    far = 1e6 + np.array([0.0, 0.1, 0.2])
    assert correlation(far, np.arange(3.0), ones) == pytest.approx(1.0, rel=1e-6)


def test_log_cosh_does_not_overflow() -> None:
    assert log_cosh.score(TASK, np.zeros(1), Pred(np.full((1, 1), 5000.0)), np.ones(1)) == 5000 - np.log(2)


def test_pinball_is_least_at_its_quantile() -> None:
    y = np.random.default_rng(0).gamma(2.0, size=999)
    grid = np.linspace(0, 8, 801)
    losses = [pinball.score_at(TASK, y, Pred(np.full((999, 1), g)), np.ones(999), 0.8) for g in grid]
    assert grid[int(np.argmin(losses))] == pytest.approx(np.quantile(y, 0.8), abs=0.02)
