"""Metrics of labels and probabilities against scikit-learn, with random weights; numbers behind a metric's name."""

import numpy as np
import pytest
from sklearn import metrics as sk

from kit import registry
from kit.errors import DataError, RecipeError
from kit.judging import Counts, MetricModule
from kit.metrics import average_precision, ece, f1_macro, mcc
from kit.metrics import map as map_at
from kit.types import Pred, Task

BINARY = Task("binary", "logloss", classes=("no", "yes"), positive="yes")
MULTI = Task("multiclass", "softmax", classes=("a", "b", "c", "d"))
LABELS = ["accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "mcc"]


def sample(task: Task, seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return y (n,), p (n, m) with ties, and weights (n,) of which a quarter is 0."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(task.classes), n).astype(float)
    v = rng.integers(0, 4, n) * rng.random(n)
    if task.kind == "binary":
        return y, np.clip(rng.normal(0.3 + 0.2 * y, 0.3), 0, 1).round(2)[:, None].astype(np.float32), v
    p = rng.random((n, 4)).round(1) + 0.05 + 0.4 * (y[:, None] == np.arange(4))
    return y, (p / p.sum(axis=1, keepdims=True)).astype(np.float32), v


def label_reference(name: str, y: np.ndarray, label: np.ndarray, v: np.ndarray) -> float:
    if name == "f1":
        return sk.f1_score(y, label, sample_weight=v)
    if name.startswith("f1_"):
        return sk.f1_score(y, label, sample_weight=v, average=name.removeprefix("f1_"))
    if name == "mcc":
        return sk.matthews_corrcoef(y, label, sample_weight=v)
    function = sk.accuracy_score if name == "accuracy" else sk.balanced_accuracy_score
    return function(y, label, sample_weight=v)


@pytest.mark.parametrize("task", [BINARY, MULTI], ids=["binary", "multiclass"])
@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("seed", range(4))
def test_labels_equal_scikit_learn(name: str, task: Task, seed: int) -> None:
    if task.kind not in registry.load("metrics", name).TASKS:
        assert name == "f1"
        return
    y, p, v = sample(task, seed)
    label = (p[:, 0] >= 0.5).astype(float) if task.kind == "binary" else p.argmax(axis=1)
    got = registry.metric(name).score(task, y, Pred(p), v)
    assert got == pytest.approx(label_reference(name, y, label, v), rel=1e-9)


def one_hot(y: np.ndarray) -> np.ndarray:
    return (y[:, None] == np.arange(4)).astype(float)


PROBABILITIES = {
    ("brier", "binary"): lambda y, p, v: sk.brier_score_loss(y, p[:, 0], sample_weight=v),
    ("brier", "multiclass"): lambda y, p, v: np.average(((p - one_hot(y)) ** 2).sum(axis=1), weights=v),
    ("average_precision", "binary"): lambda y, p, v: sk.average_precision_score(y, p[:, 0], sample_weight=v),
    ("average_precision", "multiclass"): lambda y, p, v: sk.average_precision_score(one_hot(y), p, sample_weight=v),
    ("map@2", "multiclass"): lambda y, p, v: np.average([slow_map(t, row, 2) for t, row in zip(y, p, strict=True)], weights=v),
    ("map", "multiclass"): lambda y, p, v: np.average([slow_map(t, row, 3) for t, row in zip(y, p, strict=True)], weights=v),
    ("ece@7", "binary"): lambda y, p, v: slow_ece(p[:, 0], y, v, 7),
    ("ece", "multiclass"): lambda y, p, v: slow_ece(p.max(axis=1), p.argmax(axis=1) == y, v, 15),
}  # fmt: skip


def slow_map(true: float, row: np.ndarray, k: int) -> float:
    ranked = sorted(range(len(row)), key=lambda c: (-row[c], c))[:k]
    return 1 / (1 + ranked.index(int(true))) if int(true) in ranked else 0.0


def slow_ece(p: np.ndarray, came: np.ndarray, v: np.ndarray, bins: int) -> float:
    total = 0.0
    for b in range(bins):
        inside = (p >= b / bins) & ((p < (b + 1) / bins) | (b == bins - 1))
        if v[inside].sum() > 0:
            gap = np.average(p[inside], weights=v[inside]) - np.average(came[inside], weights=v[inside])
            total += v[inside].sum() / v.sum() * abs(gap)
    return total


@pytest.mark.parametrize(("name", "kind"), sorted(PROBABILITIES))
@pytest.mark.parametrize("seed", range(4))
def test_probabilities_equal_the_reference(name: str, kind: str, seed: int) -> None:
    task = BINARY if kind == "binary" else MULTI
    y, p, v = sample(task, seed)
    expected = PROBABILITIES[name, kind](y, p.astype(float), v)
    assert registry.metric(name).score(task, y, Pred(p), v) == pytest.approx(expected, rel=1e-6)


def test_many_decisions_are_tallied_at_once() -> None:
    rng = np.random.default_rng(0)
    true = rng.random(4) * 9
    hit = true * rng.random((5, 6, 4))
    said = hit + rng.random((5, 6, 4))
    said *= (true.sum() / said.sum(axis=-1))[..., None]
    for name in LABELS:
        tally = registry.metric(name).tally
        assert tally is not None
        got = tally(Counts(hit, said, true))
        assert got.shape == (5, 6)
        assert got[2, 3] == pytest.approx(float(tally(Counts(hit[2, 3], said[2, 3], true))), rel=1e-12)


def test_labels_of_one_kind() -> None:
    ones, sure = np.ones(4), Pred(np.full((4, 1), 0.9))
    assert mcc.score(BINARY, np.array([0.0, 1, 0, 1]), sure, np.array([0.1, 0.2, 0.3, 0.7])) == 0.0
    assert registry.metric("f1").score(BINARY, np.zeros(4), Pred(np.zeros((4, 1))), ones) == 0.0
    assert registry.metric("balanced_accuracy").score(BINARY, ones, sure, ones) == 1.0
    some = Pred(one_hot(np.array([0.0, 1, 1, 1])))
    assert f1_macro.score(MULTI, np.array([0.0, 0, 1, 1]), some, ones) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_average_precision_without_a_positive_row() -> None:
    with pytest.raises(DataError, match="positive rows"):
        average_precision.score(BINARY, np.ones(3), Pred(np.ones((3, 1))), np.zeros(3))


def test_ece_of_a_frequency_is_zero() -> None:
    assert ece.score(BINARY, np.array([1.0, 0, 0, 0]), Pred(np.full((4, 1), 0.25)), np.ones(4)) == 0.0


# -- numbers behind a name


def test_a_number_stands_behind_the_name() -> None:
    y, p, v = sample(MULTI, 0)
    assert isinstance(registry.load("metrics", "map@3"), MetricModule)
    assert registry.metric("map@3").name == "map@3"
    assert registry.metric("map@3").score(MULTI, y, Pred(p), v) == map_at.score(MULTI, y, Pred(p), v)
    found = registry.metric("accuracy").score(MULTI, y, Pred(p), v)
    assert registry.metric("map@1").score(MULTI, y, Pred(p), v) == pytest.approx(found, rel=1e-12)
    assert registry.code_of("metrics", "map@3") == registry.code_of("metrics", "map")
    assert registry.has("metrics", "map@3") and not registry.has("metrics", "map@0")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("map@0", "cannot stand"),
        ("map@2.5", "cannot stand"),
        ("map@", "cannot stand"),
        ("pinball@1", "cannot stand"),
        ("pinball@nan", "cannot stand"),
        ("rmse@3", "takes no number"),
        ("mop@3", "unknown metric"),
    ],
)
def test_a_wrong_number_is_told(name: str, match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        registry.metric(name)
