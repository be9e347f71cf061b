"""Metrics against scikit-learn and known values, with and without weights."""

import numpy as np
import pytest
from sklearn import metrics as sk

from kit import registry
from kit.errors import DataError
from kit.metrics import accuracy, auc, logloss, qwk, rmsle
from kit.types import Pred, Task

REGRESSION = Task("regression")
BINARY = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
MULTI = Task("multiclass", "softmax", classes=("a", "b", "c", "d"))


def weights(kind: str, n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.ones(n) if kind == "equal" else rng.integers(0, 4, n) * rng.random(n)


def sample(task: Task, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return y (n,) and a prediction (n, m) float32 that is better than chance and has many ties."""
    rng = np.random.default_rng(0)
    if task.kind == "regression":
        y = rng.integers(0, 6, n).astype(float)
        return y, (y + rng.normal(0, 1, n))[:, None].astype(np.float32)
    y = rng.integers(0, len(task.classes), n).astype(float)
    if task.kind == "binary":
        return y, np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0.01, 0.99).round(2)[:, None].astype(np.float32)
    p = rng.random((n, 4)).round(1) + 0.05 + 0.4 * (y[:, None] == np.arange(4))
    return y, (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


def reference(name: str, task: Task, y: np.ndarray, p: np.ndarray, v: np.ndarray) -> float:
    one = p[:, 0].astype(float)
    if name == "rmse":
        return sk.root_mean_squared_error(y, one, sample_weight=v)
    if name == "rmsle":
        return sk.root_mean_squared_log_error(y, np.maximum(one, 0), sample_weight=v)
    if name == "mae":
        return sk.mean_absolute_error(y, one, sample_weight=v)
    rows = p.astype(float) / p.astype(float).sum(axis=1, keepdims=True)
    if name == "logloss":
        return sk.log_loss(y, one if task.kind == "binary" else rows, sample_weight=v)
    if name == "auc" and task.kind == "binary":
        return sk.roc_auc_score(y, one, sample_weight=v)
    if name == "auc":
        return float(np.mean([sk.roc_auc_score(y == k, p[:, k], sample_weight=v) for k in range(4)]))
    if name == "accuracy":
        label = (one >= 0.5) if task.kind == "binary" else p.argmax(axis=1)
        return sk.accuracy_score(y, label, sample_weight=v)
    if task.kind == "regression":
        label = np.clip(np.rint(one), 0, 5)
    else:
        label = (one >= 0.5) if task.kind == "binary" else np.rint(rows @ np.arange(4))
    return sk.cohen_kappa_score(y, label, weights="quadratic", sample_weight=v)


CASES = [
    (name, task)
    for name in ("rmse", "rmsle", "mae", "logloss", "auc", "accuracy", "qwk")
    for task in (REGRESSION, BINARY, MULTI)
    if task.kind in registry.load("metrics", name).TASKS
]


@pytest.mark.parametrize("weighted", ["equal", "weighted"])
@pytest.mark.parametrize(("name", "task"), CASES, ids=[f"{n}-{t.kind}" for n, t in CASES])
def test_score_equals_scikit_learn(name: str, task: Task, weighted: str) -> None:
    y, p = sample(task)
    v = weights(weighted, len(y))
    got = registry.metric(name).score(task, y, Pred(p), v)
    assert got == pytest.approx(reference(name, task, y, p, v), rel=1e-9)


@pytest.mark.parametrize(("name", "task"), CASES, ids=[f"{n}-{t.kind}" for n, t in CASES])
def test_weight_is_repetition_and_scale_is_free(name: str, task: Task) -> None:
    y, p = sample(task, 60)
    times = np.random.default_rng(2).integers(0, 3, 60)
    metric = registry.metric(name)
    repeated = metric.score(task, np.repeat(y, times), Pred(np.repeat(p, times, axis=0)), np.ones(times.sum()))
    assert metric.score(task, y, Pred(p), 7.0 * times) == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize(("name", "task"), CASES, ids=[f"{n}-{t.kind}" for n, t in CASES])
def test_perfect_prediction_is_better(name: str, task: Task) -> None:
    y, p = sample(task)
    perfect = (y[:, None] == np.arange(4)) if task.kind == "multiclass" else y[:, None]
    metric, v = registry.metric(name), np.ones(len(y))
    best = metric.score(task, y, Pred(perfect.astype(np.float32)), v)
    assert best == pytest.approx(0.0 if metric.better == "lower" else 1.0, abs=1e-12)
    assert metric.sign * best < metric.sign * metric.score(task, y, Pred(p), v)
    assert set(registry.load("metrics", name).OBJECTIVE) == set(registry.load("metrics", name).TASKS)


def test_rmsle_clips_predictions_and_refuses_negative_targets() -> None:
    below = Pred(np.array([[-3.0]], np.float32))
    assert rmsle.score(REGRESSION, np.zeros(1), below, np.ones(1)) == 0.0
    with pytest.raises(DataError, match="at least 0"):
        rmsle.score(REGRESSION, np.array([-1.0]), below, np.ones(1))


def test_logloss_of_a_certain_error_is_finite() -> None:
    wrong = logloss.score(BINARY, np.zeros(1), Pred(np.ones((1, 1), np.float32)), np.ones(1))
    # 1 - (1 - 1e-15) is a multiple of 2^-53, about 1.1 percent off 1e-15.
    assert wrong == pytest.approx(-np.log(1e-15), abs=2e-2)
    rows = Pred(np.array([[0.0, 0.0, 0.0, 1.0]], np.float32))
    assert logloss.score(MULTI, np.zeros(1), rows, np.ones(1)) == pytest.approx(-np.log(1e-15), abs=1e-9)


def test_logloss_normalises_rows() -> None:
    rows = Pred(np.array([[0.2, 0.2, 0.2, 0.2]], np.float32))
    assert logloss.score(MULTI, np.zeros(1), rows, np.ones(1)) == pytest.approx(np.log(4))


def test_auc_equals_all_pairs() -> None:
    y, p = sample(BINARY, 80)
    v = weights("weighted", 80)
    pairs = (y[:, None] == 1) & (y[None] == 0)
    won = (p > p.T) + 0.5 * (p == p.T)
    share = v[:, None] * v[None] * pairs
    assert auc.score(BINARY, y, Pred(p), v) == pytest.approx((share * won).sum() / share.sum(), rel=1e-12)


def test_auc_of_one_class_is_an_error_and_of_an_absent_class_is_not() -> None:
    p = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    y, v = np.array([0.0, 0, 1, 1, 2, 2]), np.ones(6)
    for task, held in ((BINARY, np.ones(6)), (MULTI, np.zeros(6))):
        with pytest.raises(DataError, match="both classes"):
            auc.score(task, held, Pred(p[:, : task.n_out]), v)
    with pytest.raises(DataError, match="both classes"):
        auc.score(BINARY, np.minimum(y, 1), Pred(p[:, :1]), (y > 0).astype(float))
    by_class = [auc.score(BINARY, np.asarray(y == k, float), Pred(p[:, [k]]), v) for k in range(3)]
    assert auc.score(MULTI, y, Pred(p), v) == pytest.approx(np.mean(by_class), rel=1e-12)


def test_accuracy_decides() -> None:
    assert accuracy.decide(BINARY, np.array([[0.5], [0.49]], np.float32)).tolist() == [1.0, 0.0]
    assert accuracy.decide(MULTI, np.array([[0.1, 0.4, 0.4, 0.1]], np.float32)).tolist() == [1.0]


def test_qwk_decides_by_the_numbers_the_classes_are() -> None:
    mean = np.array([[0.5, 0.0, 0.5], [0.6, 0.4, 0.0]], np.float32)
    words = Task("multiclass", "softmax", classes=("high", "low", "mid"))
    numbers = Task("multiclass", "softmax", classes=(1, 2, 10))
    assert qwk.decide(words, mean).tolist() == [1.0, 0.0]
    assert qwk.decide(numbers, mean).tolist() == [1.0, 0.0]
    assert qwk.decide(numbers, np.array([[0.4, 0.0, 0.6]], np.float32)).tolist() == [2.0]
    assert qwk.decide(words, np.array([[0.4, 0.0, 0.6]], np.float32)).tolist() == [1.0]
    assert qwk.decide(REGRESSION, np.array([[1.5], [1.4], [-0.6]], np.float32)).tolist() == [2.0, 1.0, -1.0]


def test_qwk_decision_minimises_the_expected_square() -> None:
    task = Task("multiclass", "softmax", classes=(3, 4, 5, 6, 7))
    p = np.random.default_rng(0).dirichlet(np.full(5, 0.4), 200).astype(np.float32)
    cost = p.astype(float) @ (np.arange(5)[:, None] - np.arange(5)) ** 2
    assert (qwk.decide(task, p) == cost.argmin(axis=1)).all()


def test_qwk_keeps_decisions_in_the_range_of_y_and_survives_constants() -> None:
    y, far = np.array([1.0, 2, 3]), Pred(np.array([[-7.0], [2.0], [30.0]], np.float32))
    assert qwk.score(REGRESSION, y, far, np.ones(3)) == 1.0
    assert qwk.score(REGRESSION, np.ones(3), far, np.ones(3)) == 0.0


def test_ratings_are_kept_within_those_that_count() -> None:
    y, pred, v = np.array([1.0, 2.0, 3.0, 9.0]), Pred(np.array([[1.0], [2.0], [9.0], [9.0]])), np.array([1.0, 1, 1, 0])
    assert qwk.score(REGRESSION, y, pred, v) == qwk.score(REGRESSION, y[:3], Pred(pred.mean[:3]), v[:3]) == 1
