"""The battery every metric must pass: a file in kit/metrics is tested by existing."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import worlds
from worlds import TASKS

from kit import registry
from kit.judging import Metric, MetricModule
from kit.types import Floats, Objective, Pred, PredKind, Task, TaskKind

METRICS = registry.names("metrics")
OF_KIND = {"regression": "squared", "binary": "logloss", "multiclass": "softmax"}
OVER_ROWS = [name for name in METRICS if not getattr(registry.load("metrics", name), "NEEDS_BY", False)]
"""Rankings count places in rows, and have their own tests in tests/metrics/test_grouped.py."""
CASES = [(name, OF_KIND[kind]) for name in OVER_ROWS for kind in registry.load("metrics", name).TASKS]

BINARY = (np.array([0.0, 1.0, 1.0, 0.0]), Pred(np.array([[0.1], [0.8], [0.4], [0.6]])))
NUMBERS = (np.array([1.0, 2.0, 3.0, 6.0]), Pred(np.array([[1.0], [3.0], [3.0], [4.0]])))
KNOWN = {
    "rmse": (TASKS["squared"], *NUMBERS, np.sqrt(5 / 4)),
    "mae": (TASKS["squared"], *NUMBERS, 3 / 4),
    "rmsle": (TASKS["squared"], *NUMBERS, np.sqrt((np.log(4 / 3) ** 2 + np.log(5 / 7) ** 2) / 4)),
    "qwk": (TASKS["squared"], *NUMBERS, 1 - 5 / (14 + 4.75 + 4 * 0.0625)),
    "auc": (TASKS["logloss"], *BINARY, 3 / 4),
    "accuracy": (TASKS["logloss"], *BINARY, 1 / 2),
    "logloss": (TASKS["logloss"], *BINARY, -np.log(0.9 * 0.8 * 0.4 * 0.4) / 4),
}
"""Task, y, prediction and score, worked out by hand; further metrics have theirs in their own tests."""


def sample(objective: str, n: int = 60) -> tuple[Task, Floats, Pred, Floats]:
    """Return a task, y, a fair prediction with std, and weights that are whole numbers."""
    rng = np.random.default_rng(5)
    task = TASKS[objective]
    if task.kind == "regression":
        y = rng.integers(0, 6, n).astype(np.float64)
        return task, y, Pred((y + rng.normal(size=n))[:, None], rng.uniform(0.5, 2, n)), rng.integers(1, 4, n) * 1.0
    y = rng.integers(0, len(task.classes), n).astype(np.float64)
    return task, y, towards(task, y, rng.uniform(0.1, 0.9, n)), rng.integers(1, 4, n) * 1.0


def towards(task: Task, y: Floats, share: Floats) -> Pred:
    """Return probabilities that give the true class at least `share`."""
    if task.kind == "binary":
        return Pred(np.where(y == 1, share, 1 - share)[:, None])
    rest = (1 - share)[:, None] / (task.n_out - 1)
    return Pred(np.where(y[:, None] == np.arange(task.n_out), share[:, None], rest))


def perfect(task: Task, y: Floats) -> Pred:
    return (
        Pred(y[:, None], np.full(len(y), 0.05))
        if task.kind == "regression"
        else towards(task, y, np.full(len(y), 0.99))
    )


def wrong(task: Task, y: Floats) -> Pred:
    if task.kind == "regression":
        return Pred((y.max() - y)[:, None], np.full(len(y), 0.05))
    return towards(task, y, np.full(len(y), 0.01))


def check_weights(metric: Metric, objective: str) -> None:
    """A weight of 2 is a row that stands twice, 0 one that is not there; the order of rows does not count."""
    task, y, pred, v = sample(objective)
    score = metric.score(task, y, pred, v)
    assert isinstance(score, float) and np.isfinite(score)
    again = np.repeat(np.arange(len(y)), v.astype(int))
    repeated = metric.score(task, y[again], worlds.take(pred, again), np.ones(len(again)))
    np.testing.assert_allclose(repeated, score, rtol=1e-9, err_msg="a weight of 2 is not two rows")
    half = np.where(np.arange(len(y)) % 2, v, 0.0)
    some = np.flatnonzero(half)
    np.testing.assert_allclose(
        metric.score(task, y[some], worlds.take(pred, some), half[some]), metric.score(task, y, pred, half), rtol=1e-9
    )
    order = np.random.default_rng(0).permutation(len(y))
    np.testing.assert_allclose(metric.score(task, y[order], worlds.take(pred, order), v[order]), score, rtol=1e-9)
    np.testing.assert_allclose(metric.score(task, y, pred, v * 3), score, rtol=1e-9, err_msg="weights have a unit")


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_weights_are_repetitions(name: str, objective: str) -> None:
    check_weights(registry.metric(name), objective)


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_better_is_the_direction_it_says(name: str, objective: str) -> None:
    metric = registry.metric(name)
    task, y, fair, v = sample(objective)
    scores = [metric.sign * metric.score(task, y, pred, v) for pred in (perfect(task, y), fair, wrong(task, y))]
    assert scores[0] < scores[1] < scores[2]
    low, high = registry.load("metrics", name).RANGE
    for score in (metric.sign * each for each in scores):
        assert (low is None or low - 1e-9 <= score) and (high is None or score <= high + 1e-9)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_known_values(name: str) -> None:
    task, y, pred, expected = KNOWN[name]
    assert registry.metric(name).score(task, y, pred, np.ones(len(y))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_constants_are_declared(name: str) -> None:
    module: Any = registry.load("metrics", name)
    assert isinstance(module, MetricModule)
    assert module.BETTER in ("lower", "higher") and module.WANTS in get_args(PredKind)
    assert set(module.TASKS) <= set(get_args(TaskKind)) and set(module.OBJECTIVE) == set(module.TASKS)
    assert set(module.OBJECTIVE.values()) <= set(get_args(Objective))
    assert module.CODEC in registry.names("codecs")
    assert module.WANTS != "label" or hasattr(module, "decide"), "what wants labels says how they are decided"


def test_a_metric_that_forgets_v_is_caught() -> None:
    module = registry.load("metrics", str(worlds.LEAKY / "forgets_v.py"))
    with pytest.raises(AssertionError, match="two rows"):
        check_weights(Metric("forgets_v", module.BETTER, module.WANTS, module.score), "squared")
