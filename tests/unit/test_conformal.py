"""Prediction intervals: the ends are those of the definition, and they hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from kit.conformal import NARROWEST, Errors, around, cv_plus, drawn_in, held_ends, quality


def world(n: int = 400, k: int = 4, seed: int = 0):
    rng = np.random.default_rng(seed)
    model = rng.integers(0, k, n)
    std = rng.uniform(0.2, 3.0, n)
    y = rng.normal(0, std)
    return rng, model, std, y


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_cv_plus_is_its_definition(coverage: float) -> None:
    rng, model, std, y = world(60)
    errors = Errors(model, np.abs(y) / std, np.ones(60))
    mean, scale = rng.normal(size=(4, 25)), rng.uniform(0.5, 2, (4, 25))
    low, high = cv_plus(errors, mean, scale, coverage)
    reach = errors.score[:, None] * scale[model]
    rank = int(np.ceil(coverage * 61 - 1e-9)) - 1
    np.testing.assert_allclose(high, np.sort(mean[model] + reach, axis=0)[rank], rtol=1e-9)
    np.testing.assert_allclose(low, -np.sort(reach - mean[model], axis=0)[rank], rtol=1e-9)


def test_fold_models_that_agree_make_it_the_plain_interval() -> None:
    rng, model, std, y = world()
    errors = Errors(model, np.abs(y) / std, np.ones(400))
    mean, scale = rng.normal(size=30), rng.uniform(0.5, 2, 30)
    plus = cv_plus(errors, np.tile(mean, (4, 1)), np.tile(scale, (4, 1)), 0.9)
    np.testing.assert_allclose(plus, around(errors, mean, scale, 0.9), rtol=1e-9)


def test_repeats_count_a_row_once() -> None:
    """Errors that stand three times over say what they say once, also of the rows they are of."""
    _, model, _, y = world(60)
    once = Errors(model, np.abs(y), np.ones(60))
    again = Errors(np.tile(model, 3), np.tile(np.abs(y), 3), np.full(180, 1 / 3), np.tile(np.arange(60), 3))
    for coverage in (0.5, 0.8, 0.9, 0.95, 0.97):
        assert again.quantile(coverage) == once.quantile(coverage)
    ends = held_ends(once, np.zeros(60), np.ones(60), model, 0.9)
    thrice = held_ends(again, np.zeros(180), np.ones(180), np.concatenate([model, model + 4, model + 8]), 0.9)
    np.testing.assert_array_equal(thrice, np.tile(ends, 3))


def test_too_few_rows_for_a_coverage_give_no_end() -> None:
    errors = Errors(np.zeros(8, np.int64), np.arange(8.0), np.ones(8))
    low, high = cv_plus(errors, np.zeros((1, 3)), np.ones((1, 3)), 0.95)
    assert np.isposinf(high).all() and np.isneginf(low).all()
    assert errors.quantile(0.95) == np.inf
    assert errors.quantile(0.5) == 4.0


def test_new_rows_are_held_as_often_as_asked_and_std_makes_intervals_better() -> None:
    rng, model, std, y = world(4000)
    w = np.ones(4000)
    scales = {"std": std, "flat": np.ones(4000)}
    new_std = rng.uniform(0.2, 3.0, 4000)
    truth = rng.normal(0, new_std)
    found = {}
    for name, scale in scales.items():
        errors = Errors(model, np.abs(y) / scale, w)
        new = new_std if name == "std" else np.ones(4000)
        low, high = cv_plus(errors, np.zeros((4, 4000)), np.tile(new, (4, 1)), 0.9)
        found[name] = quality(truth, low, high, w, 0.9, None)
        held = quality(y, *held_ends(errors, np.zeros(4000), scale, model, 0.9), w, 0.9, None)
        assert abs(found[name].coverage - 0.9) < 4 * found[name].se
        assert abs(held.coverage - 0.9) < 4 * held.se
    assert found["std"].winkler < 0.85 * found["flat"].winkler


def test_a_held_row_is_not_held_by_its_own_error() -> None:
    """One row is far off: the intervals of its own fold do not know of it."""
    y = np.zeros(40)
    y[0] = 100.0
    fold = np.arange(40) % 4
    errors = Errors(fold, np.abs(y), np.ones(40))
    low, high = held_ends(errors, np.zeros(40), np.ones(40), fold, 0.965)
    assert (high[fold == 0] == 0).all()
    assert (high[fold != 0] == 100).all() and (low[fold != 0] == -100).all()


def test_weights_move_the_quantile_to_the_declared_rows() -> None:
    score = np.concatenate([np.full(90, 1.0), np.full(10, 5.0)])
    rare = np.where(score == 5.0, 20.0, 1.0)
    assert Errors(np.zeros(100, np.int64), score, np.ones(100)).quantile(0.8) == 1.0
    assert Errors(np.zeros(100, np.int64), score, rare).quantile(0.8) == 5.0


def test_groups_make_the_standard_error_of_coverage_wider() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat(rng.normal(size=100), 10)
    low, high, w = np.full(1000, -1.0), np.full(1000, 1.0), np.ones(1000)
    alone = quality(y, low, high, w, 0.9, None)
    together = quality(y, low, high, w, 0.9, np.repeat(np.arange(100), 10))
    assert together.se > 2.5 * alone.se
    assert alone.winkler == pytest.approx(2 + 20 * (np.maximum(np.abs(y) - 1, 0)).mean())


def test_the_average_of_fold_models_errs_less_by_their_variance() -> None:
    """Five models with errors of their own beside noise of 1: each errs by 1 + .5, their average by 1 + .1."""
    rng, n, new = np.random.default_rng(2), 4000, 4000
    fold, own = np.arange(n) % 5, rng.normal(0, np.sqrt(0.5), n)
    held, w = rng.normal(size=n), np.ones(n)
    errors = Errors(fold, np.abs(rng.normal(size=n) - own), w)
    centre = rng.normal(size=new)
    mean, truth = centre + rng.normal(0, np.sqrt(0.5), (5, new)), centre + rng.normal(size=new)
    scale = np.ones((5, new))
    part = drawn_in(errors, held, mean, scale, 0.9)
    assert part == pytest.approx(np.sqrt(1.1 / 1.9), abs=0.02)
    noisy = drawn_in(errors, held, mean, scale * np.exp([[0.2], [-0.2], [0.2], [-0.2], [0.0]]), 0.9)
    assert noisy == pytest.approx(np.sqrt((1.5 / (1 + 0.853 * 0.032) ** 2 - 0.4) / 1.9), abs=0.02)
    low, high = cv_plus(errors, mean, scale, 0.9)
    middle = mean.mean(axis=0)
    plain = quality(truth, low, high, w, 0.9, None)
    drawn = quality(truth, middle + part * (low - middle), middle + part * (high - middle), w, 0.9, None)
    assert abs(drawn.coverage - 0.9) < 3 * drawn.se < plain.coverage - 0.9
    assert drawn.winkler < 0.95 * plain.winkler


def test_rows_of_another_kind_hardly_make_intervals_narrower() -> None:
    """Most new rows lie where no held one does, and models far apart: they count as the held rows at that end do."""
    rng = np.random.default_rng(3)
    held = np.sort(rng.normal(size=1000))
    errors = Errors(np.arange(1000) % 5, np.abs(rng.normal(size=1000)), np.ones(1000))
    like, far = held[::2] + 0.1 * rng.normal(size=(5, 500)), 9 + 30 * rng.normal(size=(5, 4000))
    alone = drawn_in(errors, held, like, np.ones_like(like), 0.9)
    both = np.concatenate([like, np.abs(far)], axis=1)
    assert 1 - alone < 0.02 and drawn_in(errors, held, both, np.ones_like(both), 0.9) > 0.88
    assert drawn_in(errors, held, far, np.ones_like(far), 0.9) >= NARROWEST
    assert drawn_in(errors, held, np.tile(held, (5, 1)), np.ones((5, 1000)), 0.9) == 1.0
