"""Estimators of scikit-learn by name: found, checked, built with nested ones and kernels; and what suits each."""

from __future__ import annotations

import ast
import importlib
import inspect
import operator
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from kit.errors import RecipeError, nearest
from kit.types import Task

_OPERATORS: Mapping[type, Any] = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Pow: operator.pow}

_MANAGED = {"random_state": "the recipe's `seed` sets it", "n_jobs": "the run decides: threads never change a result"}

_TREES = ("Tree", "Forest", "HistGradientBoosting", "GradientBoosting", "Bagging", "AdaBoost")
_COUNTS = ("MultinomialNB", "ComplementNB", "CategoricalNB")
_SCALES_Y = ("SVR", "NuSVR", "LinearSVR", "MLPRegressor", "SGDRegressor", "KernelRidge", "GaussianProcessRegressor")


_APART = ("conftest", "datasets", "experimental", "externals", "tests", "utils")
"""Modules of scikit-learn that hold no estimators."""


@dataclass(frozen=True)
class Recipe:
    """How estimators are built: threads and the seed they may draw from."""

    threads: int
    seed: int


@contextmanager
def calm() -> Iterator[None]:
    """Run without library warnings and with one BLAS and OpenMP thread, so that threads cannot change sums."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


@cache
def catalogue() -> dict[str, tuple[type, str]]:
    """Return class name -> class and kind (classifier, regressor or "") of all estimators of scikit-learn itself.

    Its own `all_estimators` gives the same, but imports torch on the way, and its tests.
    """
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    found: dict[str, tuple[type, str]] = {}
    for module in _public("sklearn"):
        for cls in vars(module).values():
            if not (inspect.isclass(cls) and issubclass(cls, BaseEstimator)) or cls is BaseEstimator:
                continue
            if cls.__module__.startswith("sklearn.") and cls.__name__[0] != "_" and not inspect.isabstract(cls):
                regressor, classifier = issubclass(cls, RegressorMixin), issubclass(cls, ClassifierMixin)
                found[cls.__name__] = (cls, "regressor" if regressor else "classifier" if classifier else "")
    return found


def _public(package: str) -> Iterator[ModuleType]:
    """Yield the public modules of a package, those within them too."""
    with calm():
        module = importlib.import_module(package)
    yield module
    for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not inner.name.startswith("_") and inner.name not in _APART:
            yield from _public(f"{package}.{inner.name}")


def find(path: str, task: Task) -> type:
    """Return the class of a name or path; nothing outside scikit-learn is ever imported.

    Raises:
        RecipeError: there is no such estimator, or it is of the wrong kind for the task.
    """
    cls, kind = _class_of(path)
    wanted = "regressor" if task.kind == "regression" else "classifier"
    if kind != wanted:
        name = cls.__name__
        twin = name.replace(kind.title(), wanted.title()) if kind else name
        usual = "Ridge" if wanted == "regressor" else "LogisticRegression"
        advice = f"use {twin if twin != name and twin in catalogue() else usual}"
        got = f"{path}, a {kind}" if kind else path
        raise RecipeError(f"a {task.kind} task needs a {wanted}", place="estimator", got=got, next=advice)
    return cls


def _class_of(path: str) -> tuple[type, str]:
    module, _, name = path.rpartition(".")
    cls, kind = catalogue().get(name, (None, ""))
    if cls is None or not f"{cls.__module__}.".startswith(f"{module}." if module else "sklearn."):
        fits = [n for n, (_, kind) in catalogue().items() if kind]
        hint = nearest(name, fits) or "see the list of estimators in scikit-learn's documentation"
        rule = "scikit-learn has no such classifier or regressor"
        raise RecipeError(rule, place="estimator", got=path, next=hint)
    return cls, kind


def build(cls: type, given: Mapping[str, Any], recipe: Recipe) -> Any:
    """Return the estimator, not fitted yet; params may hold estimators as {estimator: name, params: {...}}.

    Raises:
        RecipeError: a parameter is unknown, or not the recipe's to set.
    """
    known = sorted(inspect.signature(cls).parameters)
    for name in given:
        place = f"{cls.__name__}.params.{name}"
        if name in _MANAGED:
            raise RecipeError(f"{name} is not yours to set", place=place, next=_MANAGED[name])
        if name not in known:
            raise RecipeError("unknown parameter", place=place, got=name, allowed=known, next=nearest(name, known))
    config = {name: _value(name, value, recipe) for name, value in given.items()}
    if cls.__name__.startswith("GaussianProcess") and "kernel" not in config:
        noise = " + WhiteKernel(0.1)" if cls.__name__.endswith("Regressor") else ""
        config["kernel"] = kernel(f"1.0 * RBF(1.0){noise}")
    if "random_state" in known:
        config["random_state"] = recipe.seed
    if "n_jobs" in known:
        config["n_jobs"] = recipe.threads
    try:
        return cls(**config)
    except TypeError as error:
        raise RecipeError("the estimator cannot be made", place=cls.__name__, got=error) from error


def _value(name: str, value: Any, recipe: Recipe) -> Any:
    if isinstance(value, Mapping) and "estimator" in value:
        return build(_class_of(str(value["estimator"]))[0], value.get("params") or {}, recipe)
    if isinstance(value, list | tuple):
        return [_value(name, each, recipe) for each in value]
    return kernel(value) if name == "kernel" and isinstance(value, str) and "(" in value else value


def kernel(text: str) -> Any:
    """Return the kernel of a Gaussian process, written as in Python: `1.0 * RBF(1.0) + WhiteKernel(0.1)`.

    Only kernels of scikit-learn, numbers, lists, +, * and ** are read; nothing is evaluated.

    Raises:
        RecipeError: the text is something else.
    """
    try:
        return _kernel_of(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, ValueError) as error:
        example = "write it as 1.0 * RBF(1.0) + WhiteKernel(0.1)"
        raise RecipeError("not a kernel", place="kernel", got=f"{text}: {error}", next=example) from error


def _kernel_of(node: ast.expr) -> Any:
    from sklearn.gaussian_process import kernels

    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        combined: Any = _OPERATORS[type(node.op)](_kernel_of(node.left), _kernel_of(node.right))
        return combined
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        cls = getattr(kernels, node.func.id, None)
        if not (inspect.isclass(cls) and issubclass(cls, kernels.Kernel)):
            raise ValueError(f"{node.func.id} is no kernel")
        named = {str(k.arg): _kernel_of(k.value) for k in node.keywords}
        return cls(*(_kernel_of(a) for a in node.args), **named)
    return ast.literal_eval(node)


# -- what suits an estimator


def scale_of(name: str) -> str:
    """Return how numeric columns suit an estimator: trees take them as they are, counts want them from 0 to 1."""
    short = name.rpartition(".")[2]
    if short in _COUNTS:
        return "minmax"
    return "none" if any(word in short for word in _TREES) else "standard"


def scales_y(name: str) -> bool:
    """Return whether an estimator is made for a y of mean 0 and sd 1."""
    return name.rpartition(".")[2] in _SCALES_Y


def takes_weights(model: Any) -> bool:
    """Return whether `fit` takes row weights."""
    return "sample_weight" in inspect.signature(model.fit).parameters


def wants_targets(model: Any) -> bool:
    """Return whether it learns several targets at once and no single one."""
    try:
        tags = model.__sklearn_tags__()
    except AttributeError:  # of one inside that was left out, which `fit` will speak of
        return False
    return not tags.target_tags.single_output


def predicts_std(model: Any) -> bool:
    """Return whether `predict` can give a standard deviation."""
    return "return_std" in inspect.signature(model.predict).parameters


def with_probabilities(model: Any, counts: list[int], seed: int) -> Any:
    """Return a classifier that gives probabilities: itself, or calibrated by 3 folds of the learning rows.

    Source: Platt scaling as in sklearn.calibration, what scikit-learn advises for its own SVC.

    Raises:
        RecipeError: it gives no scores either, or a class has one row only (`counts`: rows of each class).
    """
    if hasattr(model, "predict_proba"):
        return model
    name = type(model).__name__
    advice = "choose one with predict_proba, such as LogisticRegression or ExtraTreesClassifier"
    if not hasattr(model, "decision_function"):
        raise RecipeError("the classifier gives neither probabilities nor scores", got=name, next=advice)
    if counts and min(counts) < 2:
        raise RecipeError(f"{name} gets its probabilities by folds, which need two rows of each class", next=advice)
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(min([3, *counts]), shuffle=True, random_state=seed)
    return CalibratedClassifierCV(model, cv=folds, ensemble=False)
