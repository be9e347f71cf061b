"""Blends under metrics of distributions: scores, differences and gains look at the std beside the mean."""

from __future__ import annotations

import numpy as np
import pytest

from kit import registry
from kit.averaging import gain
from kit.crossfit import BlendSpec
from kit.design import Use
from kit.members import members
from kit.oof import Oof
from kit.paired import Truth, spread
from kit.panel import Panel
from kit.standings import standings, trial, truth_of
from kit.types import Pred, Task

N, T, FOLDS = 300, 60, 3
NUMBER = Task("regression")


def sides(metric: str, *, bare: bool = False) -> tuple[Panel, BlendSpec]:
    """Return three sources, the third without a std where it is `bare`, and a blend of them."""
    rng = np.random.default_rng(0)
    y, fold = rng.normal(size=N), (np.arange(N) % FOLDS).astype(np.int16)[None]
    oofs = []
    for noise in (0.5, 0.8, 1.5):
        pred = (y + rng.normal(0, noise, N)).astype(np.float32)[None, :, None]
        test = rng.normal(size=(FOLDS, T, 1)).astype(np.float32)
        std, test_std = np.full((1, N), noise, np.float32), np.full((FOLDS, T), noise, np.float32)
        given = (None, None) if bare and noise > 1 else (std, test_std)
        oofs.append(Oof(fold, y, pred, test, *given))
    params = registry.load("stackers", "nnls").Params()
    return Panel(NUMBER, oofs, np.ones(N), None), BlendSpec(
        Use("stackers", "nnls", params), metric, NUMBER, 0, tuple("abc")
    )


@pytest.mark.parametrize("metric", ["crps", "nll"])
def test_errors_of_scores_and_of_differences_are_those_of_mean_and_std(metric):
    panel, _ = sides(metric)
    truth = truth_of(panel, metric)
    said = [s.pooled() for s in panel.sources]
    found = spread(truth, said)
    scored = registry.metric(metric).score
    loss = np.array(
        [[scored(NUMBER, truth.y[[i]], Pred(p.mean[[i]], p.std[[i]]), np.ones(1)) for i in range(N)] for p in said]
    )
    np.testing.assert_allclose(found.scores, loss.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(np.diag(found.covariance), loss.var(axis=1, ddof=1) / N, rtol=0.1)
    assert np.isnan(spread(truth, [p.mean for p in said]).scores).all()


@pytest.mark.parametrize("metric", ["crps", "nll"])
def test_the_table_and_the_members_of_a_blend_have_numbers(metric):
    panel, spec = sides(metric)
    truth, own = truth_of(panel, metric), trial(spec, panel)
    (line,) = standings([own], truth)
    assert line.nested == truth.score(own.nested) and line.plain == truth.score(own.plain) and line.se > 0
    first = members(spec, panel, truth, own)[0]
    without = trial(spec.of(np.array([1, 2])), panel.of(np.array([1, 2])))
    assert first.gain == pytest.approx(truth.score(without.plain) - truth.score(own.plain)) and first.verdict == "adds"
    assert np.isfinite(gain(truth, own.nested, panel.sources[0].test))
    assert panel.at(np.arange(9)).stds(None).shape == (3, 9)


def test_a_source_without_std_leaves_the_others_their_scores():
    panel, spec = sides("crps", bare=True)
    truth = Truth(NUMBER, "crps", panel.y, panel.v)
    scores = spread(truth, [s.pooled() for s in panel.sources]).scores
    assert np.isfinite(scores[:2]).all() and np.isnan(scores[2])
    assert standings([trial(spec, panel)], truth)[0].behind is None
