"""Thresholds against brute force; that they are blind to chance where rows are few; what each task gets."""

import itertools

import numpy as np
import pytest

from kit import registry
from kit.canon import stream
from kit.contracts import Context
from kit.errors import FitError
from kit.judging import Counts, Metric
from kit.stackers import thresholds
from kit.stackers._cuts import PLACES, absolute_cuts, kappa_cuts, loss_cuts, places
from kit.stackers._offsets import best_offsets, best_threshold
from kit.types import Pred, Task

REGRESSION = Task("regression")
BINARY = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
MULTI = Task("multiclass", "softmax", classes=("a", "b", "c"))
LABELS = ["accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_weighted", "mcc"]


def context(task: Task, metric: str) -> Context:
    return Context(task, registry.metric(metric), stream(0, "blend"), ("s",))


def fit(task: Task, metric: str, z: np.ndarray, y: np.ndarray, v: np.ndarray, prior: float = 0.0):
    return thresholds.fit(thresholds.Params(prior=prior), context(task, metric), z, y, v)


def score(task: Task, metric: str, z: np.ndarray, y: np.ndarray, v: np.ndarray, made) -> float:
    ctx = context(task, metric)
    return ctx.metric.score(task, y, made(z, ctx), v)


def ratings(seed: int, n: int = 14) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x (n,) with ties, y (n,) of four levels, one of them left out, and v (n,) of which some is 0."""
    rng = np.random.default_rng(seed)
    y = rng.choice([1.0, 2.0, 4.0, 5.0], n)
    return (y + rng.normal(size=n)).round(1), y, rng.random(n) * (rng.random(n) < 0.9)


def all_cuts(x: np.ndarray, n_levels: int):
    u = np.unique(x)
    middles = [-np.inf, *((u[1:] + u[:-1]) / 2), np.inf]
    return itertools.combinations_with_replacement(middles, n_levels - 1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("metric", ["qwk", "rmse", "mae"])
def test_cuts_are_the_best_there_are(metric: str, seed: int) -> None:
    x, y, v = ratings(seed)
    levels = np.unique(y[v > 0])
    z = x[None, :, None].astype(np.float32)
    found = registry.metric(metric)
    everything = [
        found.sign
        * found.score(REGRESSION, y, Pred(levels[np.searchsorted(cuts, z[0, :, 0], side="right")][:, None]), v)
        for cuts in all_cuts(z[0][v > 0, 0].astype(float), len(levels))
    ]
    got = found.sign * score(REGRESSION, metric, z, y, v, fit(REGRESSION, metric, z, y, v))
    assert got == pytest.approx(min(everything), abs=1e-9)


def test_cuts_of_many_places_are_close_to_exact() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(1, 6, 2 * PLACES).astype(float)
    x = y + rng.normal(size=len(y))
    v, levels = np.ones(len(y)), np.arange(1.0, 6)
    at = places(x, y, v)
    assert len(at.u) == PLACES and at.weight.sum() == pytest.approx(1.0)
    cuts = kappa_cuts(at, levels, y.mean(), (y**2).mean())
    other = kappa_cuts(places(x[::2], y[::2], v[::2]), levels, y[::2].mean(), (y[::2] ** 2).mean())
    assert (np.diff(cuts) > 0).all()
    np.testing.assert_allclose(cuts, other, atol=0.1)


def test_cuts_of_a_useless_source_are_still_cuts() -> None:
    y = np.random.default_rng(0).integers(1, 4, 50).astype(float)
    for x in (np.zeros(50), -y):
        at = places(x, y, np.ones(50))
        for cuts in (
            kappa_cuts(at, np.arange(1.0, 4), y.mean(), (y**2).mean()),
            loss_cuts(at, np.arange(1.0, 4)),
            absolute_cuts(x, y, np.ones(50), np.arange(1.0, 4)),
        ):
            assert len(cuts) == 2 and not np.isnan(cuts).any() and cuts[0] <= cuts[1]


def odds(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(float)
    p = np.clip(0.25 + 0.2 * y + 0.2 * rng.normal(size=n), 0.01, 0.99).round(2)
    return p[None, :, None].astype(np.float32), y, rng.random(n) * (rng.random(n) < 0.9)


@pytest.mark.parametrize("metric", LABELS)
@pytest.mark.parametrize("seed", range(4))
def test_a_threshold_is_the_best_there_is(metric: str, seed: int) -> None:
    z, y, v = odds(seed)
    found = registry.metric(metric)
    scores = [found.score(BINARY, y, Pred(z[0] >= t), v) for t in np.linspace(-0.005, 1.005, 102)]
    got = score(BINARY, metric, z, y, v, fit(BINARY, metric, z, y, v))
    assert got == pytest.approx(max(scores), abs=1e-9)
    assert got >= found.score(BINARY, y, Pred(z[0]), v) - 1e-12


def test_a_threshold_is_half_where_it_does_not_matter() -> None:
    p = np.array([0.1, 0.2, 0.49, 0.51, 0.8])
    y = np.array([0.0, 0, 0, 1, 1])
    gain = registry.metric("accuracy").tally
    assert gain is not None
    assert best_threshold(p, y, np.ones(5), gain) == pytest.approx(0.5)
    assert best_threshold(p, np.zeros(5), np.ones(5), gain) > 0.8


def probabilities(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.7, 0.2, 0.1]).astype(float)
    raw = np.exp(np.log([0.7, 0.2, 0.1]) + 1.2 * (y[:, None] == np.arange(3)) + 0.7 * rng.normal(size=(n, 3)))
    return (raw / raw.sum(axis=1, keepdims=True))[None].astype(np.float32), y, rng.random(n) + 0.1


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "mcc"])
@pytest.mark.parametrize("seed", range(3))
def test_offsets_are_as_good_as_a_fine_grid(metric: str, seed: int) -> None:
    z, y, v = probabilities(seed, 80)
    found = registry.metric(metric)
    grid = np.linspace(-3, 3, 61)
    logs = np.log(z[0].astype(float))
    labels = [(logs + np.array([0, a, b])).argmax(axis=1)[:, None] == np.arange(3) for a in grid for b in grid]
    best = max(found.score(MULTI, y, Pred(one), v) for one in labels)
    got = score(MULTI, metric, z, y, v, fit(MULTI, metric, z, y, v))
    assert got >= found.score(MULTI, y, Pred(z[0]), v) - 1e-12
    # The grid may find a corner that moving one class at a time cannot reach, and misses what is between its points.
    assert got > best - 0.02


@pytest.mark.parametrize("n", [5000, 40_000])
def test_offsets_of_many_values_try_some(n: int) -> None:
    z, y, v = probabilities(0, n)
    aim = (y[:, None] == np.arange(3)).astype(float)
    tally = registry.metric("balanced_accuracy").tally
    assert tally is not None
    offsets = best_offsets(np.log(z[0].astype(float)), aim, v, tally)
    assert offsets.sum() == pytest.approx(0, abs=1e-9)
    assert offsets[0] < offsets[1] < offsets[2], "the rarer a class, the more is added"


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", "mcc"])
def test_a_smooth_curve_decides_better_than_chance_where_rows_are_few(name: str) -> None:
    """On rows never seen, thresholds with the default prior beat those that follow what came, and beat one half."""
    gains, over_half = [], []
    far, true, even = odds(999, 20_000)
    far_score = {}
    for seed in range(30):
        z, y, _ = odds(seed, 150)
        for prior in (0.0, 2000.0):
            made = fit(BINARY, name, z, y, np.ones(150), prior)
            far_score[prior] = score(BINARY, name, far, true, even, made)
        gains.append(far_score[2000.0] - far_score[0.0])
        over_half.append(far_score[2000.0] - registry.metric(name).score(BINARY, true, Pred(far[0]), even))
    assert np.mean(gains) > 0
    assert np.mean(over_half) > 0


def test_a_far_prior_is_the_smooth_curve_alone() -> None:
    z, y, v = odds(0, 200)
    shuffled = np.random.default_rng(1).permutation(200)
    made = fit(BINARY, "f1", z, y, v, 1e12)
    again = fit(BINARY, "f1", z[:, shuffled], y[shuffled], v[shuffled], 1e12)
    assert made.threshold == pytest.approx(again.threshold, abs=1e-9)
    assert made.threshold != fit(BINARY, "f1", z, y, v, 0.0).threshold


def test_labels_are_what_the_task_takes() -> None:
    x, y, v = ratings(0, 40)
    z = x[None, :, None].astype(np.float32)
    ctx = context(REGRESSION, "qwk")
    assert set(fit(REGRESSION, "qwk", z, y, v)(z, ctx).mean[:, 0]) <= {1.0, 2.0, 4.0, 5.0}
    p, y, v = odds(0)
    for metric in ("f1", "qwk", "logloss", "auc"):
        assert set(fit(BINARY, metric, p, y, v)(p, context(BINARY, metric)).mean[:, 0]) <= {0.0, 1.0}
    p, y, v = probabilities(0, 90)
    for metric in ("f1_macro", "qwk", "logloss"):
        made = fit(MULTI, metric, p, y, v)(p, context(MULTI, metric)).mean
        assert made.shape == (90, 3) and set(made.ravel()) <= {0.0, 1.0} and (made.sum(axis=1) == 1).all()


def test_numbers_among_classes_are_cut_by_their_expected_value() -> None:
    task = Task("multiclass", "softmax", classes=(1, 2, 10))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300).astype(float)
    raw = np.exp(1.5 * (y[:, None] == np.arange(3)) + rng.normal(size=(300, 3)))
    z = (raw / raw.sum(axis=1, keepdims=True))[None].astype(np.float32)
    made = fit(task, "qwk", z, y, np.ones(300))
    assert made.values.tolist() == [1.0, 2.0, 10.0]
    assert score(task, "qwk", z, y, np.ones(300), made) >= registry.metric("qwk").score(
        task, y, Pred(z[0]), np.ones(300)
    )


def test_what_cannot_be_thresholded_is_told() -> None:
    z = np.zeros((1, 300, 1), np.float32)
    with pytest.raises(FitError, match="few values"):
        fit(REGRESSION, "qwk", z, np.arange(300.0), np.ones(300))
    own = Metric("own", "higher", "label", lambda task, y, pred, v: 0.0)
    ctx = Context(BINARY, own, stream(0, "blend"), ("s",))
    with pytest.raises(FitError, match="cannot be looked for under own"):
        thresholds.fit(thresholds.Params(), ctx, *odds(0))


def test_a_metric_to_be_made_small_is_made_small() -> None:
    def errors(counts: Counts) -> np.ndarray:
        return counts.true.sum() - counts.hit.sum(axis=-1)

    own = Metric("errors", "lower", "label", lambda task, y, pred, v: 0.0, tally=errors)
    z, y, v = odds(0)
    made = thresholds.fit(thresholds.Params(prior=0), Context(BINARY, own, stream(0, "b"), ("s",)), z, y, v)
    assert made.threshold == fit(BINARY, "accuracy", z, y, v).threshold
