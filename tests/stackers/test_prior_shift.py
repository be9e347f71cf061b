"""prior_shift: nothing to move where nothing shifts, the truth where something does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kit import registry
from kit.canon import stream
from kit.contracts import Context
from kit.stackers import prior_shift
from kit.types import Task

N, T = 4000, 2000


def context(std: np.ndarray | None) -> Context:
    given = None if std is None else std[None].astype(np.float32)
    return Context(Task("regression"), registry.metric("rmse"), stream(0, "blend"), ("s",), given)


def skewed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y: 85 % of y above 7, x is y with noise of std 2."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(N) < 0.85, rng.uniform(7, 10, N), rng.uniform(0, 7, N))
    return y + 2 * rng.normal(size=N), y


def even(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 10, T)
    return y + 2 * rng.normal(size=T), y


def posterior(x: np.ndarray, low_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what Bayes says where so much of y lies evenly below 7 and the rest evenly above: mean and std."""
    at = np.linspace(0.005, 9.995, 1000)
    prior = np.where(at < 7, low_share / 7, (1 - low_share) / 3)
    share = prior * np.exp(-0.5 * ((x[:, None] - at) / 2) ** 2)
    share /= share.sum(axis=1, keepdims=True)
    mean = share @ at
    return mean, np.sqrt((share * (at - mean[:, None]) ** 2).sum(axis=1))


def shifted(
    train: tuple[np.ndarray, np.ndarray],
    test: np.ndarray,
    low_share: float,
    v: np.ndarray | None = None,
    **given: object,
) -> np.ndarray:
    """Return the shifted prediction of a source that says what Bayes does under `low_share`."""
    x, y = train
    mean, std = posterior(x, low_share)
    made = prior_shift.fit(
        prior_shift.Params.model_validate(given),
        context(std),
        mean[None, :, None].astype(np.float32),
        y,
        np.ones(N) if v is None else v,
    )
    new, new_std = posterior(test, low_share)
    return made(new[None, :, None].astype(np.float32), context(new_std)).mean[:, 0]


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def declared(y: np.ndarray) -> np.ndarray:
    """Return v with which the rows look even."""
    return np.where(y < 7, 0.7 / 0.15, 0.3 / 0.85)


def test_nothing_moves_where_nothing_shifts() -> None:
    x, _ = even(2)
    now = shifted(skewed(1), x, 0.15)
    np.testing.assert_allclose(now, posterior(x, 0.15)[0], atol=0.02)


def test_what_the_source_was_made_for_goes_by_the_weights_of_the_rows() -> None:
    """Rows weighed so that they look even, a source that learnt from them so: it is right as it is, and moved down
    where it is declared that test is as the rows are without their weights."""
    (x, y), (new, _) = skewed(1), even(2)
    w, told = declared(y), posterior(new, 0.7)
    mean, std = posterior(x, 0.7)

    def moved(v: np.ndarray) -> np.ndarray:
        ctx = replace(context(std), plain=w)
        made = prior_shift.fit(prior_shift.Params(), ctx, mean[None, :, None].astype(np.float32), y, v)
        return made(told[0][None, :, None].astype(np.float32), context(told[1])).mean[:, 0]

    np.testing.assert_allclose(moved(w), told[0], atol=0.15)
    np.testing.assert_allclose(moved(np.ones(N)), posterior(new, 0.15)[0], atol=0.5)


@pytest.mark.parametrize("to", ["declared", "uniform", {"edges": [0, 7, 10], "shares": [0.7, 0.3]}])
def test_a_model_of_skewed_rows_is_made_good_for_even_ones(to: object) -> None:
    train, (x, y) = skewed(1), even(2)
    best, before = rmse(posterior(x, 0.7)[0], y), rmse(posterior(x, 0.15)[0], y)
    after = rmse(shifted(train, x, 0.15, declared(train[1]), to=to), y)
    assert before > 1.2 * best
    assert after < 1.03 * best


def test_a_source_made_for_every_value_alike_says_so() -> None:
    """It is left as it is where even rows are declared, and moved up where skewed ones are."""
    train, (x, _) = skewed(1), even(2)
    told = posterior(x, 0.7)[0]
    np.testing.assert_allclose(shifted(train, x, 0.7, declared(train[1]), was="uniform"), told, atol=0.15)
    up = shifted(train, x, 0.7, was="uniform")
    np.testing.assert_allclose(up, posterior(x, 0.15)[0], atol=0.5)
    assert up.mean() > told.mean() + 0.5


def test_half_of_the_way_lies_between() -> None:
    train, (x, _) = skewed(1), even(2)
    whole, half = (shifted(train, x, 0.15, declared(train[1]), strength=s) for s in (1.0, 0.5))
    start = posterior(x, 0.15)[0]
    assert ((half >= np.minimum(whole, start) - 0.02) & (half <= np.maximum(whole, start) + 0.02)).all()
    assert np.abs(half - start).mean() > 0.2 < np.abs(half - whole).mean() + 0.2


def test_a_std_is_made_true_first() -> None:
    """Half the true std would move rows too little."""
    train, (x, y) = skewed(1), even(2)
    (mean, std), (new, new_std) = posterior(train[0], 0.15), posterior(x, 0.15)
    after = []
    for true_std in (True, False):
        params = prior_shift.Params(to="uniform", true_std=true_std)
        z = mean[None, :, None].astype(np.float32)
        made = prior_shift.fit(params, context(std / 2), z, train[1], np.ones(N))
        after.append(rmse(made(new[None, :, None].astype(np.float32), context(new_std / 2)).mean[:, 0], y))
    assert after[0] < 0.95 * after[1]


def test_a_source_without_std_gets_one() -> None:
    train, (x, y) = skewed(1), even(2)
    mean, new = posterior(train[0], 0.15)[0], posterior(x, 0.15)[0]
    z = mean[None, :, None].astype(np.float32)
    made = prior_shift.fit(prior_shift.Params(), context(None), z, train[1], declared(train[1]))
    pred = made(new[None, :, None].astype(np.float32), context(None))
    assert rmse(pred.mean[:, 0], y) < 0.95 * rmse(new, y)
    assert pred.std is not None and (pred.std > 0).all()


@pytest.mark.parametrize("given", [{"was": "uniform"}, {"was": "uniform", "to": "uniform"}, {"to": "uniform"}])
def test_ratings_are_moved_by_how_often_they_came_and_not_by_the_width_of_bins(given: dict[str, str]) -> None:
    """What was made for every rating alike stays; what was made for the rows' goes all of the way."""
    rng, values = np.random.default_rng(0), np.arange(1, 6.0)
    share = np.exp(0.6 * values) / np.exp(0.6 * values).sum()
    y = rng.choice(values, N, p=share)
    x = y + rng.normal(size=N)

    def said(prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        likely = np.exp(-((x[:, None] - values) ** 2) / 2) * prior
        likely /= likely.sum(axis=1, keepdims=True)
        mean = likely @ values
        return mean, np.sqrt(np.maximum(likely @ values**2 - mean**2, 1e-6))

    flat = np.full(5, 0.2)
    mean, std = said(flat if given.get("was") == "uniform" else share)
    v = (flat / share)[y.astype(int) - 1] * share.min() / 0.2
    params = prior_shift.Params.model_validate({"true_std": False, **given})
    z = mean[None, :, None].astype(np.float32)
    moved = prior_shift.fit(params, context(std), z, y, v)(z, context(std)).mean[:, 0]
    wanted = said(flat)[0]
    assert rmse(moved, wanted) < (0.01 if given.get("was") == "uniform" else 0.16)
    if given.get("was") != "uniform":
        assert rmse(moved, wanted) < 0.4 * rmse(mean, wanted)
