"""Behaviour of the three boosters, each against slow or known answers."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from kit import registry
from kit.contracts import Run, never
from kit.errors import FitError, RecipeError
from kit.types import Block, Design, Pred, Task

BOOSTERS = ("lightgbm", "xgboost", "catboost")
SQUARED = Task("regression", "squared")
TASKS = {
    "squared": SQUARED,
    "absolute": Task("regression", "absolute"),
    "logloss": Task("binary", "logloss", ("a", "b"), "b"),
    "softmax": Task("multiclass", "softmax", ("a", "b", "c", "d")),
    "gaussian": Task("regression", "gaussian"),
}
CASES = [(name, o) for name in BOOSTERS for o in TASKS if o in registry.load("models", name).OBJECTIVES]


def module(name: str) -> Any:
    return registry.load("models", name)


def run(seed: int = 5, **more: Any) -> Run:
    return Run(np.random.default_rng(seed), **more)


def design(n: int, objective: str, seed: int = 0) -> Design:
    """Return rows with a strong category (30 levels), a weak one (4), noise and missing values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 20)).astype(np.float32)
    x[:, 0], x[:, 7] = rng.integers(0, 30, n), rng.integers(0, 4, n)
    signal = (x[:, 0] % 5) + np.sin(3 * x[:, 1]) + x[:, 2] * (x[:, 7] == 2)
    y = signal + 0.3 * (1 + np.abs(x[:, 3])) * rng.normal(size=n)
    x[rng.random((n, 20)) < 0.03] = np.nan
    if objective == "logloss":
        y = (y > 2).astype(float)
    elif objective == "softmax":
        y = np.digitize(y, [1, 2, 3]).astype(float)
    names = tuple(f"c{i}" for i in range(20))
    blocks = (
        Block(names[:5], x[:, :5], {"c0": 30}),
        Block(names[5:], x[:, 5:], {"c7": 4}),
    )
    return Design(blocks, y, rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n))


def part(whole: Design, index: Any) -> Design:
    blocks = tuple(replace(b, x=b.x[index]) for b in whole.blocks)
    return Design(blocks, None if whole.y is None else whole.y[index], whole.w[index], whole.v[index])


def blind(whole: Design) -> Design:
    return replace(whole, y=None)


def loss(task: Task, rows: Design, pred: Pred) -> float:
    """Return the stop loss, by rows and in the plainest way."""
    mean, assert_y = pred.mean.astype(float), rows.y
    assert assert_y is not None
    total = 0.0
    for i, y in enumerate(assert_y):
        if task.objective == "squared":
            total += rows.v[i] * (y - mean[i, 0]) ** 2
        elif task.objective == "absolute":
            total += rows.v[i] * abs(y - mean[i, 0])
        elif task.objective == "gaussian":
            assert pred.std is not None
            s2 = float(pred.std[i]) ** 2
            total += rows.v[i] * 0.5 * (np.log(2 * np.pi * s2) + (y - mean[i, 0]) ** 2 / s2)
        else:
            p = mean[i, int(y)] if task.objective == "softmax" else mean[i, 0] if y else 1 - mean[i, 0]
            total -= rows.v[i] * np.log(max(p, 1e-15))
    total /= rows.v.sum()
    return float(np.sqrt(total)) if task.objective == "squared" else total


def fitted(name: str, task: Task, train: Design, stop: Design | None, how: Run | None = None, **params: Any) -> Any:
    m, how = module(name), how or run()
    p = m.Params(**params)
    return m.fit(p, task, m.prepare(p, task, train, stop, how), how)


def digest(pred: Pred) -> str:
    std = b"" if pred.std is None else pred.std.tobytes()
    return hashlib.sha256(pred.mean.tobytes() + std).hexdigest()


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_fit_learns_stops_and_repeats(name: str, objective: str, tmp_path: Path) -> None:
    task, rows = TASKS[objective], design(3000, objective)
    train, stop, test = part(rows, slice(0, 2000)), part(rows, slice(2000, 2500)), part(rows, slice(2500, None))
    # Codes learning never met: beyond the header's, and within it.
    train.blocks[0].x[train.blocks[0].x[:, 0] == 11, 0] = 12
    stop.blocks[0].x[:20, 0] = 31
    m, params = module(name), {"n_estimators": 60, "learning_rate": 0.2, "patience": 10}
    p = m.Params(**params)
    data = m.prepare(p, task, train, stop, run())
    model = m.fit(p, task, data, run())
    pred = model.predict(blind(test))
    assert pred.mean.shape == (500, task.n_out)
    assert (pred.std is not None) == (objective == "gaussian")
    if task.kind != "regression":
        assert pred.mean.min() >= 0
        assert pred.mean.max() <= 1
    if task.kind == "multiclass":
        np.testing.assert_allclose(pred.mean.sum(1), 1, atol=1e-5)
    base = fitted(name, task, part(train, slice(0, 1)), None).predict(blind(test)) if objective != "gaussian" else None
    if base is not None:
        assert loss(task, test, pred) < 0.7 * loss(task, test, base)
    # The curve is the loss of what predict says on the stop rows, new categories included; the best step is its best.
    assert model.best_step == int(np.argmin(model.curve)) + 1
    assert len(model.curve) in (60, model.best_step + 10)
    np.testing.assert_allclose(
        loss(task, stop, model.predict(blind(stop))), model.curve[model.best_step - 1], rtol=1e-5
    )
    # Reused data, two threads, a second load: the same bits.
    other = m.Params(**{**params, "learning_rate": 0.3, "n_estimators": 10})
    m.fit(other, task, data, run())
    again = m.fit(p, task, data, run())
    np.testing.assert_array_equal(again.curve, model.curve)
    assert digest(again.predict(blind(test))) == digest(pred)
    fresh = fitted(name, task, train, stop, run(threads=2), **params)
    np.testing.assert_array_equal(fresh.curve, model.curve)
    assert digest(fresh.predict(blind(test))) == digest(pred)
    model.save(tmp_path)
    loaded = m.load(tmp_path)
    assert digest(loaded.predict(blind(test))) == digest(pred)
    assert loaded.best_step == model.best_step
    np.testing.assert_array_equal(loaded.curve, model.curve)
    gain = loaded.importance()
    assert gain.shape == (20,)
    assert int(np.argmax(gain)) in (0, 1)


@pytest.mark.parametrize("name", BOOSTERS)
def test_steps_watch_and_no_stop_rows(name: str) -> None:
    rows = design(600, "squared")
    train, stop = part(rows, slice(0, 400)), part(rows, slice(400, None))
    exact = fitted(name, SQUARED, train, stop, run(steps=25), patience=1, learning_rate=1.0)
    assert (exact.best_step, len(exact.curve)) == (25, 25)
    plain = fitted(name, SQUARED, train, None, n_estimators=25, learning_rate=1.0)
    assert (plain.best_step, len(plain.curve)) == (25, 0)
    assert digest(plain.predict(blind(stop))) == digest(exact.predict(blind(stop)))
    seen: list[tuple[int, float]] = []

    def watch(step: int, score: float) -> bool:
        seen.append((step, score))
        return step == 7

    ended = fitted(name, SQUARED, train, stop, run(watch=watch), learning_rate=0.1)
    assert [s for s, _ in seen] == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal([score for _, score in seen], ended.curve)
    assert ended.best_step == int(np.argmin(ended.curve)) + 1
    assert never(1, 0.0) is False


@pytest.mark.parametrize("name", BOOSTERS)
def test_watched_or_not_a_fit_is_the_same(name: str) -> None:
    rows = design(600, "logloss")
    train, stop = part(rows, slice(0, 400)), part(rows, slice(400, None))
    alone, watched = (
        fitted(name, TASKS["logloss"], train, stop, run(watch=w), patience=7) for w in (never, lambda *_: False)
    )
    assert alone.model == watched.model
    assert alone.best_step + 7 == len(alone.curve)
    np.testing.assert_array_equal(alone.curve, watched.curve)


@pytest.mark.parametrize("name", BOOSTERS)
def test_weights_zero_drops_and_counts(name: str) -> None:
    rows = design(900, "squared")
    train, stop = part(rows, slice(0, 600)), part(rows, slice(600, None))
    zero = np.where(np.arange(600) % 3 == 0, 0.0, train.w)
    dropped = fitted(name, SQUARED, replace(train, w=zero), stop, n_estimators=20)
    kept = fitted(name, SQUARED, part(train, np.flatnonzero(zero)), stop, n_estimators=20)
    assert digest(dropped.predict(blind(stop))) == digest(kept.predict(blind(stop)))
    garbage = replace(stop, y=np.where(np.arange(300) < 100, 1e6, stop.y), v=(np.arange(300) >= 100).astype(float))
    honest = part(stop, slice(100, None))
    a = fitted(name, SQUARED, train, garbage, n_estimators=20)
    b = fitted(name, SQUARED, train, replace(honest, v=np.ones(200)), n_estimators=20)
    np.testing.assert_array_equal(a.curve, b.curve)
    with pytest.raises(FitError, match="no row to learn from"):
        fitted(name, SQUARED, replace(train, w=np.zeros(600)), stop)


@pytest.mark.parametrize("name", BOOSTERS)
@pytest.mark.parametrize("objective", ["squared", "logloss", "softmax"])
def test_tiny_and_degenerate_data(name: str, objective: str, tmp_path: Path, capfd: Any) -> None:
    task, rows = TASKS[objective], design(40, objective)
    train, stop = part(rows, slice(0, 20)), part(rows, slice(20, None))
    assert train.y is not None
    assert fitted(name, task, train, stop).predict(blind(stop)).mean.shape == (20, task.n_out)
    one = fitted(name, task, replace(train, y=np.ones(20)), stop)
    expected = np.eye(4)[1] if objective == "softmax" else np.ones(1)
    np.testing.assert_array_equal(one.predict(blind(stop)).mean, np.tile(expected, (20, 1)))
    one.save(tmp_path)
    np.testing.assert_array_equal(module(name).load(tmp_path).predict(blind(stop)).mean, np.tile(expected, (20, 1)))
    if objective == "softmax":
        two = replace(train, y=np.where(train.y > 1, 3.0, 1.0))
        mean = fitted(name, task, two, stop).predict(blind(stop)).mean
        assert mean.shape == (20, 4)
        assert mean[:, [0, 2]].max() < 0.05
    flat = replace(train, blocks=(Block(("k",), np.full((20, 1), 3, np.float32)),))
    constant = fitted(name, task, flat, None).predict(blind(flat)).mean
    share = (
        np.average(train.y == 1, weights=train.w) if objective == "softmax" else np.average(train.y, weights=train.w)
    )
    np.testing.assert_allclose(constant[0, 1 if objective == "softmax" else 0], share, rtol=1e-5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "given", "native"),
    [
        (
            "lightgbm",
            {"eta": 0.2, "num_leaf": 9, "path_smooth": 1.5, "subsample_freq": 2},
            {"path_smooth": 1.5, "bagging_freq": 2},
        ),
        ("xgboost", {"eta": 0.2, "max_leaves": 9, "min_split_loss": 0.5}, {"gamma": 0.5}),
        ("catboost", {"eta": 0.2, "max_depth": 7, "min_child_samples": 9}, {"min_data_in_leaf": 9}),
    ],
)
def test_native_names(name: str, given: dict[str, Any], native: dict[str, Any]) -> None:
    m = module(name)
    params = m.Params(**given)
    assert params.learning_rate == 0.2
    assert params.native == native
    assert m.Params(**params.model_dump()) == params
    assert m.Params(learning_rate=0.2) == m.Params(eta=0.2)
    with pytest.raises(ValidationError, match="learning_rate is given twice"):
        m.Params(eta=0.2, learning_rate=0.1)
    with pytest.raises(ValidationError, match="set `seed` of the recipe"):
        m.Params(random_state=3)
    with pytest.raises(ValidationError, match="no parameter learning_rat"):
        m.Params(native={"learning_rat": 3})
    rows = design(300, "squared")
    changed = fitted(name, SQUARED, rows, None, n_estimators=20, **given).predict(blind(rows))
    plain = fitted(name, SQUARED, rows, None, n_estimators=20, learning_rate=0.2).predict(blind(rows))
    assert digest(changed) != digest(plain)


@pytest.mark.parametrize(
    ("name", "objective", "bad"),
    [
        ("lightgbm", {"objective": "quantile", "alpha": 0.9}, "auc"),
        ("xgboost", {"objective": "reg:quantileerror", "quantile_alpha": 0.9}, "survival:cox"),
        ("catboost", {"loss_function": "Quantile:alpha=0.9"}, "AUC"),
    ],
)
def test_native_objective(name: str, objective: dict[str, Any], bad: str) -> None:
    rows = design(1500, "squared")
    pred = fitted(name, SQUARED, rows, None, n_estimators=60, **objective).predict(blind(rows))
    assert rows.y is not None
    assert 0.85 < float(np.mean(rows.y < pred.mean[:, 0])) < 0.95
    with pytest.raises(RecipeError, match="no such objective for a regression"):
        fitted(name, SQUARED, rows, None, **{**objective, next(iter(objective)): bad})


def test_gaussian_std_follows_the_noise_and_the_scale() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (3000, 2)).astype(np.float32)
    noise = np.where(x[:, 0] > 0, 3000.0, 300.0)
    y = 1e6 + 1e4 * x[:, 1] + noise * rng.normal(size=3000)
    rows = Design((Block(("a", "b"), x),), y, np.ones(3000), np.ones(3000))
    pred = fitted("catboost", TASKS["gaussian"], rows, None, n_estimators=200).predict(blind(rows))
    assert pred.std is not None
    assert 2000 < np.median(pred.std[x[:, 0] > 0.1]) < 4000
    assert 200 < np.median(pred.std[x[:, 0] < -0.1]) < 600


def test_catboost_gives_its_own_std_under_any_metric_of_a_regression_where_it_is_asked_to() -> None:
    rows = design(300, "gaussian")
    known = fitted("catboost", TASKS["gaussian"], rows, None, n_estimators=20).predict(blind(rows))
    assert known.std is not None
    for params in ({"objective": "gaussian"}, {"loss_function": "RMSEWithUncertainty"}):
        asked = fitted("catboost", SQUARED, rows, None, n_estimators=20, **params).predict(blind(rows))
        assert asked.std is not None
        assert (asked.mean.tobytes(), asked.std.tobytes()) == (known.mean.tobytes(), known.std.tobytes())
    with pytest.raises(RecipeError, match="no such objective"):
        fitted("lightgbm", SQUARED, rows, None, objective="gaussian")
