"""Any estimator of scikit-learn, on imputed, scaled and one-hot encoded columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from kit.contracts import Run
from kit.errors import FitError, RecipeError, nearest
from kit.models._boosting import learning
from kit.models._matrix import Encoder
from kit.params import Params as Base
from kit.params import Scalar
from kit.types import Array, Design, Floats, Floats32, Ints, Objective, Pred, Task, TaskKind

LIBS = ("scikit-learn", "skops")
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "logloss", "softmax", "gaussian")
STEPS = ""
STEP_GROWS = False
DATA_PARAMS = ("scale",)
DEVICES = ("cpu",)

Setting = Scalar | list[Scalar] | None


class Params(Base):
    """An estimator by name and its own parameters. Columns are imputed, scaled and one-hot encoded for it."""

    estimator: Annotated[str, Field(min_length=1)]
    """Class name (`Ridge`) or path (`sklearn.svm.SVR`) of a classifier or regressor of scikit-learn."""
    params: dict[str, Setting] = {}
    """Parameters of the estimator under its own names; `random_state` and `n_jobs` are set by kit."""
    scale: Literal["standard", "robust", "none"] = "standard"
    """Numeric columns less their mean over their sd, less their median over their quartile range, or as they are."""


@dataclass(frozen=True)
class Data:
    """Encoded learning rows: x (n, e) float64, y (n,), w (n,)."""

    encoder: Encoder
    x: Floats
    y: Floats
    w: Floats


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the encoded learning rows. Stop rows are not used: no estimator here stops on them."""
    rows = learning(train, "F")
    encoder = Encoder.learn(rows.x, train.categories, params.scale)
    return Data(encoder, encoder(rows.x), rows.y, rows.weight)


def fit(params: Params, task: Task, data: Data, run: Run) -> Estimator:
    """Return the fitted estimator.

    Raises:
        RecipeError: the estimator or a parameter is unknown, or cannot serve this task.
        FitError: the estimator refuses the data.
    """
    model = _make(params, task, run)
    y = data.y if task.kind == "regression" else data.y.astype(np.int64)
    if task.kind != "regression" and len(np.unique(y)) == 1:
        return Estimator(None, data.encoder, task.kind, task.n_out, np.unique(y))
    with quiet():
        try:
            model.fit(data.x, y, **_weights(model, data.w))
        except (ValueError, TypeError) as error:
            raise FitError(
                f"{params.estimator} cannot be fitted", got=error, next="see its scikit-learn documentation"
            ) from error
    classes = np.asarray(getattr(model, "classes_", ()), np.int64)
    return Estimator(model, data.encoder, task.kind, task.n_out, classes)
