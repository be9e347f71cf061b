"""What is said of a result beside its score."""

from __future__ import annotations

import numpy as np
import pytest

from kit import scores
from kit.oof import Oof
from kit.types import Task

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


def test_a_fold_in_which_no_row_counts_has_no_score():
    """All its weights are 0: it is 0 / 0 by any metric, and no reason to end a run."""
    fold = (np.arange(300) % 3).astype(np.int16)[None]
    oof = Oof(fold=fold, y=np.arange(300.0), pred=np.ones((1, 300, 1), np.float32), test=np.ones((1, 0, 1), np.float32))
    v = (fold[0] != 1).astype(np.float64)
    for metric in ("rmse", "mae", "r2", "spearman", "medae"):
        found = scores.fold_scores(Task("regression"), metric, oof, v)
        assert [value is None for value in found] == [False, True, False]
    assert scores.unscored(Task("regression"), "rmse", oof, 0 * v).startswith("rmse needs a row that counts")
