"""Target transforms: there and back, spread, limits."""

from __future__ import annotations

import numpy as np
import pytest

from kit.codecs import identity, log1p
from kit.errors import DataError
from kit.types import Pred, Task

TASK = Task("regression")


def test_identity_changes_nothing() -> None:
    y = np.array([1.0, -2.0])
    codec = identity.learn(identity.Params(), TASK, y, np.ones(2))
    pred = Pred(np.array([[3.0], [4.0]], np.float32), np.ones(2, np.float32))
    assert codec.encode(y) is y and codec.decode(pred) is pred
    assert identity.task(identity.Params(), TASK) is TASK


def test_log1p_there_and_back() -> None:
    y = np.array([0.0, 1e-9, 3.5, 1e6, -0.5])
    codec = log1p.learn(log1p.Params(), TASK, y, np.ones(5))
    encoded = codec.encode(y)
    np.testing.assert_allclose(encoded, np.log(1 + y), rtol=1e-7)
    back = codec.decode(Pred(encoded[:, None].astype(np.float32)))
    np.testing.assert_allclose(back.mean[:, 0], y, rtol=1e-5)
    assert back.std is None
    assert log1p.task(log1p.Params(), TASK) is TASK


def test_log1p_std_is_the_spread_of_the_decoded_samples() -> None:
    mean, std = 2.0, 0.01  # small, where the first order of the delta method holds
    codec = log1p.learn(log1p.Params(), TASK, np.ones(1), np.ones(1))
    pred = codec.decode(Pred(np.array([[mean]], np.float32), np.array([std], np.float32)))
    samples = np.expm1(np.random.default_rng(0).normal(mean, std, 100_000))
    assert pred.std is not None
    np.testing.assert_allclose(pred.std, samples.std(), rtol=0.01)


def test_log1p_never_overflows() -> None:
    codec = log1p.learn(log1p.Params(), TASK, np.ones(1), np.ones(1))
    pred = codec.decode(Pred(np.array([[1e4], [88.5], [-1e4]], np.float32), np.full(3, 1e3, np.float32)))
    assert np.isfinite(pred.mean).all() and pred.std is not None and np.isfinite(pred.std).all()
    assert pred.mean[0, 0] > 1e38 and pred.mean[2, 0] == -1


def test_log1p_names_the_least_value_in_learning_and_in_encoding() -> None:
    with pytest.raises(DataError, match=r"got: +-1.5, the least of 3"):
        log1p.learn(log1p.Params(), TASK, np.array([0.0, -1.5, -1.0]), np.ones(3))
    codec = log1p.learn(log1p.Params(), TASK, np.ones(1), np.ones(1))
    with pytest.raises(DataError, match=r"got: +-1, "):
        codec.encode(np.array([-1.0]))
