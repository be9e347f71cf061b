"""Stackers against slow references; what each promises on the rows it is fitted on."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize

from kit import registry
from kit.canon import stream
from kit.contracts import Context
from kit.errors import FitError
from kit.stackers import _sums, best, clip, hill_climb, logistic, mean, nnls, ridge, shrunk, softmax
from kit.stackers import round as rounding
from kit.stackers._averaged import STRENGTHS, averaged, ridges
from kit.stackers._gram import TAKEN_OFF, Weighted, truth
from kit.stackers._handed import residual_gram
from kit.stackers._judge import auc
from kit.stackers._simplex import simplex, unit_ridge
from kit.stackers._sums import Scored, gather
from kit.types import Pred, Task

REGRESSION = Task("regression")
BINARY = Task("binary", "logloss", classes=(0, 1), positive=1)
MULTI = Task("multiclass", "softmax", classes=("a", "b", "c"))
WEIGHTED = [mean, best, nnls, hill_climb, ridge, shrunk]


def context(task: Task, metric: str, n_sources: int, std: np.ndarray | None = None) -> Context:
    return Context(task, registry.metric(metric), stream(0, "blend"), tuple(f"s{i}" for i in range(n_sources)), std)


def problem(task: Task, n_sources: int, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z (S, n, m) of sources with shared errors, y (n,) and v (n,)."""
    rng = np.random.default_rng(seed)
    classes = max(2, len(task.classes))
    y = rng.gamma(2.0, size=n) * 5 if task.kind == "regression" else rng.integers(0, classes, n).astype(float)
    target = truth(task, y)
    noise = rng.normal(size=(1, n, target.shape[1])) + rng.normal(size=(n_sources, n, target.shape[1])) * (
        rng.uniform(0.5, 2.0, (n_sources, 1, 1))
    )
    if task.kind == "regression":
        z = target + noise
    elif task.kind == "binary":
        z = 1 / (1 + np.exp(-(2 * target - 1 + noise)))
    else:
        z = np.exp(2 * target + noise)
        z /= z.sum(axis=2, keepdims=True)
    return z.astype(np.float32), y, rng.random(n) + 0.2


def loss(ctx: Context, y: np.ndarray, pred: Pred, v: np.ndarray) -> float:
    return ctx.metric.sign * ctx.metric.score(ctx.task, y, pred, v)


def plain_climb(ctx: Context, z: np.ndarray, y: np.ndarray, v: np.ndarray, steps: int) -> np.ndarray:
    """Return the weights of the textbook climber: every source is tried at every step."""
    picks, best, lowest = [], [], np.inf
    for _ in range(steps):
        scores = [loss(ctx, y, Pred(z[[*picks, s]].mean(axis=0, dtype=float)), v) for s in range(len(z))]
        picks.append(int(np.argmin(scores)))
        if min(scores) < lowest - 1e-12:
            lowest, best = min(scores), list(picks)
    return np.bincount(best, minlength=len(z)) / len(best)


@pytest.mark.parametrize(
    ("task", "metric", "steps"),
    [
        (REGRESSION, "mae", 20),
        (REGRESSION, "qwk", 8),
        (BINARY, "logloss", 20),
        (BINARY, "auc", 12),
        (BINARY, "accuracy", 8),
        (MULTI, "logloss", 12),
        (MULTI, "qwk", 8),
    ],
)
def test_hill_climb_equals_the_plain_climber(task: Task, metric: str, steps: int) -> None:
    z, y, v = problem(task, 7)
    y = np.rint(y) if metric == "qwk" else y
    ctx = context(task, metric, 7)
    got = hill_climb.fit(hill_climb.Params(steps=steps), ctx, z, y, v)
    assert np.allclose(got.weights, plain_climb(ctx, z, y, v, steps), atol=1e-12)
    assert (got.weights > 0).sum() > 1


@pytest.mark.parametrize("metric", ["rmse", "rmsle"])
def test_hill_climb_by_gram_equals_the_plain_climber(metric: str) -> None:
    z, y, v = problem(REGRESSION, 12)
    ctx = context(REGRESSION, metric, 12)
    got = hill_climb.fit(hill_climb.Params(steps=40), ctx, z, y, v)
    if metric == "rmsle":
        raised, target = np.log1p(np.maximum(z.astype(float), 0)), np.log1p(y)
        expected = plain_climb(context(REGRESSION, "rmse", 12), raised, target, v, 40)
        assert np.allclose(got(z, ctx).mean, np.expm1(np.tensordot(expected, raised, 1)), rtol=1e-6)
    else:
        expected = plain_climb(ctx, z.astype(float), y, v, 40)
    assert np.allclose(got.weights, expected, atol=1e-12)


@pytest.mark.parametrize("bags", [1, 3])
@pytest.mark.parametrize(
    ("task", "metric"), [(BINARY, "logloss"), (MULTI, "logloss"), (REGRESSION, "mae"), (BINARY, "auc")]
)
def test_hill_climb_with_a_shortlist_is_close_and_beats_the_best_source(task: Task, metric: str, bags: int) -> None:
    z, y, v = problem(task, 24, 200)
    ctx = context(task, metric, 24)
    got = loss(ctx, y, hill_climb.fit(hill_climb.Params(steps=15, bags=bags), ctx, z, y, v)(z, ctx), v)
    single = min(loss(ctx, y, Pred(one), v) for one in z)
    full = loss(ctx, y, Pred(np.tensordot(plain_climb(ctx, z, y, v, 15), z, 1)), v)
    assert got < single
    # A bag is kept from half of the sources, so nothing is said of how near it comes.
    assert bags > 1 or got - full < 0.25 * (single - full)


@pytest.mark.parametrize("task", [REGRESSION, BINARY])
@pytest.mark.parametrize("metric", ["auto", "by rows"])
def test_start_swaps_and_negative_weights_do_what_they_say(task: Task, metric: str) -> None:
    """Each more freedom: from the same rows the loss may only fall; weights below zero come with `negative` alone."""
    z, y, v = problem(task, 12)
    ctx = context(task, {REGRESSION: ("rmse", "mae"), BINARY: ("logloss", "auc")}[task][metric == "by rows"], 12)

    def run(**given) -> tuple[float, np.ndarray]:
        made = hill_climb.fit(hill_climb.Params(steps=30, **given), ctx, z, y, v)
        return loss(ctx, y, made(z, ctx), v), made.weights

    plain, weights = run()
    swapped, kept = run(swaps=True)
    freer, signed = run(negative=True)
    began, several = run(start=5)
    slack = 1e-6 if metric == "auto" else 1e-3  # a greedy path that may do more is not always the better one
    assert swapped <= plain + slack and (kept >= 0).all() and weights.min() >= 0
    assert freer <= plain + slack and signed.sum() == pytest.approx(1)
    assert metric == "by rows" or (signed.min() < 0 and freer < swapped)
    singles = sorted(range(12), key=lambda s: loss(ctx, y, Pred(z[s]), v))[:5]
    averages = [loss(ctx, y, Pred(z[singles[:k]].mean(axis=0)), v) for k in range(1, 6)]
    assert began <= min(averages) + 1e-5 and several.min() >= 0
    once = hill_climb.fit(hill_climb.Params(steps=1, start=5), ctx, z, y, v).weights
    assert (once > 0).sum() in (int(np.argmin(averages)) + 1, int(np.argmin(averages)) + 2)


def test_fast_auc_is_auc() -> None:
    rng = np.random.default_rng(2)
    for raw in (rng.normal(size=500), np.round(rng.random(500), 1), np.repeat([-0.0, 0.0], 250), rng.random(500) - 0.5):
        y = (rng.random(500) < 0.3).astype(float)
        p = raw.astype(np.float32)
        expected = registry.metric("auc").score(BINARY, y, Pred(p[:, None]), np.ones(500))
        assert auc(p, y.astype(np.uint64)) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("task", "metric"), [(REGRESSION, "qwk"), (BINARY, "f1"), (MULTI, "f1_macro")])
def test_labels_may_be_climbed_by_the_score_they_are_cut_from(task: Task, metric: str) -> None:
    z, y, v = problem(task, 6, 600)
    y = np.rint(y) if task is REGRESSION else y
    of_labels, of_scores = context(task, metric, 6), context(task, "rmse" if task is REGRESSION else "logloss", 6)
    by = hill_climb.Params(by="score")
    got, expected = (hill_climb.fit(by, ctx, z, y, v).weights for ctx in (of_labels, of_scores))
    assert np.array_equal(got, expected)
    assert not np.array_equal(got, hill_climb.fit(hill_climb.Params(), of_labels, z, y, v).weights)
    default = [shrunk.fit(shrunk.Params(), ctx, z, y, v)(z, ctx).mean for ctx in (of_labels, of_scores)]
    assert np.allclose(*default, rtol=1e-6)
    said = (z == z.max(axis=2, keepdims=True) if task is MULTI else np.round(z)).astype(np.float32)
    assert np.isfinite(hill_climb.fit(by, of_labels, said, y, v).weights).all(), "labels themselves can be blended"


def test_hill_climb_prefers_used_sources_in_a_tie() -> None:
    z, y, v = problem(REGRESSION, 3)
    ctx = context(REGRESSION, "rmse", 6)
    twice = hill_climb.fit(hill_climb.Params(), ctx, np.concatenate([z, z]), y, v).weights
    once = hill_climb.fit(hill_climb.Params(), ctx, z, y, v).weights
    assert np.allclose(twice, np.concatenate([once, np.zeros(3)]), atol=1e-12)


def test_hill_climb_keeps_one_source_that_nothing_improves() -> None:
    z, y, v = problem(BINARY, 3)
    worse = np.concatenate([z[:1], 1 - z[:1], np.full_like(z[:1], 1e-3)])
    got = hill_climb.fit(hill_climb.Params(), context(BINARY, "accuracy", 3), worse, y, v)
    assert got.weights[0] > 0.5
    perfect = np.concatenate([z, truth(BINARY, y)[None].astype(np.float32)])
    assert hill_climb.fit(hill_climb.Params(), context(BINARY, "logloss", 4), perfect, y, v).weights[3] == 1.0


@pytest.mark.parametrize("task", [REGRESSION, BINARY, MULTI])
def test_nnls_equals_a_general_solver(task: Task) -> None:
    z, y, v = problem(task, 6)
    w = nnls.fit(nnls.Params(), context(task, "rmse", 6), z, y, v).weights
    gram = residual_gram(task, z, y, v)[:6, :6]
    flat, target = (z.astype(float).reshape(6, -1), truth(task, y).ravel())
    each = np.repeat(v / v.sum(), z.shape[2])
    assert w @ gram @ w == pytest.approx((each * (w @ flat - target) ** 2).sum(), rel=1e-9)
    slow = minimize(
        lambda w: w @ gram @ w,
        np.full(6, 1 / 6),
        jac=lambda w: 2 * gram @ w,
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert w.sum() == pytest.approx(1, abs=1e-12)
    assert (w >= 0).all()
    assert w @ gram @ w <= slow.fun * (1 + 1e-9)
    # Conditions of Karush, Kuhn and Tucker: one slope for all that is used, no smaller one elsewhere.
    slope = gram @ w
    assert np.allclose(slope[w > 0], w @ gram @ w, rtol=1e-6)
    assert (slope[w == 0] >= w @ gram @ w * (1 - 1e-6)).all()


def test_nnls_without_the_sum_equals_scipy_on_all_rows() -> None:
    from scipy.optimize import nnls as slow

    z, y, v = problem(REGRESSION, 6)
    z *= 1.2
    got = nnls.fit(nnls.Params(sum_to_one=False), context(REGRESSION, "rmse", 6), z, y, v).weights
    expected, _ = slow((z[:, :, 0].astype(float) * np.sqrt(v)).T, y * np.sqrt(v))
    assert np.allclose(got, expected, atol=1e-6)
    assert got.sum() < 0.95
    with pytest.raises(FitError, match="sum to one"):
        nnls.fit(nnls.Params(sum_to_one=False), context(BINARY, "logloss", 6), *problem(BINARY, 6))


def test_nnls_with_many_collinear_sources() -> None:
    z, y, v = problem(REGRESSION, 10, 400)
    mixtures = np.random.default_rng(1).dirichlet(np.ones(10), 330)
    many = np.concatenate([z, z, np.tensordot(mixtures, z, 1)]).astype(np.float32)
    few, ctx = context(REGRESSION, "rmse", 10), context(REGRESSION, "rmse", 350)
    w = nnls.fit(nnls.Params(), ctx, many, y, v)
    best = loss(few, y, nnls.fit(nnls.Params(), few, z, y, v)(z, few), v)
    assert loss(ctx, y, w(many, ctx), v) == pytest.approx(best, rel=1e-6)
    assert np.allclose(nnls.fit(nnls.Params(), ctx, np.repeat(z[:1], 4, axis=0), y, v).weights, 0.25)


def test_ridge_equals_the_bordered_system() -> None:
    z, y, v = problem(REGRESSION, 5)
    gram = residual_gram(REGRESSION, z, y, v)[:5, :5]
    penalty = 0.03 * np.trace(gram) / 5
    system = np.block([[gram + penalty * np.eye(5), np.ones((5, 1))], [np.ones((1, 5)), np.zeros((1, 1))]])
    expected = np.linalg.solve(system, np.append(np.full(5, penalty / 5), 1.0))[:5]
    got = ridge.fit(ridge.Params(l2=0.03), context(REGRESSION, "rmse", 5), z, y, v).weights
    assert np.allclose(got, expected, atol=1e-12)
    aimed = ridge.fit(ridge.Params(l2=1e6, prior=[1, 2, 3, 2, 2]), context(REGRESSION, "rmse", 5), z, y, v).weights
    assert np.allclose(aimed, [0.1, 0.2, 0.3, 0.2, 0.2], atol=1e-5)
    best_of = ridge.fit(ridge.Params(l2=1e6, prior="best"), context(REGRESSION, "rmse", 5), z, y, v).weights
    assert np.argmax(best_of) == np.argmin(np.diag(gram)) and best_of.max() == pytest.approx(1, abs=1e-5)
    distrusted = ridge.Params(l2=0.03, prior=[1, 1, 1, 1, 0], trust=[1, 1, 1, 1, 1e-9])
    assert abs(ridge.fit(distrusted, context(REGRESSION, "rmse", 5), z, y, v).weights[4]) < 1e-6
    with pytest.raises(FitError, match="trust must have one number per source"):
        ridge.fit(ridge.Params(trust=[1.0]), context(REGRESSION, "rmse", 5), z, y, v)
    pulled = ridge.fit(ridge.Params(l2=1e6), context(REGRESSION, "rmse", 5), z, y, v).weights
    assert np.allclose(pulled, 0.2, atol=1e-5)


def test_ridge_keeps_probabilities() -> None:
    z = problem(MULTI, 4)[0]
    over = np.stack([z[0], 0.5 * z[0] + 0.5 / 3])
    ctx = context(MULTI, "logloss", 2)
    got = Weighted(np.array([2.0, -1.0]))(over, ctx).mean
    assert (got >= 0).all()
    assert (got == 0).any()
    assert np.allclose(got.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("module", [nnls, hill_climb, ridge, shrunk])
@pytest.mark.parametrize(
    ("task", "metric"), [(REGRESSION, "rmse"), (REGRESSION, "mae"), (BINARY, "auc"), (MULTI, "logloss")]
)
def test_a_perfect_source_is_recovered(module, task: Task, metric: str) -> None:
    z, y, v = problem(task, 5)
    z = np.concatenate([z, truth(task, y)[None].astype(np.float32)])
    ctx = context(task, metric, 6)
    made = module.fit(module.Params(), ctx, z, y, v)
    if module is shrunk and metric == "logloss":  # a half of it is drawn to equal weights of the logarithms
        assert made.plain.weights[5] > 1 - 1e-6 and made.logs.weights[5] == made.logs.weights.max()
        assert (made(z, ctx).mean[np.arange(len(y)), y.astype(int)] > 0.97).all()
        return
    if module is shrunk and metric == "auc":  # some of the random sources lack it
        assert made.weights[5] > 0.6 and loss(ctx, y, made(z, ctx), v) == pytest.approx(-1)
        return
    assert made.weights[5] > (0.97 if module is ridge else 1 - 1e-6)


@pytest.mark.parametrize("module", WEIGHTED)
@pytest.mark.parametrize(("task", "metric"), [(REGRESSION, "rmse"), (REGRESSION, "mae"), (MULTI, "logloss")])
def test_sources_may_be_permuted_and_rows_scaled(module, task: Task, metric: str) -> None:
    z, y, v = problem(task, 20)
    params = module.Params(bags=4) if module is hill_climb else module.Params()
    order = np.random.default_rng(5).permutation(20)
    got = module.fit(params, context(task, metric, 20), z, y, v).weights
    moved = module.fit(params, context(task, metric, 20), z[order], y, 3 * v).weights
    assert np.allclose(moved, got[order], atol=1e-7)
    masked = np.where(np.arange(300) < 200, v, 0)
    fewer = module.fit(params, context(task, metric, 20), z[:, :200], y[:200], v[:200]).weights
    assert np.allclose(module.fit(params, context(task, metric, 20), z, y, masked).weights, fewer, atol=1e-7)


@pytest.mark.parametrize("module", [mean, best])
def test_linear_stackers_commute_with_averaging(module) -> None:
    z, y, v = problem(REGRESSION, 5)
    assert module.LINEAR
    ctx = context(REGRESSION, "rmse", 5)
    combine = module.fit(module.Params(), ctx, z, y, v)
    other = z[:, ::-1]
    each = (combine(z, ctx).mean + combine(other, ctx).mean) / 2
    assert np.allclose(combine((z + other) / 2, ctx).mean, each, atol=1e-5)


def test_the_exchange_finds_the_best_pair_of_sources() -> None:
    """One step and swaps: two sources whose errors cancel, of which neither is the best alone."""
    rng = np.random.default_rng(0)
    y, shared = rng.normal(size=400), rng.normal(size=400)
    errors = np.stack([0.9 * rng.normal(size=400), shared, -shared])
    z = (y + errors)[:, :, None].astype(np.float32)
    found = hill_climb.fit(hill_climb.Params(steps=2), context(REGRESSION, "rmse", 3), z, y, np.ones(400)).weights
    better = hill_climb.fit(hill_climb.Params(steps=2, swaps=True), context(REGRESSION, "rmse", 3), z, y, np.ones(400))
    assert found[0] > 0 and np.allclose(better.weights, [0, 0.5, 0.5])


def test_parts_add_up_and_know_their_folds() -> None:
    z, y, v = problem(MULTI, 4)
    fold = np.arange(300) % 3 - (np.arange(300) < 30)
    grams = gather(Scored(MULTI, y, v, fold), z)
    assert len(grams) >= 16 and set(grams.fold) == {0, 1, 2}
    for k in (0, 1, 2):
        rows = fold == k
        alone = residual_gram(MULTI, z[:, rows], y[rows], v[rows])
        assert np.allclose(grams.at(grams.fold == k).mean(), alone, rtol=1e-12)
    members = np.array([2, 0])
    assert np.allclose(
        grams.of(members).mean(), residual_gram(MULTI, z[members][:, fold >= 0], y[fold >= 0], v[fold >= 0])
    )


def test_groups_stay_in_one_part() -> None:
    z, y, v = problem(REGRESSION, 2)
    group = np.arange(300) // 60
    whole = gather(Scored(REGRESSION, y, v, np.zeros(300, np.int64), group), z)
    assert len(whole) == 5
    assert np.allclose(sorted(whole.weight), sorted(v.reshape(5, 60).sum(axis=1)))


def test_a_declared_distribution_is_a_reweighting_of_parts() -> None:
    """Parts cut by ranges of y: weights per range give the sums of rows weighted so, without another pass."""
    z, y, v = problem(REGRESSION, 3)
    bins = np.searchsorted([5.0, 12.0], y)
    grams = gather(Scored(REGRESSION, y, v, bins), z)
    times = np.array([0.5, 1.0, 4.0])
    expected = residual_gram(REGRESSION, z, y, v * times[bins])
    assert np.allclose(grams.mean(times[grams.fold]), expected, rtol=1e-12)


def test_the_spread_of_fold_models_is_taken_off() -> None:
    """With it the Gram matrix is that of the fold models' average, as far as it stays positive semidefinite."""
    rng = np.random.default_rng(4)
    y = rng.normal(size=4000)
    own, fold_noise = rng.normal(size=(3, 4000)), 0.5 * rng.normal(size=(3, 4, 4000))
    single = (y + own + fold_noise[:, 0])[:, :, None]
    grams = gather(Scored(REGRESSION, y, np.ones(4000), np.arange(4000) % 4), single)
    noise = fold_noise - fold_noise.mean(axis=1, keepdims=True)
    spread = np.einsum("skt,ukt->su", noise, noise) / (4 * 4000)
    average = y + own + fold_noise.mean(axis=1)
    expected = residual_gram(REGRESSION, average[:, :, None], y, np.ones(4000))[:3, :3]
    got = replace(grams, spread=spread / TAKEN_OFF).residuals()
    assert np.abs(got - expected).max() < 0.05 < np.abs(grams.residuals() - expected).max()
    assert np.linalg.eigvalsh(replace(grams, spread=100 * spread).residuals()).min() > -1e-9


def test_shrunk_takes_negative_weights_where_they_pay_and_else_does_not() -> None:
    """One source is another's error enlarged: only a weight below zero can take that off. Without it, nnls stands."""
    rng = np.random.default_rng(3)
    y, shared = rng.normal(size=2000), rng.normal(size=2000)
    z = np.stack([y + shared + 0.3 * rng.normal(size=2000), y + 2 * shared + 0.3 * rng.normal(size=2000)])[:, :, None]
    ctx = context(REGRESSION, "rmse", 2)
    got = shrunk.fit(shrunk.Params(), ctx, z.astype(np.float32), y, np.ones(2000)).weights
    assert np.allclose(got, [1.77, -0.77], atol=0.05)  # the least of (a + 2b)^2 + 0.09 (a^2 + b^2), a + b = 1
    plain = shrunk.fit(shrunk.Params(l2=1e6), ctx, z.astype(np.float32), y, np.ones(2000)).weights
    assert np.allclose(plain, [1, 0], atol=1e-4)


def test_averaged_ridges_are_the_plain_ones() -> None:
    """One decomposition gives what a linear system per strength does; equal shares give their mean."""
    z, y, v = problem(REGRESSION, 6)
    gram = residual_gram(REGRESSION, z, y, v)[:6, :6]
    centres = np.stack([np.full(6, 1 / 6), np.eye(6)[2]])
    found = ridges(gram, STRENGTHS, centres).reshape(2, len(STRENGTHS), 6)
    for c, s in ((0, 0), (0, 5), (1, 3), (1, 12)):
        assert np.allclose(found[c, s], unit_ridge(gram, float(STRENGTHS[s]), centres[c]), atol=1e-9)
    grams = gather(Scored(REGRESSION, y, v, np.arange(len(y)) % 5), z)
    n = 3 * len(STRENGTHS)
    whole = averaged(grams)
    assert (
        whole.shares.sum() == pytest.approx(1) and (whole.shares > 0).all() and whole.weights.sum() == pytest.approx(1)
    )
    assert np.allclose(averaged(grams, shares=tuple(whole.shares)).weights, whole.weights)
    near, best = simplex(gram), np.eye(6)[np.argmin(np.diag(gram))]
    mean = ridges(gram, STRENGTHS, np.stack([near, np.full(6, 1 / 6), best])).mean(axis=0)
    assert np.allclose(averaged(grams, shares=(1 / n,) * n).weights, mean, atol=1e-9)


def test_a_candidate_that_is_worse_on_rows_left_out_counts_less() -> None:
    """Many rows and one source that is another's error enlarged: strong pulls are far worse and count for nothing."""
    rng = np.random.default_rng(3)
    y, shared = rng.normal(size=4000), rng.normal(size=4000)
    z = np.stack([y + shared, y + 2 * shared, y + 3 * rng.normal(size=4000)])[:, :, None] + 0.1 * rng.normal(
        size=(3, 4000, 1)
    )
    grams = gather(Scored(REGRESSION, y, np.ones(4000), np.arange(4000) % 5), z)
    share = averaged(grams).shares.reshape(3, -1)
    assert share[:, :4].sum() > 0.8 and share[:, -3:].sum() < 1e-3


def test_the_default_does_not_follow_a_source_that_goes_wild_on_a_row() -> None:
    """A weight below zero pays on all rows seen; on one row of the test that source is far out, and is not followed."""
    rng = np.random.default_rng(3)
    y, shared = rng.normal(size=2000), rng.normal(size=2000)
    z = np.stack([y + shared, y + 2 * shared])[:, :, None] + 0.3 * rng.normal(size=(2, 2000, 1))
    ctx = context(REGRESSION, "rmse", 2)
    made = shrunk.fit(shrunk.Params(), ctx, z.astype(np.float32), y, np.ones(2000))
    assert made.weights[1] < -0.5
    rows = np.array([[[0.0], [0.5]], [[0.0], [-80.0]]], np.float32)
    tame, wild = made(rows, ctx).mean[:, 0]
    assert abs(wild) < 6 < abs(rows[:, 1, 0] @ made.weights), "the plain combination runs off"
    usual = z[:, np.abs(z[:, :, 0]).max(axis=0) < 3][:, :50].astype(np.float32)
    assert np.allclose(made(usual, ctx).mean[:, 0], made.weights @ usual[:, :, 0], atol=1e-4)
    assert np.isclose(tame, 0)


@pytest.mark.parametrize(
    ("task", "metric"), [(BINARY, "logloss"), (MULTI, "logloss"), (BINARY, "auc"), (BINARY, "gini")]
)
def test_the_default_averages_two_ways_for_probabilities(task: Task, metric: str) -> None:
    z, y, v = problem(task, 8, 1500)
    ctx = context(task, metric, 8)
    made = shrunk.fit(shrunk.Params(), ctx, z, y, v)
    got = made(z, ctx).mean
    if metric == "logloss":
        other = logistic if task is BINARY else softmax
        parts = [m.fit(m.Params(), ctx, z, y, v)(z, ctx).mean for m in (hill_climb, other)]
        assert np.allclose(got, (parts[0].astype(float) + parts[1]) / 2, atol=1e-6)
        assert np.allclose(made.weights, (made.plain.weights + made.logs.weights) / 2)
        assert loss(ctx, y, Pred(got), v) < np.mean([loss(ctx, y, Pred(p), v) for p in parts])
    else:
        climbed = hill_climb.fit(hill_climb.Params(), context(task, metric, 8), z, y, v).weights
        bagged = 2 * made.weights - climbed
        assert bagged.min() > -1e-9 and bagged.sum() == pytest.approx(1)
        near = nnls.fit(nnls.Params(), ctx, z, y, v).weights
        assert np.count_nonzero(bagged > 1e-9) > np.count_nonzero(near), "random sources spread the weight"


@pytest.mark.parametrize("metric", ["rmse", "rmsle", "mae"])
def test_the_default_cuts_sources_to_the_range_of_the_target(metric: str) -> None:
    """A row on which sources with weights above zero run off is predicted as if they said the end of the range."""
    z, y, v = problem(REGRESSION, 4)
    ctx = context(REGRESSION, metric, 4)
    z = np.maximum(z, 0.1)
    made = shrunk.fit(shrunk.Params(), ctx, z, y, v)
    seen = y[v > 0]
    row = np.full((4, 1, 1), np.median(y), np.float32)
    off, end = row.copy(), row.copy()
    off[:2], end[:2] = 50 * seen.max(), 2 * seen.max()
    assert made(off, ctx).mean == pytest.approx(made(end, ctx).mean, rel=1e-5)
    inside = np.full((4, 1, 1), 0.9 * seen.max(), np.float32)
    assert made(inside, ctx).mean == pytest.approx(inside[0], rel=1e-4), "within the range nothing is cut"
    assert nnls.fit(nnls.Params(), ctx, z, y, v)(off, ctx).mean[0, 0] > 2 * made(off, ctx).mean[0, 0]


def test_shrunk_beats_the_climb_on_absolute_errors_it_is_fitted_on() -> None:
    z, y, v = problem(REGRESSION, 12, 2000)
    ctx = context(REGRESSION, "mae", 12)
    found = [loss(ctx, y, m.fit(m.Params(), ctx, z, y, v)(z, ctx), v) for m in (shrunk, nnls, hill_climb)]
    assert found[0] < found[1] and found[0] < found[2] * 1.0005


@pytest.mark.parametrize(("task", "metric"), [(REGRESSION, "rmse"), (REGRESSION, "mae"), (BINARY, "auc")])
def test_simple_takes_few_sources_where_more_are_noise(task: Task, metric: str) -> None:
    """Two sources help each other, ten are the worse one with more noise: half of them stay out."""
    z, y, v = problem(task, 2, 1500)
    rng = np.random.default_rng(1)
    worse = [z[1] + 0.05 * rng.normal(size=z[1].shape) * z[1].std() for _ in range(10)]
    many = np.concatenate([z, np.clip(worse, 0, 1) if task is BINARY else worse]).astype(np.float32)
    ctx = context(task, metric, 12)
    few = shrunk.fit(shrunk.Params(simple=True), ctx, many, y, v).weights
    assert 1 <= np.count_nonzero(few) <= 6 and few.sum() == pytest.approx(1)
    assert loss(ctx, y, Pred(np.tensordot(few, many, 1)), v) < min(loss(ctx, y, Pred(one), v) for one in many) * 1.01


def test_gram_keeps_small_differences_beside_a_large_mean() -> None:
    z, y, v = problem(REGRESSION, 4)
    assert np.allclose(
        residual_gram(REGRESSION, z, y, v)[:4, :4].diagonal(),
        [(v * (one[:, 0].astype(float) - y) ** 2).sum() / v.sum() for one in z],
        rtol=1e-12,
    )
    y = np.arange(300.0) % 2 + 2.0**20
    exact = (y + np.array([[0.125], [0.25], [-0.125]]))[:, :, None].astype(np.float32)
    gram = residual_gram(REGRESSION, exact, y, np.ones(300))[:3, :3]
    assert np.allclose(gram, np.outer([0.125, 0.25, -0.125], [0.125, 0.25, -0.125]), rtol=1e-12)


def test_std_is_combined_where_every_source_has_one() -> None:
    z, y, v = problem(REGRESSION, 2)
    std = np.stack([np.full(300, 3.0), np.full(300, 1.0)]).astype(np.float32)
    ctx = context(REGRESSION, "rmse", 2, std)
    got = mean.fit(mean.Params(), ctx, z, y, v)(z, ctx).std
    assert got is not None
    assert np.allclose(got, np.sqrt(5.0))
    lacking = context(REGRESSION, "rmse", 2, np.where(np.arange(2)[:, None] == 1, np.nan, std))
    assert mean.fit(mean.Params(), lacking, z, y, v)(z, lacking).std is None
    assert mean.fit(mean.Params(), ctx, z, y, v)(z, context(REGRESSION, "rmse", 2)).std is None


def test_clip_and_round() -> None:
    z = np.array([[-1.0, 0.24, 0.5, 2.6, 9.0]], np.float32)[:, :, None]
    ctx = context(REGRESSION, "rmse", 1, np.ones((1, 5), np.float32))

    def run(module, **given: float) -> list[float]:
        return module.fit(module.Params(**given), ctx, z, np.zeros(5), np.ones(5))(z, ctx).mean[:, 0].tolist()

    assert run(clip) == z[0, :, 0].tolist()
    assert run(clip, low=0, high=2.5) == [0.0, np.float32(0.24), 0.5, 2.5, 2.5]
    assert run(rounding) == [-1.0, 0.0, 1.0, 3.0, 9.0]
    assert run(rounding, step=0.5, low=0, high=8) == [0.0, 0.0, 0.5, 2.5, 8.0]
    for module in (clip, rounding):
        with pytest.raises(ValidationError, match="low must not exceed"):
            module.Params(low=1, high=0)
        assert module.fit(module.Params(), ctx, z, np.zeros(5), np.ones(5)).weights is None


def test_sums_are_the_same_on_any_number_of_cores(monkeypatch) -> None:
    rng = np.random.default_rng(3)
    y, z = rng.normal(size=1001), rng.normal(size=(5, 1001, 1)).astype(np.float32)
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(_sums, "MANY_NUMBERS", 1)
        monkeypatch.setattr(_sums.devices, "cores", lambda cores=cores: cores)
        grams = gather(Scored(REGRESSION, y, np.ones(1001), np.arange(1001) % 5), z)
        found.append((grams.sums.tobytes(), residual_gram(REGRESSION, z, y, np.ones(1001)).tobytes()))
    assert found[0] == found[1]
