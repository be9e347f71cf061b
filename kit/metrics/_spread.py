"""The std of a prediction, for metrics of distributions."""

from __future__ import annotations

import numpy as np

from kit.errors import DataError
from kit.types import Floats, Pred

LEAST = 1e-12
"""A std below this is set to it: a likelihood of certainty has no value."""


def spread(pred: Pred, metric: str) -> Floats:
    """Return (n,) float64, the std of a prediction.

    Raises:
        DataError: it has none.
    """
    if pred.std is None or np.isnan(pred.std).any():
        raise DataError(
            f"{metric} needs a prediction with std, and this one has none",
            allowed="models trained for a gaussian: hetero_mlp, catboost, sklearn estimators with return_std",
            next="use such models and a blend that keeps std (mean, hill_climb, nnls, precision), or rmse",
        )
    return np.maximum(pred.std.astype(np.float64), LEAST)
