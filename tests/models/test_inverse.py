"""inverse: Bayes by hand, what skewed labels do not bend, missing numbers, declared distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from kit.contracts import Run
from kit.models import inverse
from kit.types import Block, Design, Task

SLOPES = np.array([1.0, -0.5, 0.8])


def drawn(y: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return x (n, 3) given y: two columns share noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(y), 3)) @ np.array([[4.5, 2.0, 0], [0, 3.0, 0], [0, 0, 4.5]])
    return (y[:, None] * SLOPES + noise).astype(np.float32)


def skewed(n: int, seed: int = 1) -> np.ndarray:
    """Return y of which 95 % lie in 8 to 10."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.95, rng.uniform(8, 10, n), rng.uniform(0, 8, n))


def design(x: np.ndarray, y: np.ndarray | None = None, level: np.ndarray | None = None) -> Design:
    blocks = [Block(tuple(f"x{j}" for j in range(x.shape[1])), x)]
    if level is not None:
        blocks.append(Block(("level",), level[:, None].astype(np.float32), {"level": int(level.max()) + 1}))
    return Design(tuple(blocks), y, np.ones(len(x)), np.ones(len(x)))


def fitted(train: Design, objective: str = "squared", **given: object) -> inverse.Inverse:
    params, task = inverse.Params.model_validate(given), Task("regression", objective)  # type: ignore[arg-type]
    run = Run(np.random.default_rng(0))
    return inverse.fit(params, task, inverse.prepare(params, task, train, None, run), run)


def rmse(pred: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean((pred - y) ** 2)))


def test_a_prediction_is_bayes_by_hand() -> None:
    y = np.random.default_rng(2).uniform(0, 10, 500)
    x = drawn(y)
    model = fitted(design(x, y), density="uniform", degree=2, shrink=0.0, points=80)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    middle, half = (y.min() + y.max()) / 2, np.ptp(y) / 2
    terms = np.stack([np.ones(500), (y - middle) / half, ((y - middle) / half) ** 2], axis=1)
    found = np.linalg.lstsq(terms, scaled, rcond=None)[0]
    cov = np.cov((scaled - terms @ found).T, bias=True)
    u = (model.grid - middle) / half
    means = np.stack([np.ones(80), u, u**2], axis=1) @ found
    for i in (0, 7, 99):
        likely = np.array([multivariate_normal(m, cov).pdf(scaled[i]) for m in means])
        share = likely / likely.sum()
        pred = model.predict(design(x[i : i + 1]))
        assert pred.mean[0, 0] == pytest.approx(share @ model.grid, rel=5e-3)
        mean = share @ model.grid
        assert pred.std is not None and pred.std[0] == pytest.approx(
            np.sqrt(share @ (model.grid - mean) ** 2), rel=5e-3
        )


def test_skewed_labels_do_not_bend_it() -> None:
    """Trained on rows of which 95 % are high, it predicts even test rows nearly as well as trained on even ones."""
    truth = np.random.default_rng(3).uniform(0, 10, 2000)
    test = design(drawn(truth, 9))
    few, even = skewed(3000), np.random.default_rng(4).uniform(0, 10, 3000)
    score = {
        name: rmse(fitted(design(drawn(y, 5), y), density=density).predict(test).mean[:, 0], truth)
        for name, y, density in (("skewed", few, "uniform"), ("even", even, "uniform"), ("as rows", few, "rows"))
    }
    assert score["skewed"] < 1.05 * score["even"]
    assert score["as rows"] > 1.5 * score["even"]


def test_shares_that_are_declared_move_the_prediction() -> None:
    y = np.random.default_rng(2).uniform(0, 10, 800)
    train, test = design(drawn(y), y), design(drawn(y, 8))
    low = fitted(train, density={"edges": [0, 5, 10], "shares": [9, 1]}).predict(test).mean
    even = fitted(train, density={"edges": [0, 5, 10], "shares": [2, 2]}).predict(test).mean
    uniform = fitted(train, density="uniform").predict(test).mean
    assert low.mean() < even.mean() - 0.3
    np.testing.assert_allclose(even, uniform, atol=0.15)


def test_what_is_missing_says_nothing() -> None:
    """A column that misses half of its values helps where it is there; a row without any gets the declared mean."""
    y = np.random.default_rng(2).uniform(0, 10, 2000)
    x, held = drawn(y), np.random.default_rng(6).uniform(0, 10, 2000)
    new = drawn(held, 7)
    for rows, seed in ((x, 1), (new, 2)):
        rows[np.random.default_rng(seed).random(2000) < 0.5, 2] = np.nan
    both = fitted(design(x, y), density="uniform").predict(design(new)).mean[:, 0]
    without = fitted(design(x[:, :2].copy(), y), density="uniform").predict(design(new[:, :2].copy())).mean[:, 0]
    there = ~np.isnan(new[:, 2])
    assert rmse(both[there], held[there]) < 0.95 * rmse(without[there], held[there])
    assert rmse(both[~there], held[~there]) < 1.01 * rmse(without[~there], held[~there])
    nothing = fitted(design(x, y), density="uniform").predict(design(np.full((1, 3), np.nan, np.float32)))
    assert nothing.mean[0, 0] == pytest.approx(5, abs=0.05)


def test_missing_numbers_do_not_bend_the_covariance() -> None:
    y = np.random.default_rng(2).uniform(0, 10, 4000)
    x = drawn(y)
    whole = fitted(design(x, y), density="uniform", shrink=0.0)
    gaps = x.copy()
    gaps[np.random.default_rng(3).random(x.shape) < 0.3] = np.nan
    holed = fitted(design(gaps, y), density="uniform", shrink=0.0)
    scale = [np.sqrt(np.outer(v, v)) for v in (x.var(axis=0), np.nanvar(gaps, axis=0))]
    np.testing.assert_allclose(holed.cov * scale[1], whole.cov * scale[0], atol=1.0)


def test_a_level_moves_the_means() -> None:
    y = np.random.default_rng(2).uniform(0, 10, 1000)
    level = np.random.default_rng(3).integers(0, 2, 1000)
    x = drawn(y) + (6 * level[:, None] * SLOPES).astype(np.float32)
    known = fitted(design(x, y, level), density="uniform").predict(design(x, None, level)).mean[:, 0]
    unknown = fitted(design(x, y), density="uniform").predict(design(x)).mean[:, 0]
    assert rmse(known, y) < 0.8 * rmse(unknown, y)


def test_absolute_errors_get_the_median() -> None:
    y = skewed(2000)
    train = design(drawn(y), y)
    mean, median = (fitted(train, objective).predict(train).mean[:, 0] for objective in ("squared", "absolute"))
    assert np.abs(median - y).mean() < np.abs(mean - y).mean()


def test_a_column_that_says_more_weighs_more() -> None:
    y = np.random.default_rng(2).uniform(0, 10, 1000)
    x = np.column_stack([drawn(y), np.random.default_rng(5).normal(size=1000)]).astype(np.float32)
    gain = fitted(design(x, y)).importance()
    assert gain is not None and gain.argmax() == 0 and gain.argmin() == 3


def test_many_rows_are_predicted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.random.default_rng(2).uniform(0, 10, 300)
    model, test = fitted(design(drawn(y), y)), design(drawn(y, 8))
    whole = model.predict(test)
    monkeypatch.setattr(inverse, "ROWS", 7)
    pieces = model.predict(test)
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-5)
    assert whole.std is not None and pieces.std is not None
    np.testing.assert_allclose(pieces.std, whole.std, rtol=1e-5)
