"""What is said of a result beside its score."""

from __future__ import annotations

import numpy as np
import pytest

from kit import scores
from kit.oof import Oof

SKEWED = np.exp(np.random.default_rng(0).normal(size=300) * 1.5)


@pytest.mark.parametrize(
    ("y", "pred", "collapsed"),
    [
        (np.arange(300.0), 150 + (np.arange(300.0) - 150) * 0.09, True),
        (np.arange(300.0), 150 + (np.arange(300.0) - 150) * 0.11, False),
        (SKEWED, np.median(SKEWED) * (SKEWED / np.median(SKEWED)) ** 0.2, False),
        (SKEWED, np.median(SKEWED) * (SKEWED / np.median(SKEWED)) ** 0.02, True),
        (-SKEWED, -np.median(SKEWED) * (SKEWED / np.median(SKEWED)) ** 0.2, False),
    ],
)
def test_a_regression_has_collapsed_where_it_hardly_differs_on_either_scale(y, pred, collapsed):
    shown = np.asarray(pred, np.float32)[:, None]
    fold = (np.arange(300) % 3).astype(np.int16)[None]
    oof = Oof(fold=fold, y=y, pred=shown[None], test=shown[None, :0])
    assert scores.spread_of(oof, np.ones(300))["collapsed"] is collapsed
