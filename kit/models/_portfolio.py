"""Known good starts of a tuning session, tried after the defaults."""

from __future__ import annotations

from collections.abc import Mapping

from kit.params import Scalar

LIGHTGBM: tuple[Mapping[str, Scalar], ...] = (
    {"leaves": 20, "learning_rate": 0.04, "extra_trees": True, "min_leaf": 20, "colsample": 0.7, "l2": 0.5},
    {"leaves": 16, "min_category": 10, "cat_l2": 1.0, "onehot": 16, "colsample": 0.5},
    {"leaves": 8, "learning_rate": 0.05, "colsample": 0.6, "l2": 1.0},
)
"""Chosen by benchmarks/portfolio.py, on holdouts cut from the training rows of 9 sets."""

XGBOOST: tuple[Mapping[str, Scalar], ...] = (
    {"depth": 4, "learning_rate": 0.05, "colsample_level": 0.7, "min_weight": 1.0, "l2": 2.0},
    {"depth": 3, "learning_rate": 0.08, "subsample": 0.8, "min_weight": 5.0, "l1": 0.5},
    {"grow": "lossguide", "depth": 10, "leaves": 24, "learning_rate": 0.03, "min_weight": 4.0, "subsample": 0.8},
)
"""Chosen by benchmarks/portfolio.py, on holdouts cut from the training rows of 7 sets."""
