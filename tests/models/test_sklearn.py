"""Estimators of scikit-learn as a learner: the encoding, the columns of classes, errors, and saving without pickle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.contracts import Run
from kit.errors import DataError, RecipeError
from kit.models import _estimators as estimators
from kit.models import sklearn as plugin
from kit.models._matrix import Encoder
from kit.types import Block, Design, Task

VALUE = Task("regression")
BINARY = Task("binary", "logloss", ("a", "b"), "b")
MULTI = Task("multiclass", "softmax", ("a", "b", "c", "d"))


def run(threads: int = 1) -> Run:
    return Run(np.random.default_rng(3), threads=threads)


def design(n: int = 200, seed: int = 0) -> Design:
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(5, 10, n), rng.integers(0, 3, n), rng.normal(0, 1, n)]).astype(np.float32)
    y = 0.5 * x[:, 0] + np.array([0.0, 4.0, -3.0])[x[:, 1].astype(int)] + 0.1 * rng.normal(size=n)
    return Design((Block(("a", "k", "b"), x, {"k": 3}),), y, rng.uniform(0.5, 1.5, n), np.ones(n))


def fitted(task: Task, rows: Design, how: Run | None = None, **params: Any) -> plugin.Estimator:
    p, how = plugin.Params(**params), how or run()
    return plugin.fit(p, task, plugin.prepare(p, task, rows, None, how), how)


def test_encoder_by_hand() -> None:
    nan = np.nan
    x = np.array([[1, 0], [3, 2], [nan, 2], [5, nan]], np.float32)
    new = np.array([[nan, 7], [3, 2]], np.float32)
    encoder = Encoder.learn(x, {1: 9}, "robust", 100)
    # Median 3, quartiles 2 and 4; a flag; one-hot of 2 (most frequent), missing and 0.
    np.testing.assert_array_equal(encoder(x), [[-1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0]])
    np.testing.assert_array_equal(encoder(new), [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(encoder.source, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(Encoder.learn(x, {1: 9}, "none", 1)(new), [[3, 1, 0], [3, 0, 1]])
    standard = Encoder.learn(x, {1: 9}, "standard", 1)(x)[:, 0]
    np.testing.assert_allclose(standard[[0, 1, 3]], np.array([-2, 0, 2]) / np.sqrt(8 / 3))
    empty = Encoder.learn(np.full((2, 1), nan, np.float32), {}, "standard", 1)
    np.testing.assert_array_equal(empty(np.array([[4]], np.float32)), [[4, 0]])


def test_ridge_is_weighted_least_squares() -> None:
    rows = design()
    model = fitted(VALUE, rows, estimator="Ridge", params={"alpha": 1e-8}, scale="none")
    x = rows.matrix().astype(float)
    z = np.column_stack([x[:, 0], x[:, 2], x[:, 1:2] == [0, 1, 2]]) * np.sqrt(rows.w)[:, None]
    assert rows.y is not None
    slope = np.linalg.lstsq(z, rows.y * np.sqrt(rows.w), rcond=None)[0]
    expected = z @ slope / np.sqrt(rows.w)
    np.testing.assert_allclose(model.predict(replace(rows, y=None)).mean[:, 0], expected, rtol=1e-4, atol=1e-4)
    gain = model.importance()
    assert gain is not None
    assert gain.shape == (3,)


@pytest.mark.parametrize(
    ("task", "params"),
    [
        (VALUE, {"estimator": "sklearn.svm.SVR", "scale_y": True}),
        (VALUE, {"estimator": "KNeighborsRegressor", "params": {"n_neighbors": 3}}),
        (VALUE, {"estimator": "ExtraTreesRegressor", "params": {"n_estimators": 20}}),
        (
            VALUE,
            {"estimator": "MLPRegressor", "params": {"solver": "lbfgs", "hidden_layer_sizes": [8]}, "scale_y": True},
        ),
        (VALUE, {"estimator": "HistGradientBoostingRegressor", "params": {"max_iter": 5}}),
        (VALUE, {"estimator": "GaussianProcessRegressor", "scale_y": True}),
        (VALUE, {"estimator": "BayesianRidge"}),
        (BINARY, {"estimator": "LogisticRegression"}),
        (MULTI, {"estimator": "ExtraTreesClassifier", "params": {"n_estimators": 20}}),
        (MULTI, {"estimator": "GaussianNB"}),
    ],
)
def test_estimators_repeat_and_save(task: Task, params: dict[str, Any], tmp_path: Path) -> None:
    rows = design()
    assert rows.y is not None
    if task is BINARY:
        rows = replace(rows, y=(rows.y > 3).astype(float))
    elif task is MULTI:
        rows = replace(rows, y=np.where(rows.y > 3, 3.0, 1.0))
    model, blind = fitted(task, rows, **params), replace(rows, y=None)
    pred = model.predict(blind)
    assert pred.mean.shape == (200, task.n_out)
    assert (pred.std is not None) == (params["estimator"] in ("GaussianProcessRegressor", "BayesianRidge"))
    if task is MULTI:
        assert (pred.mean[:, [0, 2]] == 0).all()
        np.testing.assert_allclose(pred.mean.sum(1), 1, rtol=1e-5)
    truth = rows.y if rows.y is not None else np.empty(0)
    right = pred.mean[:, -1] if task is not MULTI else pred.mean[:, 3]
    assert np.corrcoef(right, truth)[0, 1] > 0.7
    other = fitted(task, rows, run(2), **params).predict(blind)
    model.save(tmp_path)
    for same in (other, plugin.load(tmp_path).predict(blind)):
        np.testing.assert_array_equal(same.mean, pred.mean)
        if pred.std is not None:
            assert same.std is not None
            np.testing.assert_array_equal(same.std, pred.std)


def test_one_class_is_a_constant(tmp_path: Path) -> None:
    rows = replace(design(), y=np.ones(200))
    fitted(MULTI, rows, estimator="LogisticRegression").save(tmp_path)
    np.testing.assert_array_equal(plugin.load(tmp_path).predict(rows).mean, np.tile([0, 1, 0, 0], (200, 1)))
    binary = fitted(BINARY, rows, estimator="LogisticRegression")
    np.testing.assert_array_equal(binary.predict(rows).mean, np.ones((200, 1)))


@pytest.mark.parametrize(
    ("task", "params", "says"),
    [
        (VALUE, {"estimator": "Rigde"}, "did you mean 'Ridge'"),
        (VALUE, {"estimator": "os.system"}, "no such classifier or regressor"),
        (VALUE, {"estimator": "sklearn.svm.Ridge"}, "no such classifier or regressor"),
        (VALUE, {"estimator": "MultiTaskLasso"}, "several targets at once"),
        (VALUE, {"estimator": "RegressorChain", "params": {"estimator": {"estimator": "Ridge"}}}, "several targets"),
        (MULTI, {"estimator": "ClassifierChain", "params": {"estimator": {"estimator": "GaussianNB"}}}, "several"),
        (VALUE, {"estimator": "Ridge", "params": {"alhpa": 1.0}}, "did you mean 'alpha'"),
        (VALUE, {"estimator": "Ridge", "params": {"random_state": 1}}, "recipe's `seed`"),
        (VALUE, {"estimator": "ExtraTreesClassifier"}, "use ExtraTreesRegressor"),
        (BINARY, {"estimator": "Ridge"}, "use LogisticRegression"),
        (
            BINARY,
            {"estimator": "OutputCodeClassifier", "params": {"estimator": {"estimator": "GaussianNB"}}},
            "neither",
        ),
        (
            VALUE,
            {"estimator": "GaussianProcessRegressor", "params": {"kernel": "RBF(__import__('os'))"}},
            "not a kernel",
        ),
        (VALUE, {"estimator": "GaussianProcessRegressor", "params": {"kernel": "os.system(1)"}}, "not a kernel"),
        (BINARY, {"estimator": "KNeighborsClassifier", "class_weight": "balanced"}, "no row weights"),
        (Task("regression", "gaussian"), {"estimator": "Ridge"}, "BayesianRidge"),
    ],
)
def test_errors_name_the_next_step(task: Task, params: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        fitted(task, replace(design(), y=(np.arange(200) % 2).astype(float)), **params)
    assert says in str(caught.value)


def test_load_refuses_foreign_types(tmp_path: Path) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    fitted(VALUE, design(), estimator="Ridge").save(tmp_path)
    skops.io.dump(FunctionTransformer(Path), tmp_path / "model.skops")
    with pytest.raises(DataError, match="foreign types"):
        plugin.load(tmp_path)


def test_estimators_are_found_without_what_scikit_learn_bundles_for_torch() -> None:
    found = estimators.catalogue()
    kinds = {"Ridge": "regressor", "LogisticRegression": "classifier", "KernelRidge": "regressor", "PCA": ""}
    assert {name: found[name][1] for name in kinds} == kinds
    assert not {"BaseEstimator", "TransformerMixin", "LinearModel"} & set(found) and len(found) > 200
    assert not [m.__name__ for m in estimators._public("sklearn") if {"externals", "tests"} & {*m.__name__.split(".")}]
