"""Any classifier or regressor of scikit-learn, on imputed, scaled and one-hot encoded columns."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Run
from kit.errors import DataError, FitError, RecipeError, nearest
from kit.models._boosting import learning
from kit.models._matrix import Encoder, Scale
from kit.types import Array, Design, Floats, Ints, Objective, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ("scikit-learn", "skops")
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "logloss", "softmax", "gaussian")
STEPS = ""
STEP_GROWS = False
DATA_PARAMS: tuple[str, ...] = ("scale", "levels")
DEVICES: tuple[str, ...] = ("cpu",)
COST = 0.5

_MANAGED = {"random_state": "the recipe's `seed` sets it", "n_jobs": "the run decides: threads never change a result"}
_TRUSTED = ("sklearn.", "numpy.")


class Params(base.Params):
    """An estimator by name and its own parameters. Its loss is its own: the objective does not change it."""

    estimator: Annotated[str, Field(min_length=1)]
    """Class name (`Ridge`) or path (`sklearn.svm.SVR`) of a classifier or regressor of scikit-learn."""
    params: dict[str, base.Scalar | list[base.Scalar] | None] = Field(default_factory=dict)
    """Parameters of the estimator under its own names; `random_state` and `n_jobs` are set by kit."""
    scale: Scale = "standard"
    """Numeric columns less their mean over their sd, less their median over their quartile range, or as they are."""
    levels: Annotated[int, Field(ge=1)] = 100
    """A category is one-hot encoded by this many of its most frequent levels; the others are all zeros."""
    scale_y: bool = False
    """Learn y less its mean over its sd (regression): what SVR, MLPRegressor and Gaussian processes are made for."""


@dataclass(frozen=True)
class Data:
    """Encoded learning rows: x (n, e), y (n,), w (n,)."""

    encoder: Encoder
    x: Floats
    y: Floats
    w: Floats
    n_columns: int


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the encoded learning rows. Stop rows are left alone: nothing here stops on them."""
    rows = learning(train, "F")
    encoder = Encoder.learn(rows.x, train.categories, params.scale, params.levels)
    return Data(encoder, encoder(rows.x), rows.y, rows.weight, train.n_columns)


def fit(params: Params, task: Task, data: Data, run: Run) -> Estimator:
    """Return the fitted estimator.

    Raises:
        RecipeError: the estimator or a parameter is unknown, or cannot serve this task.
        FitError: the estimator refuses the data.
    """
    model = _make(params, task, run)
    y, shift, width = data.y, 0.0, 1.0
    if task.kind != "regression":
        y = data.y.astype(np.int64)
        if (y == y[0]).all():
            return Estimator(
                None, data.encoder, task.n_out, np.unique(y).astype(np.int64), shift, width, data.n_columns
            )
    elif params.scale_y:
        shift, width = float(y.mean()), float(y.std()) or 1.0
        y = (y - shift) / width
    with _calm():
        try:
            if "sample_weight" in inspect.signature(model.fit).parameters:
                model.fit(data.x, y, sample_weight=data.w)
            else:
                model.fit(data.x, y)
        except (ValueError, TypeError) as error:
            raise FitError(f"{params.estimator} cannot be fitted", got=error, next="mend its params") from error
    if "n_jobs" in model.get_params(deep=False):
        # Forests add up their trees in the order threads finish: with one thread the sum has the same bits each time.
        model.set_params(n_jobs=None)
    classes = np.asarray(getattr(model, "classes_", ()), np.int64)
    return Estimator(model, data.encoder, task.n_out, classes, shift, width, data.n_columns)


def _make(params: Params, task: Task, run: Run) -> Any:
    """Return the estimator, not fitted yet."""
    cls = _find(params.estimator, task)
    known = sorted(inspect.signature(cls).parameters)
    for name in params.params:
        place = f"{params.estimator}.params.{name}"
        if name in _MANAGED:
            raise RecipeError(f"{name} is not yours to set", place=place, next=_MANAGED[name])
        if name not in known:
            raise RecipeError("unknown parameter", place=place, got=name, allowed=known, next=nearest(name, known))
    config: dict[str, Any] = dict(params.params)
    if "random_state" in known:
        config["random_state"] = int(run.rng.integers(2**31 - 1))
    if "n_jobs" in known:
        config["n_jobs"] = run.threads
    try:
        model = cls(**config)
    except TypeError as error:
        raise RecipeError("the estimator cannot be made", place=params.estimator, got=error) from error
    if task.kind != "regression" and not hasattr(model, "predict_proba"):
        advice = "choose one that has it, such as LogisticRegression or ExtraTreesClassifier"
        raise RecipeError("the classifier has no predict_proba", got=params.estimator, next=advice)
    if task.objective == "gaussian" and not _has_std(model):
        advice = "choose one that predicts a std: BayesianRidge, ARDRegression, GaussianProcessRegressor"
        raise RecipeError("the regressor predicts no std", got=params.estimator, next=advice)
    return model


@cache
def _catalogue() -> dict[str, tuple[type, str]]:
    """Return class name -> class and kind of all classifiers and regressors of scikit-learn itself."""
    from sklearn.utils.discovery import all_estimators

    with _calm():
        return {name: (cls, kind) for kind in ("classifier", "regressor") for name, cls in all_estimators(kind)}


def _find(path: str, task: Task) -> type:
    """Return the class of a name or path; nothing outside scikit-learn is ever imported."""
    module, _, name = path.rpartition(".")
    cls, kind = _catalogue().get(name, (None, ""))
    if cls is None or not f"{cls.__module__}.".startswith(f"{module}." if module else "sklearn."):
        hint = nearest(name, _catalogue()) or "see the list of estimators in scikit-learn's documentation"
        raise RecipeError("scikit-learn has no such classifier or regressor", got=path, next=hint)
    wanted = "regressor" if task.kind == "regression" else "classifier"
    if kind != wanted:
        twin = name.replace(kind.title(), wanted.title())
        usual = "Ridge" if wanted == "regressor" else "LogisticRegression"
        advice = f"use {twin if twin != name and twin in _catalogue() else usual}"
        raise RecipeError(f"a {task.kind} task needs a {wanted}", got=f"{path}, a {kind}", next=advice)
    return cls


def _has_std(model: Any) -> bool:
    return "return_std" in inspect.signature(model.predict).parameters


@contextmanager
def _calm() -> Iterator[None]:
    """Run without library warnings and with one BLAS and OpenMP thread, so that threads cannot change sums."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


def load(folder: Path) -> Estimator:
    """Return the model that `save` wrote.

    Raises:
        DataError: the file holds a type that is neither scikit-learn's nor numpy's.
    """
    import skops.io

    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    model, file = None, folder / "model.skops"
    if meta["fitted"]:
        foreign = skops.io.get_untrusted_types(file=file)
        bad = [name for name in foreign if not name.startswith(_TRUSTED)]
        if bad:
            raise DataError("the model file holds foreign types", place=str(file), got=", ".join(bad))
        model = skops.io.load(file, trusted=foreign)
    classes = np.array(meta["classes"], np.int64)
    encoder = Encoder.load(folder / "encoder.npz")
    return Estimator(model, encoder, meta["n_out"], classes, meta["shift"], meta["width"], meta["n_columns"])


@dataclass(frozen=True, eq=False)
class Estimator:
    """A fitted estimator, or None where y was one class. classes (c,) are those it met; y = shift + width * output."""

    model: Any
    encoder: Encoder
    n_out: int
    classes: Ints
    shift: float
    width: float
    n_columns: int
    best_step: int = 0

    @property
    def curve(self) -> Floats:
        """Empty: there are no steps."""
        return np.empty(0)

    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""
        if self.model is None:
            return self._shares(np.ones((len(design), 1)))
        x = self.encoder(design.matrix("F"))
        with _calm():
            if len(self.classes):
                return self._shares(self.model.predict_proba(x))
            if _has_std(self.model):
                mean, std = self.model.predict(x, return_std=True)
                return Pred(self._value(mean), (self.width * np.asarray(std)).astype(np.float32).reshape(-1))
            return Pred(self._value(self.model.predict(x)))

    def _value(self, out: Array) -> Array:
        return (self.shift + self.width * np.asarray(out, np.float64)).astype(np.float32).reshape(-1, 1)

    def _shares(self, out: Array) -> Pred:
        """Return probabilities (n, c) of the classes met as those of all classes."""
        full = np.zeros((len(out), max(self.n_out, 2)), np.float32)
        full[:, self.classes] = out
        return Pred(full if self.n_out > 1 else full[:, 1:])

    def importance(self) -> Floats | None:
        """Return (d,) the estimator's own importances or absolute coefficients, added up per matrix column, or None."""
        weights = getattr(self.model, "feature_importances_", None)
        if weights is None:
            coef = getattr(self.model, "coef_", None)
            if not isinstance(coef, np.ndarray) or coef.shape[-1] != len(self.encoder.source):
                return None
            weights = np.abs(coef).reshape(-1, coef.shape[-1]).sum(axis=0)
        total = np.bincount(self.encoder.source, np.asarray(weights, np.float64), self.n_columns)
        return total.astype(np.float64)

    def save(self, folder: Path) -> None:
        """Write the estimator with skops, the encoder as .npz, the rest as JSON."""
        import skops.io

        if self.model is not None:
            skops.io.dump(self.model, folder / "model.skops")
        self.encoder.save(folder / "encoder.npz")
        meta = {
            "fitted": self.model is not None,
            "n_out": self.n_out,
            "classes": self.classes.tolist(),
            "shift": self.shift,
            "width": self.width,
            "n_columns": self.n_columns,
        }
        (folder / "meta.json").write_text(json.dumps(meta), "utf-8")
