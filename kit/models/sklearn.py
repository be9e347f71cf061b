"""Any classifier or regressor of scikit-learn, on imputed, scaled and one-hot encoded columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from kit import params as base
from kit.contracts import Run
from kit.errors import FitError, RecipeError
from kit.models import _estimators as estimators
from kit.models import _skops
from kit.models._boosting import learning
from kit.models._classes import ClassWeight, class_weighted
from kit.models._estimators import calm
from kit.models._matrix import Encoder, Scale
from kit.types import Array, Design, Floats, Ints, Objective, Pred, Task, TaskKind

LIBS: tuple[str, ...] = ("scikit-learn", "skops")
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "logloss", "softmax", "gaussian")
STEPS = ""
STEP_GROWS = False
DATA_PARAMS: tuple[str, ...] = ("estimator", "scale", "levels", "class_weight")
DEVICES: tuple[str, ...] = ("cpu",)
COST = 0.5


class Params(base.Params):
    """An estimator by name and its own parameters. Its loss is its own: the objective does not change it."""

    estimator: Annotated[str, Field(min_length=1)]
    """Class name (`Ridge`) or path (`sklearn.svm.SVR`) of a classifier or regressor of scikit-learn."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the estimator under its own names; `random_state` and `n_jobs` are set by kit. An estimator inside
    is written {estimator: Ridge, params: {...}}, a kernel of a Gaussian process `1.0 * RBF(1.0) + WhiteKernel(0.1)`."""
    scale: Scale | Literal["auto"] = "auto"
    """Numeric columns less their mean over their sd, less their median over their quartile range, from 0 to 1, or as
    they are. auto: none for trees, minmax for naive Bayes of counts, else standard."""
    levels: Annotated[int, Field(ge=1)] = 100
    """A category is one-hot encoded by this many of its most frequent levels; the others are all zeros."""
    scale_y: bool | None = None
    """Learn y less its mean over its sd (regression). None: for SVR, MLPRegressor, SGDRegressor, KernelRidge and
    Gaussian processes, which are made for it."""
    rows: Annotated[int | None, Field(ge=2)] = None
    """Most learning rows, drawn at random: Gaussian processes and kernel methods cost the square or cube of them."""
    class_weight: ClassWeight = None
    """Weight of each class in learning: `balanced`, or {label: weight}; classes not named count 1."""


@dataclass(frozen=True)
class Data:
    """Encoded learning rows: x (n, e), y (n,), w (n,)."""

    encoder: Encoder
    x: Floats
    y: Floats
    w: Floats
    n_columns: int

    def some(self, most: int | None, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Return x, y and w of all rows, or of `most` drawn at random."""
        if most is None or most >= len(self.y):
            return self.x, self.y, self.w
        picked = np.sort(rng.permutation(len(self.y))[:most])
        return self.x[picked], self.y[picked], self.w[picked]


def check(params: Params, task: Task) -> None:
    """Raise RecipeError where the estimator or a parameter is unknown, or cannot serve this task."""
    _make(params, task, estimators.Recipe(1, 0))


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the encoded learning rows. Stop rows are left alone: nothing here stops on them."""
    rows = learning(class_weighted(train, task, params.class_weight), "F")
    scale = estimators.scale_of(params.estimator) if params.scale == "auto" else params.scale
    encoder = Encoder.learn(rows.x, train.categories, scale, params.levels)  # type: ignore[arg-type]
    return Data(encoder, encoder(rows.x), rows.y, rows.weight, train.n_columns)


def fit(params: Params, task: Task, data: Data, run: Run) -> Estimator:
    """Return the fitted estimator.

    Raises:
        RecipeError: the estimator or a parameter is unknown, or cannot serve this task.
        FitError: the estimator refuses the data.
    """
    x, y, w = data.some(params.rows, run.rng)
    recipe = estimators.Recipe(run.threads, int(run.rng.integers(2**31 - 1)))
    model, shift, width = _make(params, task, recipe), 0.0, 1.0
    notes: tuple[str, ...] = ()
    if task.kind != "regression":
        y = y.astype(np.int64)
        found = np.unique(y).astype(np.int64)
        if len(found) == 1:
            return Estimator(None, data.encoder, task.n_out, found, shift, width, data.n_columns)
        model = estimators.with_probabilities(model, np.bincount(y)[found].tolist(), recipe.seed)
    elif estimators.scales_y(params.estimator) if params.scale_y is None else params.scale_y:
        shift, width = float(y.mean()), float(y.std()) or 1.0
        y = (y - shift) / width
    weights: dict[str, Floats] = {"sample_weight": w} if estimators.takes_weights(model) else {}
    if not weights and (w != w[0]).any():
        notes = (f"{params.estimator} takes no row weights: every row counted the same",)
    with calm():
        try:
            model.fit(x, y, **weights)
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            got = str(error).strip().splitlines()[0]
            raise FitError(f"{params.estimator} cannot be fitted", got=got, next="mend its params") from error
    if "n_jobs" in model.get_params(deep=False):
        # Forests add up their trees in the order threads finish: with one thread the sum has the same bits each time.
        model.set_params(n_jobs=None)
    classes = np.asarray(getattr(model, "classes_", ()), np.int64)
    return Estimator(model, data.encoder, task.n_out, classes, shift, width, data.n_columns, notes=notes)


def _make(params: Params, task: Task, recipe: estimators.Recipe) -> Any:
    """Return the estimator, not fitted yet, if it can serve the task."""
    model = estimators.build(estimators.find(params.estimator, task), params.params, recipe)
    if estimators.wants_targets(model):
        rule, advice = "the estimator learns several targets at once", "name the estimator inside it, or Ridge"
        raise RecipeError(rule, place="estimator", got=params.estimator, allowed="one for a single target", next=advice)
    if task.objective == "gaussian" and not estimators.predicts_std(model):
        advice = "choose one that predicts a std: BayesianRidge, ARDRegression, GaussianProcessRegressor"
        raise RecipeError("the regressor predicts no std", place="estimator", got=params.estimator, next=advice)
    if task.kind != "regression":
        estimators.with_probabilities(model, [], 0)
    if params.class_weight is not None and not estimators.takes_weights(model):
        advice = "leave it out, or choose another estimator"
        rule = "the estimator takes no row weights, so that classes cannot be weighed"
        raise RecipeError(rule, place="class_weight", got=params.estimator, next=advice)
    return model


def load(folder: Path) -> Estimator:
    """Return the model that `save` wrote.

    Raises:
        DataError: the file holds a type that is neither scikit-learn's nor numpy's.
    """
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    model = _skops.load(folder / "model.skops") if meta["fitted"] else None
    encoder, classes = Encoder.load(folder / "encoder.npz"), np.array(meta["classes"], np.int64)
    sizes = (meta["shift"], meta["width"], meta["n_columns"])
    return Estimator(model, encoder, meta["n_out"], classes, *sizes, notes=tuple(meta["notes"]))


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
    notes: tuple[str, ...] = ()

    @property
    def curve(self) -> Floats:
        """Empty: there are no steps."""
        return np.empty(0)

    def predict(self, design: Design) -> Pred:
        """Return the prediction (on the encoded scale) for a design whose y is None."""
        if self.model is None:
            return self._shares(np.ones((len(design), 1)))
        x = self.encoder(design.matrix("F"))
        with calm():
            if len(self.classes):
                return self._shares(self.model.predict_proba(x))
            if estimators.predicts_std(self.model):
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
        if self.model is not None:
            _skops.save(self.model, folder / "model.skops")
        self.encoder.save(folder / "encoder.npz")
        meta = {
            "fitted": self.model is not None,
            "n_out": self.n_out,
            "classes": self.classes.tolist(),
            "shift": self.shift,
            "width": self.width,
            "n_columns": self.n_columns,
            "notes": self.notes,
        }
        (folder / "meta.json").write_text(json.dumps(meta), "utf-8")
