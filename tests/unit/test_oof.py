from __future__ import annotations

import numpy as np
import pytest

from kit.oof import Oof, average, carried, renumbered


def oof(**changes):
    fold = np.array([[0, 1, -1, 0], [1, 0, 0, 1]], np.int16)
    pred = np.arange(8.0, dtype=np.float32).reshape(2, 4, 1)
    pred[0, 2] = np.nan
    made = {"fold": fold, "y": np.zeros(4), "pred": pred, "test": np.ones((4, 3, 1), np.float32)}
    return Oof(**{**made, **changes})


def test_only_rows_held_in_every_repeat_are_scored():
    assert oof().scored.tolist() == [True, True, False, True]
    pooled = oof().pooled().mean[:, 0]
    np.testing.assert_array_equal(pooled, [2.0, 3.0, np.nan, 5.0])


@pytest.mark.parametrize(
    "changes",
    [
        {"y": np.zeros(5)},
        {"pred": np.zeros((2, 5, 1), np.float32)},
        {"test": np.zeros((3, 1), np.float32)},
        {"std": np.ones((2, 4), np.float32)},
    ],
)
def test_shapes_are_checked(changes):
    with pytest.raises(ValueError, match=r"must|together"):
        oof(**changes)


def test_averages_of_means_and_variances():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(3, 5, 1)).astype(np.float32), rng.uniform(0.5, 2, (3, 5)).astype(np.float32)
    plain, mixed = average(mean, std), average(mean, std, spread=True)
    np.testing.assert_allclose(plain.mean, mean.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(plain.std, np.sqrt((std**2).mean(axis=0)), rtol=1e-6)
    np.testing.assert_array_equal(mixed.mean, plain.mean)
    # The variance of a mixture of normals, by its moments.
    second = (std**2 + mean[:, :, 0] ** 2).mean(axis=0)
    np.testing.assert_allclose(mixed.std, np.sqrt(second - mean.mean(axis=0)[:, 0] ** 2), rtol=1e-4)
    assert average(mean, None).std is None


def test_a_row_with_a_value_below_0_has_no_geometric_mean():
    mean = np.array([[[2.0], [-1.0]], [[8.0], [3.0]]], np.float32)
    np.testing.assert_allclose(average(mean, None, space="geometric").mean[:, 0], [4.0, 1.0], rtol=1e-6)


def test_an_average_does_not_hang_on_the_order():
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(5, 1000, 1)).astype(np.float32)
    np.testing.assert_allclose(average(mean, None).mean, average(mean[::-1], None).mean, rtol=1e-6)


def test_test_rows_are_averaged_over_fold_models():
    test = np.arange(12.0, dtype=np.float32).reshape(4, 3, 1)
    np.testing.assert_array_equal(oof(test=test).test_mean().mean[:, 0], [4.5, 5.5, 6.5])


def test_fold_models_go_with_their_folds_whatever_the_numbers():
    wanted = np.array([[0, 0, 1, 1, 2, 2], [1, 2, 0, 1, 2, 0]], np.int16)
    own = np.array([[2, 2, 0, 0, 1, 1], [0, 1, 2, 0, 1, 2]], np.int16)
    layers = np.arange(6, dtype=np.float32).reshape(6, 1, 1)
    assert renumbered(layers, own, wanted).ravel().tolist() == [2, 0, 1, 5, 3, 4]
    assert renumbered(layers, wanted, wanted) is layers
    assert renumbered(layers[:1], own, wanted) is not None and len(renumbered(layers[:1], own, wanted)) == 1


def test_fold_models_over_a_source_lie_apart_as_the_source_does():
    rng = np.random.default_rng(4)
    source = (rng.normal(size=(3, 7, 1)) * 100).astype(np.float32)
    learnt = rng.normal(size=(3, 7, 1)).astype(np.float32)
    over = average(source, None).mean
    np.testing.assert_array_equal(carried(np.tile(over, (3, 1, 1)), source), source)
    made = carried(learnt + over, source)
    np.testing.assert_allclose(made, learnt + source, atol=2e-5)
    np.testing.assert_allclose(average(made, None).mean, average(learnt + over, None).mean, atol=2e-5)
    np.testing.assert_array_equal(carried(made, source[:1]), made)
