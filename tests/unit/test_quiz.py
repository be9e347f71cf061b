"""What leaderboard scores say: guessed from each other, and a blend only where there is a shift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kit.guessing import guess, left_out
from kit.quiz import Scores, judge, with_weights

PARTS = np.array([1, 0.6, 0.5, 0.4, 0.3, 0.2])


def world(seed: int, k: int = 12, t: int = 2000, n: int = 4000, shift: str = "", share: float = 0.3):
    """Return scores of k models on a public part, y of test and which rows are private."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n + t, 6))
    y = u @ PARTS + 0.8 * rng.normal(size=n + t)
    x = (PARTS * np.clip(rng.normal(0.85, 0.25, size=(k, 6)), 0, 1.3)) @ u.T
    x += rng.normal(size=x.shape) * rng.uniform(0.1, 0.4, size=(k, 1))
    if shift == "stretch":
        y[n:] *= 0.7
    elif shift == "part":
        y[n:] -= 0.5 * u[n:, 1]
    elif shift == "level":
        y[n:] += 0.3
        x[-1] = x[0] + 0.2
    public = np.zeros(t, bool)
    public[rng.choice(t, int(share * t), replace=False)] = True
    rmse = np.round(np.sqrt(((x[:, n:][:, public] - y[n:][public]) ** 2).mean(axis=1)), 4)
    zeros = np.zeros(k)
    scores = with_weights(Scores(x[:, n:], rmse, zeros + 1e-4, public.sum(), x[:, :n], y[:n], zeros, zeros))
    return scores, y[n:], ~public


def private(pred, y, rows) -> float:
    return float(np.sqrt(((pred - y)[rows] ** 2).mean()))


def test_weights_of_the_oof_blend_are_the_best_convex_ones():
    scores, _, _ = world(0)
    w = scores.weights
    assert w.min() >= 0
    assert w.sum() == pytest.approx(1)
    best = np.mean((w @ scores.oof - scores.y) ** 2)
    rng = np.random.default_rng(0)
    others = 0.9 * w + 0.1 * rng.dirichlet(np.ones(len(w)), 200)
    assert best <= np.mean((others @ scores.oof - scores.y) ** 2, axis=1).min() + 1e-9


def test_without_a_shift_nothing_is_claimed():
    found = [judge(world(seed)[0]) for seed in range(30)]
    assert sum(v.shifted for v in found) <= 2
    for seed in range(3):
        scores, y, rows = world(seed)
        assert private(found[seed].blend(scores.test, scores.weights), y, rows) < 1.01 * private(
            scores.weights @ scores.test, y, rows
        )
        np.testing.assert_allclose(found[seed].expected, scores.rmse, rtol=0.05)


@pytest.mark.parametrize("shift", ["stretch", "part", "level"])
def test_a_shift_is_found_and_used(shift):
    gains = []
    for seed in range(5):
        scores, y, rows = world(seed, shift=shift)
        verdict = judge(scores)
        assert verdict.shifted
        before, after = (
            private(p, y, rows) for p in (scores.weights @ scores.test, verdict.blend(scores.test, scores.weights))
        )
        gains.append(before - after)
        assert verdict.after == pytest.approx(after, rel=0.1)
        assert verdict.before == pytest.approx(before, rel=0.1)
        assert verdict.weights.sum() == pytest.approx(1)
    assert min(gains) > 0.01


def test_a_constant_beside_the_blend_tells_the_level():
    scores, _, _ = world(0, shift="level")
    assert judge(scores).level == pytest.approx(0.3, abs=0.1)


def test_few_public_rows_are_believed_less():
    p = [
        judge(replace(world(seed, shift="part", share=0.3)[0], rows=rows)).p for seed in range(3) for rows in (30, 600)
    ]
    assert all(few > many for few, many in zip(p[::2], p[1::2], strict=True))


def test_what_averaging_gives_is_no_shift():
    scores, _, _ = world(1, shift="part")
    assert judge(replace(scores, averaged=np.full(12, 0.5))).p > judge(scores).p


def test_scores_left_out_are_guessed_from_the_others():
    for seed in range(5):
        scores, _, _ = world(seed, k=8, shift="part")
        guessed, mean = left_out(scores.test, scores.rmse, scores.step, scores.rows)
        assert guessed < 0.7 * mean


def test_a_copy_scores_what_the_original_scored():
    scores, _, _ = world(0, k=5)
    for k in range(5):
        assert guess(scores.test, scores.rmse, scores.step, scores.rows, scores.test[k]) == pytest.approx(
            scores.rmse[k], rel=0.03
        )


def test_one_known_score_tells_by_distance():
    test = np.array([[0.0, 0.0, 0.0, 0.0]])
    assert guess(test, np.array([1.0]), np.array([0.01]), 4, np.full(4, 2.0)) == pytest.approx(np.sqrt(5))


def test_scores_of_other_files_do_not_fit():
    scores, _, _ = world(0, k=8, shift="part")
    mixed = np.random.default_rng(0).permutation(scores.rmse)
    guessed, mean = left_out(scores.test, mixed, scores.step, scores.rows)
    assert guessed > 0.8 * mean
