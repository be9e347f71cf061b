"""Losses to stop on, each by the value a model predicts: mean, quantile, probability; and where y may lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kit.types import Bools, Floats

PerRow = Callable[[Floats, Floats, float], Floats]
"""`loss(y, mean, level)` returns (n,); mean is (n,) or, for classes, (n, m)."""

_LEAST = 1e-15


@dataclass(frozen=True)
class Loss:
    """A loss by kit's name; level: the alpha of quantile and expectile, delta of huber, c of fair, power of tweedie."""

    name: str
    level: float = 0.0


@dataclass(frozen=True)
class Rule:
    """What is known of a loss: its value per row, which y it takes (`needs` in words), the open bounds of its level."""

    per_row: PerRow
    domain: Callable[[Floats], Bools] = lambda y: np.ones(len(y), np.bool_)
    needs: str = ""
    bounds: tuple[float, float] = (0.0, math.inf)


def mean_loss(loss: Loss, y: Floats, v: Floats, mean: Floats) -> float:
    """Return the weighted loss, for `squared` its root, summed in one fixed order: threads change no bit."""
    total = float(np.sum(v * LOSSES[loss.name].per_row(y, mean, loss.level)) / np.sum(v))
    return math.sqrt(total) if loss.name == "squared" else total


def _right(y: Floats, mean: Floats, level: float) -> Floats:
    return _log(mean[np.arange(len(y)), y.astype(int)])


def _log(p: Floats) -> Floats:
    return np.asarray(-np.log(np.clip(p, _LEAST, 1.0)))


def _huber(y: Floats, mean: Floats, level: float) -> Floats:
    r = np.abs(y - mean)
    return np.where(r <= level, 0.5 * r**2, level * (r - 0.5 * level))


def _fair(y: Floats, mean: Floats, level: float) -> Floats:
    r = np.abs(y - mean) / level
    return np.asarray(level**2 * (r - np.log1p(r)))


def _logcosh(y: Floats, mean: Floats, level: float) -> Floats:
    r = np.abs(y - mean)
    return np.asarray(r + np.log1p(np.exp(-2 * r)) - math.log(2))


def _pinball(y: Floats, mean: Floats, level: float) -> Floats:
    r = y - mean
    return np.maximum(level * r, (level - 1) * r)


def _expectile(y: Floats, mean: Floats, level: float) -> Floats:
    return np.asarray(np.where(y < mean, 1 - level, level) * (y - mean) ** 2)


def _tweedie(y: Floats, mean: Floats, level: float) -> Floats:
    m = np.maximum(mean, _LEAST)
    return np.asarray(m ** (2 - level) / (2 - level) - y * m ** (1 - level) / (1 - level))


def _poisson(y: Floats, mean: Floats, level: float) -> Floats:
    return np.asarray(mean - y * np.log(np.maximum(mean, _LEAST)))


def _gamma(y: Floats, mean: Floats, level: float) -> Floats:
    m = np.maximum(mean, _LEAST)
    return np.asarray(np.log(m) + y / m)


def _cross_entropy(y: Floats, mean: Floats, level: float) -> Floats:
    return np.asarray(y * _log(mean) + (1 - y) * _log(1 - mean))


def _focal(y: Floats, mean: Floats, level: float) -> Floats:
    right = np.where(y > 0, mean, 1 - mean)
    return np.asarray((1 - right) ** level * _log(right))


LOSSES: Mapping[str, Rule] = {
    "squared": Rule(lambda y, mean, level: (y - mean) ** 2),
    "absolute": Rule(lambda y, mean, level: np.abs(y - mean)),
    "huber": Rule(_huber),
    "fair": Rule(_fair),
    "logcosh": Rule(_logcosh),
    "quantile": Rule(_pinball, bounds=(0.0, 1.0)),
    "expectile": Rule(_expectile, bounds=(0.0, 1.0)),
    "mape": Rule(lambda y, mean, level: np.abs(y - mean) / np.maximum(1.0, np.abs(y))),
    "squared_log": Rule(
        lambda y, m, level: (np.log1p(y) - np.log1p(np.maximum(m, 0))) ** 2, lambda y: y > -1, "y > -1"
    ),
    "poisson": Rule(_poisson, lambda y: y >= 0, "y >= 0"),
    "gamma": Rule(_gamma, lambda y: y > 0, "y > 0"),
    "tweedie": Rule(_tweedie, lambda y: y >= 0, "y >= 0", (1.0, 2.0)),
    "cross_entropy": Rule(_cross_entropy, lambda y: (y >= 0) & (y <= 1), "y from 0 to 1"),
    "logloss": Rule(lambda y, mean, level: _log(np.where(y > 0, mean, 1 - mean))),
    "focal": Rule(_focal),
    "softmax": Rule(_right),
    "one_vs_all": Rule(_right),
    "gaussian": Rule(lambda y, mean, level: (y - mean) ** 2),
}
"""By kit's names. mape divides by at least 1, as the libraries do."""
