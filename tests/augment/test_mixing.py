"""Augmenters that mix rows or copy rare ones: known values, slow references, what may be mixed with what."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from pydantic import ValidationError
from test_augment import N, check_synthetic, make_rows, slow_donors

from kit.augment import cmixup, interpolate, mixup, oversample, smogn
from kit.augment._mixing import draw_shares, mix, mix_labels
from kit.errors import RecipeError
from kit.types import NO_PARENT, Column, Rows


def make(module: ModuleType, rows: Rows, seed: int = 1, **params: object) -> Rows:
    made: Rows = module.make(module.Params.model_validate(params), rows, np.random.default_rng(seed))
    return made


def share_of(new: Rows, rows: Rows, name: str = "length") -> np.ndarray:
    """Return the share the first parent has in a column."""
    own, other = rows.x[name][new.parents[:, 0] - 100], rows.x[name][new.parents[:, 1] - 100]
    return (new.x[name] - other) / (own - other)


def test_shares_and_labels() -> None:
    rng = np.random.default_rng(0)
    even = draw_shares((0.5, 0.9), 4000, rng)
    assert even.min() > 0.5 and even.max() < 0.9 and even.mean() == pytest.approx(0.7, abs=0.01)
    bell = draw_shares(cmixup.Beta(beta=2.0), 4000, rng)
    np.testing.assert_allclose([bell.mean(), bell.std()], [0.5, np.sqrt(0.05)], atol=0.01)
    own, other, share = np.full(3, 10.0), np.full(3, 2.0), np.array([0, 0.5, 1.0])
    np.testing.assert_allclose(mix_labels("linear", own, other, share, rng), [2, 6, 10])
    np.testing.assert_allclose(mix_labels("square", own, other, share, rng), [2, 4, 10])
    drawn = mix_labels("draw", np.full(4000, 10.0), np.full(4000, 2.0), np.full(4000, 0.75), rng)
    assert set(drawn) == {2.0, 10.0} and (drawn == 10).mean() == pytest.approx(0.75, abs=0.03)


def test_what_either_row_lacks_is_the_parents() -> None:
    own, other = np.array([1.0, np.nan, 3.0]), np.array([3.0, 1.0, np.nan])
    np.testing.assert_array_equal(mix(own, other, np.full(3, 0.5)), [2, np.nan, 3])
    vec = mix(np.ones((2, 2), np.float32), np.array([[3, np.nan], [5, 5]], np.float32), np.array([0.5, 0.25]))
    assert vec.dtype == np.float32
    np.testing.assert_array_equal(vec, [[2, 1], [4, 4]])


def test_mixup_mixes_numbers_vectors_and_y_by_one_share() -> None:
    rows = make_rows()
    new = make(mixup, rows, per_row=3, weight=0.5, share=[0.2, 0.4])
    parent, donor = check_synthetic(new, rows, 0.5)
    assert len(new) == 3 * N and (parent != donor).all()
    share = share_of(new, rows)
    assert share.min() > 0.2 and share.max() < 0.4
    vec = rows.x["answer_vec"]
    np.testing.assert_allclose(new.x["answer_vec"], vec[donor] + share[:, None] * (vec[parent] - vec[donor]), atol=1e-5)
    np.testing.assert_allclose(new.y, rows.y[donor] + share * (rows.y[parent] - rows.y[donor]))
    for name in ("prompt", "answer", "metric"):
        np.testing.assert_array_equal(new.x[name], rows.x[name][parent])
    alone = make(mixup, rows, columns=["length"])
    np.testing.assert_array_equal(alone.x["answer_vec"], vec[alone.parents[:, 0] - 100])


def test_mixup_of_a_low_and_a_high_row_of_one_key() -> None:
    """Case B of the second solution: three mixups of a low and a high row of one metric."""
    rows = make_rows(n=300)
    rules = {"where": {"y": [None, 4]}, "partner": {"y": [8, None]}, "within": "metric", "share": [0.5, 0.9]}
    new = make(mixup, rows, per_row=3, **rules)
    parent, donor = check_synthetic(new, rows, 1.0)
    assert len(new) == 3 * (rows.y <= 4).sum()
    assert (rows.y[parent] <= 4).all() and (rows.y[donor] >= 8).all()
    np.testing.assert_array_equal(rows.x["metric"][parent], rows.x["metric"][donor])
    least = make(mixup, rows, score={"formula": "min(own, other)"}, **rules)
    np.testing.assert_array_equal(least.y, rows.y[least.parents[:, 0] - 100])
    assert len(make(mixup, replace(rows, y=np.full(300, 5.0)), **rules)) == 0


def test_mixup_draws_partners_evenly_and_never_the_row_itself() -> None:
    rows = make_rows(n=10)
    new = make(mixup, rows, per_row=100)
    for i in range(10):
        count = np.bincount(new.parents[new.parents[:, 0] == 100 + i, 1] - 100, minlength=10)
        assert count[i] == 0 and count.sum() == 100 and np.delete(count, i).min() > 1
    apart = make(mixup, rows, per_row=20, across="metric")
    assert (rows.x["metric"][apart.parents[:, 0] - 100] != rows.x["metric"][apart.parents[:, 1] - 100]).all()


@pytest.mark.parametrize(("label", "power"), [("linear", 1), ("square", 2)])
def test_interpolate_goes_from_the_own_row_to_a_mismatch(label: str, power: int) -> None:
    rows = make_rows()
    new = make(interpolate, rows, columns=["answer_vec", "length"], label=label, to=1.0, per_row=4)
    parent, donor = check_synthetic(new, rows, 1.0)
    assert (rows.group[parent] != rows.group[donor]).all()
    share = share_of(new, rows)
    np.testing.assert_allclose(new.y, 1 + (rows.y[parent] - 1) * share**power)
    np.testing.assert_array_equal(new.x["answer"], rows.x["answer"][parent])
    assert (rows.x["answer_vec"][parent] != rows.x["answer_vec"][donor]).any(axis=1).all()


def test_interpolate_may_end_anywhere() -> None:
    rows = make_rows(n=1000)
    new = make(interpolate, rows, columns=["answer_vec"], share=[0, 0], to={"normal": [2, 0.5], "clip": [1, None]})
    assert new.y.min() == 1 and new.y.mean() == pytest.approx(2, abs=0.05)
    assert slow_donors(rows, 3)  # texts decide who is a mismatch of texts; here the vectors do


def test_cmixup_draws_partners_by_the_distance_of_y() -> None:
    n = 400
    rng = np.random.default_rng(3)
    y = np.sort(rng.gamma(2.0, 2.0, n))
    rows = Rows(100 + np.arange(n), {"a": rng.normal(size=n)}, {"a": Column("numeric")}, y=y)
    h = 0.4 * y.std()
    new = make(cmixup, rows, bandwidth=0.4, per_row=100)
    parent, donor = new.parents.T - 100
    assert (parent != donor).all()
    odds = np.exp(-((y[:, None] - y[None, :]) ** 2) / (2 * h * h))
    np.fill_diagonal(odds, 0)
    odds /= odds.sum(axis=1, keepdims=True)
    for i in (0, 100, 250, 390, n - 1):
        drawn = np.bincount(donor[parent == i], minlength=n)
        blocks = [drawn[k : k + 40].sum() / 100 for k in range(0, n, 40)]
        np.testing.assert_allclose(blocks, odds[i].reshape(10, 40).sum(axis=1), atol=0.17)
    expected = odds @ y
    near = np.bincount(parent, y[donor], n) / np.bincount(parent, minlength=n)
    assert np.abs(near - expected).mean() < 0.12 * y.std()


def test_cmixup_of_lonely_rows() -> None:
    one = Rows(np.arange(3), {"a": np.arange(3.0)}, {"a": Column("numeric")}, y=np.array([0.0, 0.0, 1000.0]))
    new = make(cmixup, one, bandwidth=0.001, per_row=5)
    far = new.parents[new.parents[:, 0] == 2, 1]
    assert set(far.tolist()) <= {0, 1} and len(far) == 5, "the nearest there is"
    assert len(make(cmixup, one.take(np.array([1])))) == 0
    same = replace(one, y=np.ones(3))
    assert len(make(cmixup, same)) == 3


def test_oversampling_fills_the_bins() -> None:
    y = np.array([0.0] * 40 + [1.0] * 7 + [2.0] * 2)
    rows = Rows(100 + np.arange(49), {}, {}, y=y)
    new = make(oversample, rows)
    assert np.bincount(new.y.astype(int)).tolist() == [0, 33, 20], "to 40, with at most ten copies of a row"
    np.testing.assert_array_equal(new.y, y[new.parents[:, 0] - 100])
    np.testing.assert_array_equal(new.parents[:, 1], NO_PARENT)
    copies = np.bincount(new.parents[:, 0] - 100, minlength=49)
    assert copies[40:47].max() - copies[40:47].min() == 1
    assert np.bincount(make(oversample, rows, ratio=0.25).y.astype(int)).tolist() == [0, 3, 8]
    assert np.bincount(make(oversample, rows, most=1).y.astype(int)).tolist() == [0, 7, 2]
    assert make(oversample, rows, where={"y": [2, None]}).y.tolist() == [2.0] * 20
    assert len(make(oversample, replace(rows, y=np.zeros(49)))) == 0


def slow_relevance(y: np.ndarray, value: float) -> float:
    q1, median, q3 = np.percentile(y, [25, 50, 75])
    low, high = min(v for v in y if v >= q1 - 1.5 * (q3 - q1)), max(v for v in y if v <= q3 + 1.5 * (q3 - q1))
    t = (median - value) / (median - low) if value < median else (value - median) / (high - median)
    t = min(max(t, 0.0), 1.0)
    return 3 * t * t - 2 * t**3


def test_smogn_grows_the_extremes() -> None:
    rng = np.random.default_rng(0)
    n = 300
    y = rng.normal(size=n) ** 3
    x = {"a": y + 0.1 * rng.normal(size=n), "p": rng.normal(size=(n, 3)).astype(np.float32)}
    rows = Rows(100 + np.arange(n), x, {"a": Column("numeric"), "p": Column("vector", width=3)}, y=y)
    extreme = np.array([slow_relevance(y, v) >= 0.8 for v in y])
    new = make(smogn, rows, per_row=5, columns=["a"])
    parent, donor = new.parents.T - 100
    assert np.bincount(parent, minlength=n).tolist() == (5 * extreme).tolist()
    assert extreme[donor].all() and (np.sign(y[parent]) == np.sign(y[donor])).all() and (parent != donor).all()
    inside = (new.y >= np.minimum(y[parent], y[donor])) & (new.y <= np.maximum(y[parent], y[donor]))
    gap = np.abs(x["a"][parent] - x["a"][donor])
    side = np.flatnonzero(extreme & (y > 0))
    far = np.array([np.median(np.abs(np.delete(x["a"][side], k) - x["a"][i])) for k, i in enumerate(side)]) / 2
    half = dict(zip(side.tolist(), far, strict=True))
    up = y[parent] > 0
    close = np.array([g < half[i] for g, i in zip(gap[up], parent[up].tolist(), strict=True)])
    assert inside[up][close].all() and 0 < close.mean() < 1
    lonely = new.x["a"][up][~close] - x["a"][parent[up]][~close]
    assert np.abs(lonely).max() < 5 * 0.02 * x["a"].std() and (lonely != 0).all()
    low = make(smogn, rows, side="low")
    assert (y[low.parents[:, 0] - 100] < 0).all() and len(low) > 0
    assert len(make(smogn, replace(rows, y=np.zeros(n)))) == 0


def test_smogn_keeps_labels_that_are_drawn() -> None:
    rows = make_rows(n=200)
    new = make(smogn, rows, label="draw", per_row=3)
    assert set(new.y) <= set(rows.y) and len(new) > 0


@pytest.mark.parametrize("module", [mixup, cmixup, interpolate, smogn])
def test_only_numbers_and_vectors_are_mixed(module: ModuleType) -> None:
    with pytest.raises(RecipeError, match="metric, a category column"):
        make(module, make_rows(), columns=["metric"])
    with pytest.raises(RecipeError, match="did you mean 'length'"):
        make(module, make_rows(), columns=["lenght"])


def test_mixers_without_a_column_say_so() -> None:
    rows = make_rows()
    codes = replace(rows, x={"metric": rows.x["metric"]}, header={"metric": rows.header["metric"]})
    with pytest.raises(RecipeError, match="finds no numeric or vector column"):
        make(mixup, codes)


@pytest.mark.parametrize("share", [[0.9, 0.5], [0.5, 1.5], {"beta": 0}, 0.5])
def test_a_share_is_a_part_of_one(share: object) -> None:
    with pytest.raises(ValidationError):
        mixup.Params.model_validate({"share": share})
