"""How far estimated shares may be off: drawn anew, read twice, and what that makes of a score's interval."""

from __future__ import annotations

import numpy as np
import pytest

from kit import evaluate
from kit.errors import DataError
from kit.estimate import estimate
from kit.leeway import Leeway, Sample, covariance, drawn, joined
from kit.oof import Oof
from kit.paired import Truth
from kit.types import Task

NUMBER = Task("regression")
BINARY = Task("binary", "logloss", ("no", "yes"), "yes")


def skewed(seed: int, said: float = 1.0, n: int = 1200, t: int = 400) -> tuple[Oof, np.ndarray]:
    """Return an OOF whose training rows are mostly high and whose test rows are even; `said`: std told / true std."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.85, rng.uniform(7, 10, n), rng.uniform(0, 7, n))
    truth = rng.uniform(0, 10, t)
    # Least squares on rows spread evenly, so that the errors do not depend on the rows' own distribution.
    pred, test = ((v + rng.normal(0, 1, len(v))).astype(np.float32)[None, :, None] for v in (y, truth))
    fold = (np.arange(n) % 4).astype(np.int16)[None]
    std = [np.full(len(v), said, np.float32)[None] for v in (y, truth)]
    return Oof(fold, y, pred, test, *std), truth


def leeway(oof: Oof, by: str = "sigma", group: np.ndarray | None = None) -> tuple[Leeway, np.ndarray]:
    bins, ones = evaluate.regular(NUMBER, oof.y, 10), np.ones(len(oof.y))
    was = "rows" if by == "counts" else "uniform"
    found = evaluate.estimate(NUMBER, oof, bins, ones, by, was)
    spread = covariance(NUMBER, oof, Sample(bins, ones, group), found, by, was)
    made = evaluate.declared(bins, found.shares, ones)
    return Leeway(made.bins.of, made.test, joined(bins, made.bins, spread)), made.ratio


@pytest.mark.parametrize("by", ["sigma", "counts", "both"])
def test_a_covariance_of_shares(by):
    """Shares sum to one, so their errors to none; no variance is negative; the same again, bit for bit."""
    oof, _ = skewed(0)
    made, _ = leeway(oof, by)
    assert np.abs(made.covariance.sum(axis=0)).max() < 1e-12
    assert np.linalg.eigvalsh(made.covariance).min() > -1e-12 < np.diag(made.covariance).min()
    np.testing.assert_array_equal(made.covariance, leeway(oof, by)[0].covariance)


def sampling(oof: Oof, group: np.ndarray | None = None) -> float:
    bins, ones = evaluate.regular(NUMBER, oof.y, 10), np.ones(len(oof.y))
    found = evaluate.estimate(NUMBER, oof, bins, ones, "counts")
    return float(np.trace(drawn(NUMBER, oof, Sample(bins, ones, group), found, "counts", "rows")))


def test_more_test_rows_make_it_smaller_and_whole_groups_larger():
    few, many = (sampling(skewed(1, t=t)[0]) for t in (100, 6400))
    assert many < few / 2
    oof, _ = skewed(1, t=6400)
    alike = np.repeat(np.arange(60), 20)
    oof = Oof(oof.fold, np.sort(oof.y), oof.pred[:, np.argsort(oof.y)], oof.test, oof.std, oof.test_std)
    alone, whole = (sampling(oof, group) for group in (None, alike))
    assert whole != alone


def test_what_the_smoothing_decides_shows_where_predictions_tell_little():
    """Mean of y: drawn towards a flat shape and towards the training rows', it differs where predictions are vague."""
    variance = {}
    for noise in (0.5, 4.0):
        rng = np.random.default_rng(3)
        y, truth = 10 * rng.beta(4, 1, 1200), rng.uniform(0, 10, 400)
        pred, test = ((v + rng.normal(0, noise, len(v))).astype(np.float32)[None, :, None] for v in (y, truth))
        oof = Oof((np.arange(1200) % 4).astype(np.int16)[None], y, pred, test)
        bins, ones = evaluate.regular(NUMBER, y, 10), np.ones(len(y))
        found = evaluate.estimate(NUMBER, oof, bins, ones, "counts")
        asked = (NUMBER, oof, Sample(bins, ones, None), found, "counts", "rows")
        middles = np.arange(0.5, 10)
        variance[noise] = float(middles @ (covariance(*asked) - drawn(*asked)) @ middles)
    assert variance[4.0] > 20 * variance[0.5]


def test_a_std_that_is_not_true_shows_in_the_second_reading():
    true, wide = (np.trace(leeway(skewed(2, said)[0])[0].covariance) for said in (1.0, 2.0))
    assert wide > 3 * true


def test_by_both_is_the_mean_of_four_readings_and_doubts_each():
    oof, _ = skewed(4, 1.5)
    bins, ones = evaluate.regular(NUMBER, oof.y, 10), np.ones(len(oof.y))
    both = evaluate.estimate(NUMBER, oof, bins, ones, "both", "uniform")
    each = [
        evaluate.estimate(NUMBER, oof, bins, ones, by, was, towards=towards).shares
        for by, was in (("sigma", "uniform"), ("counts", "rows"))
        for towards in ("uniform", "rows")
    ]
    np.testing.assert_allclose(both.shares, np.mean(each, axis=0))
    apart = sum(np.outer(shares - both.shares, shares - both.shares) for shares in each)
    asked = (NUMBER, oof, Sample(bins, ones, None), both, "both", "uniform")
    np.testing.assert_allclose(covariance(*asked) - drawn(*asked), apart)


def test_joined_bins_add_up():
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    fine, coarse = (
        evaluate.between(np.array([0.5, 1.5, 2.5]), edges),
        evaluate.between(np.array([0.5]), edges[[0, 2, 3]]),
    )
    found = joined(fine, coarse, np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 5.0]]))
    np.testing.assert_array_equal(found, [[7.0, 0.0], [0.0, 5.0]])


def test_the_variance_of_a_score_by_hand():
    """Two bins with mean losses 1 and 4: moving a share by s moves the score by 3 s."""
    of, loss = np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 3.0, 5.0])
    made = Leeway(of, np.array([0.5, 0.5]), 0.01 * np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert made.variance(lambda f: float(np.average(loss, weights=f))) == pytest.approx((3 * 0.1) ** 2)
    assert made.variance(lambda f: None) == 0.0


def test_what_a_card_tells():
    about = {"edges": [0.0, 5.0, 10.0], "test_shares": [0.4, 0.6], "covariance": [[0.1, -0.1], [-0.1, 0.1]]}
    made = Leeway.told(about, np.array([-1.0, 4.0, 5.0, 11.0]))
    np.testing.assert_array_equal(made.of, [0, 0, 1, 1])
    np.testing.assert_array_equal(Leeway.told({**about, "edges": None}, np.array([1.0, 0.0])).of, [1, 0])
    assert Leeway.told({"test_shares": [1.0]}, np.ones(2)) is None and Leeway.told(None, np.ones(2)) is None


@pytest.mark.slow
def test_a_std_that_is_not_true_costs_the_interval_its_cover_without_the_leeway():
    """The error of a row grows towards low y, of which there are few: the shares decide the score."""
    held: dict[bool, list[bool]] = {True: [], False: []}
    for seed in range(8):
        oof, truth = skewed(seed, 2.0, t=1200)
        made, ratio = leeway(oof)
        known = Truth(NUMBER, "rmse", oof.y, ratio)
        pred, layers = np.full((len(oof.y), 1), 9, np.float32), np.full((1, len(truth), 1), 9, np.float32)
        real = float(np.sqrt(np.mean((truth - 9) ** 2)))
        for with_it, found_in in held.items():
            found = estimate(known, pred, pred, layers, doubt=made if with_it else None)
            found_in.append(found.low <= real <= found.high)
    assert all(held[True]) and np.mean(held[False]) < 0.5


def test_a_model_of_a_rare_class_has_not_collapsed_because_the_class_is_rare():
    rng, y = np.random.default_rng(0), (np.arange(2000) < 4).astype(float)
    pred = np.where(y > 0, 0.9, 0.001).astype(np.float32)[None, :, None]
    oof = Oof(rng.integers(0, 2, (1, 2000)), y, pred, pred[:, :500])
    found = evaluate.estimate(BINARY, oof, evaluate.regular(BINARY, y, 0), np.ones(2000), "sigma")
    assert found.shares[1] < 0.05
    flat = Oof(oof.fold, y, np.full_like(pred, 0.002), pred[:, :500])
    with pytest.raises(DataError, match="has collapsed"):
        evaluate.estimate(BINARY, flat, evaluate.regular(BINARY, y, 0), np.ones(2000), "sigma")
