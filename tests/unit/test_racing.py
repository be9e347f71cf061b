"""When trials are given up: block values, paired looks, extrapolated curves."""

from __future__ import annotations

import numpy as np
import pytest

from kit import registry
from kit._tune import blocks
from kit._tune.racing import Race, Run, optimistic, race
from kit._tune.summary import Gain
from kit.types import Pred, Task

RNG = np.random.default_rng(0)


def test_blocks_are_of_about_one_size_and_keep_groups_whole() -> None:
    group = RNG.integers(0, 60, 500)
    found = blocks.assign(500, group, np.random.default_rng(1))
    assert all(len(np.unique(found[group == g])) == 1 for g in range(60))
    sizes = np.bincount(found)
    assert len(sizes) == blocks.BLOCKS
    assert sizes.max() <= 2 * sizes.min()
    alone = np.bincount(blocks.assign(500, None, np.random.default_rng(1)))
    assert (alone == 25).all()
    assert len(np.unique(blocks.assign(7, None, np.random.default_rng(1)))) == 7


def test_pseudo_values_of_a_mean_are_the_means_of_the_blocks() -> None:
    loss, v, block = RNG.normal(size=90), RNG.uniform(0.5, 2, 90), np.arange(90) % 9
    found = blocks.pseudo_values(lambda rows: float(np.average(loss[rows], weights=v[rows])), block, v)
    assert np.allclose(found, [np.average(loss[block == b], weights=v[block == b]) for b in range(9)])


@pytest.mark.parametrize(("metric", "kind"), [("auc", "binary"), ("rmse", "regression")])
def test_their_spread_is_the_error_of_a_metric_that_is_no_mean(metric: str, kind: str) -> None:
    """Over many samples, the standard error that blocks claim agrees with how much the metric in fact varies."""
    classes = ("a", "b") if kind == "binary" else ()
    task = Task(kind, "logloss" if classes else "squared", classes, "b" if classes else None)  # type: ignore[arg-type]
    score = registry.metric(metric).score
    values, claimed = [], []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=400)
        y = (x + rng.normal(size=400) > 0).astype(float) if classes else x + rng.standard_t(5, 400)
        pred = (1 / (1 + np.exp(-x)) if classes else x)[:, None].astype(np.float32)
        block = blocks.assign(400, None, rng)

        def part(rows: np.ndarray, y: np.ndarray = y, pred: np.ndarray = pred) -> float:
            return float(score(task, y[rows], Pred(pred[rows]), np.ones(rows.sum())))

        found = blocks.pseudo_values(part, block, np.ones(400))
        values.append(score(task, y, Pred(pred), np.ones(400)))
        claimed.append(blocks.difference(found, np.zeros_like(found))[1])
    assert 0.8 < np.mean(claimed) / np.std(values) < 1.25


def run(number: int, mean: float, seed: int, base: np.ndarray, noise: float = 0.1) -> Run:
    """Return a run whose blocks lie `mean` above `base`, with folds that differ a little more than their rows say."""
    rng = np.random.default_rng(seed)
    folds = mean + rng.normal(0, noise / 5, 5)
    values = base + folds[:, None] + rng.normal(0, noise, base.shape)
    stops = base.mean(1) + mean + rng.normal(0, noise / 4, 5)
    return Run(number, tuple(values), tuple(stops))


def looks(race_: Race, trial: Run) -> bool:
    """Return whether a trial is given up at any look, fold after fold."""
    for k in range(5):
        before = Run(trial.number, trial.blocks[:k], trial.stops[:k])
        if race_.hopeless(before, trial.stops[k]):
            return True
        if k < 4 and race_.behind(Run(trial.number, trial.blocks[: k + 1], trial.stops[: k + 1])):
            return True
    return False


def given_up(mean: float, alpha: float = 0.3) -> float:
    """Return the share of trials that lie `mean` behind and are given up."""
    base = RNG.normal(1, 0.1, (5, blocks.BLOCKS))
    rival = run(0, 0.0, 1, base, noise=0.0)
    known = [run(i, 0.02 * i, i + 10, base) for i in range(1, 8)]
    race_ = race([rival, *known], rival, 5, alpha)
    assert race_.pairs == 35
    assert 0.7 < race_.slope < 1.3
    return float(np.mean([looks(race_, run(99, mean, 100 + s, base)) for s in range(200)]))


def test_trials_far_behind_are_given_up_and_equal_ones_are_not() -> None:
    assert given_up(0.3) > 0.99
    assert given_up(0.0) < 0.3
    assert given_up(-0.05) < 0.02


def test_a_smaller_error_gives_up_less() -> None:
    assert given_up(0.03, 0.02) < given_up(0.03, 0.5)


def test_one_fold_of_one_block_proves_nothing() -> None:
    rival = Run(0, (np.array([1.0]),), (1.0,))
    assert not race([], rival, 5, 0.3).behind(Run(1, (np.array([9.0]),), (9.0,)))


def test_a_stop_loss_says_nothing_before_it_was_seen_to() -> None:
    base = RNG.normal(1, 0.1, (5, blocks.BLOCKS))
    rival = run(0, 0.0, 1, base)
    one = race([rival, run(1, 0.1, 2, base)], rival, 5, 0.3)
    assert one.pairs == 5
    assert not one.hopeless(Run(2, (), ()), 100.0)


def test_a_lead_in_the_folds_before_weighs_against_a_bad_stop_loss() -> None:
    base = RNG.normal(1, 0.1, (5, blocks.BLOCKS))
    rival = run(0, 0.0, 1, base, noise=0.0)
    race_ = race([rival, *(run(i, 0.02 * i, i, base) for i in range(1, 8))], rival, 5, 0.3)
    lead = tuple(b - 0.2 for b in rival.blocks[:3])
    bad = rival.stops[3] + 4 * race_.noise
    assert race_.hopeless(Run(9, (), ()), rival.stops[0] + 4 * race_.noise)
    assert not race_.hopeless(Run(9, lead, rival.stops[:3]), bad)


@pytest.mark.parametrize("rate", [0.003, 0.01, 0.03])
@pytest.mark.parametrize("at", [60, 150, 400])
def test_a_curve_does_not_fall_below_what_is_said(rate: float, at: int) -> None:
    step = np.arange(1, 2001)
    falling = 1 + np.exp(-rate * step)
    power = 1 + (1 + rate * step) ** -1.2
    for curve in (falling, power):
        assert optimistic(curve[:at], 2000) <= curve[-1] + 1e-9


def test_a_curve_that_has_turned_is_taken_at_its_lowest() -> None:
    curve = [*np.linspace(2, 1, 100), *np.linspace(1, 1.5, 300)]
    assert optimistic(curve, 2000) == 1.0


def test_a_gain_is_real_where_its_interval_is_above_zero() -> None:
    assert Gain(0.2, 0.1, 0.3).real
    assert not Gain(0.2, -0.1, 0.5).real
