"""Target transforms: there and back, spread, limits."""

from __future__ import annotations

import numpy as np
import pytest

from kit.codecs import identity, log1p, log_residual, rank, residual, round, round_to_class
from kit.errors import DataError
from kit.types import Column, Pred, Rows, Task

TASK = Task("regression")


def rows(y: list[float] | np.ndarray, source: list[float] | None = None) -> Rows:
    y = np.asarray(y, np.float64)
    x = {} if source is None else {"@s": np.asarray(source, np.float32)[:, None]}
    return Rows(np.arange(len(y)), x, {"@s": Column("vector")} if x else {}, y=y)


def test_identity_changes_nothing() -> None:
    y = np.array([1.0, -2.0])
    codec = identity.learn(identity.Params(), TASK, rows(y))
    pred = Pred(np.array([[3.0], [4.0]], np.float32), np.ones(2, np.float32))
    assert codec.encode(rows(y)) is y and codec.decode(pred, rows(y)) is pred
    assert identity.task(identity.Params(), TASK) is TASK


def test_log1p_there_and_back() -> None:
    y = np.array([0.0, 1e-9, 3.5, 1e6, -0.5])
    codec = log1p.learn(log1p.Params(), TASK, rows(y))
    encoded = codec.encode(rows(y))
    np.testing.assert_allclose(encoded, np.log(1 + y), rtol=1e-7)
    back = codec.decode(Pred(encoded[:, None].astype(np.float32)), rows(y))
    np.testing.assert_allclose(back.mean[:, 0], y, rtol=1e-5)
    assert back.std is None
    assert log1p.task(log1p.Params(), TASK) is TASK


def test_log1p_std_is_the_spread_of_the_decoded_samples() -> None:
    mean, std = 2.0, 0.01  # small, where the first order of the delta method holds
    codec = log1p.learn(log1p.Params(), TASK, rows([1.0]))
    pred = codec.decode(Pred(np.array([[mean]], np.float32), np.array([std], np.float32)), rows([0.0]))
    samples = np.expm1(np.random.default_rng(0).normal(mean, std, 100_000))
    assert pred.std is not None
    np.testing.assert_allclose(pred.std, samples.std(), rtol=0.01)


def test_log1p_never_overflows() -> None:
    codec = log1p.learn(log1p.Params(), TASK, rows([1.0]))
    pred = codec.decode(
        Pred(np.array([[1e4], [88.5], [-1e4]], np.float32), np.full(3, 1e3, np.float32)), rows([0.0] * 3)
    )
    assert np.isfinite(pred.mean).all() and pred.std is not None and np.isfinite(pred.std).all()
    assert pred.mean[0, 0] > 1e38 and pred.mean[2, 0] == -1


def test_log1p_names_the_least_value_in_learning_and_in_encoding() -> None:
    with pytest.raises(DataError, match=r"got: +-1.5, the least of 3"):
        log1p.learn(log1p.Params(), TASK, rows([0.0, -1.5, -1.0]))
    codec = log1p.learn(log1p.Params(), TASK, rows([1.0]))
    with pytest.raises(DataError, match=r"got: +-1, "):
        codec.encode(rows([-1.0]))


def test_residual_is_what_the_source_leaves() -> None:
    codec = residual.learn(residual.Params(source="s"), TASK, rows([1.0, 2.0], [0.5, 3.0]))
    codec = type(codec)("@s")
    assert codec.encode(rows([1.0, 2.0], [0.5, 3.0])).tolist() == [0.5, -1.0]
    back = codec.decode(Pred(np.array([[0.25], [0.5]], np.float32)), rows([0.0, 0.0], [1.0, 2.0]))
    assert back.mean[:, 0].tolist() == [1.25, 2.5]


def test_log_residual_finds_the_spread_of_noise() -> None:
    """Errors of sd 3 around the source: the mean of the encoded values decodes to a std near 3."""
    rng = np.random.default_rng(0)
    source = rng.normal(size=20_000)
    noisy = rows(source + rng.normal(0, 3, len(source)), list(source))
    codec = log_residual.learn(log_residual.Params(source="@s"), TASK, noisy)
    level = codec.encode(noisy).mean()
    pred = codec.decode(Pred(np.full((2, 1), level, np.float32)), noisy.take(np.array([4, 5])))
    np.testing.assert_allclose(pred.mean[:, 0], source[4:6], rtol=1e-6)
    assert pred.std is not None
    np.testing.assert_allclose(pred.std, 3.0, rtol=0.05)
    assert log_residual.task(log_residual.Params(source="@s"), Task("regression", "absolute")).objective == "squared"


def test_rank_makes_a_bell_and_stays_within_what_was_seen() -> None:
    y = np.random.default_rng(0).exponential(size=999) ** 3
    codec = rank.learn(rank.Params(), TASK, rows(y))
    z = codec.encode(rows(y))
    assert abs(z.mean()) < 1e-6 and abs(z.std() - 1) < 0.02 and abs((z**3).mean()) < 1e-6
    far = codec.decode(Pred(np.array([[-9.0], [9.0]], np.float32)), rows([0.0, 0.0]))
    np.testing.assert_allclose(far.mean[:, 0], [y.min(), y.max()], rtol=1e-6)


def test_round_to_class_counts_from_low_and_expects() -> None:
    params = round_to_class.Params(low=2, high=5)
    codec = round_to_class.learn(params, TASK, rows([0.0]))
    assert codec.encode(rows([1.0, 2.4, 3.6, 9.0])).tolist() == [0.0, 0.0, 2.0, 3.0]
    assert round_to_class.task(params, TASK).classes == (2, 3, 4, 5)
    pred = codec.decode(Pred(np.array([[0.5, 0.0, 0.0, 0.5]], np.float32)), rows([0.0]))
    assert pred.mean.tolist() == [[3.5]] and pred.std is not None
    np.testing.assert_allclose(pred.std, np.sqrt(1.5**2 + 1 / 12), rtol=1e-6)
    best = round_to_class.learn(round_to_class.Params(low=2, high=5, expect=False), TASK, rows([0.0]))
    assert best.decode(Pred(np.array([[0.1, 0.2, 0.4, 0.3]], np.float32)), rows([0.0])).mean.tolist() == [[4.0]]


def test_round_learns_from_multiples_and_shows_predictions_as_they_are() -> None:
    codec = round.learn(round.Params(step=0.5), TASK, rows([0.0]))
    assert codec.encode(rows([1.2, 1.25, -0.3, 9.9])).tolist() == [1.0, 1.5, -0.5, 10.0]
    pred = Pred(np.array([[1.2]], np.float32), np.ones(1, np.float32))
    assert codec.decode(pred, rows([0.0])) is pred
    assert round.task(round.Params(), TASK) is TASK
