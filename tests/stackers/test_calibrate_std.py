"""The std of a source made true."""

from __future__ import annotations

import numpy as np
import pytest

from kit import registry
from kit.contracts import Context
from kit.stackers.calibrate_std import Params, fit
from kit.types import Task

TASK = Task("regression")


def world(slope: float, shift: float, n: int = 20_000):
    """Return sources whose error has std exp(slope * log std + shift)."""
    rng = np.random.default_rng(0)
    std = rng.lognormal(0, 0.6, n).astype(np.float32)
    y = rng.normal(size=n)
    z = (y + rng.normal(size=n) * std**slope * np.exp(shift)).astype(np.float32)
    ctx = Context(TASK, registry.metric("rmse"), rng, ("net",), std[None])
    return ctx, z[None, :, None], y, np.ones(n)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_a_wrong_scale_is_found(factor: float) -> None:
    ctx, z, y, v = world(1.0, np.log(factor))
    made = fit(Params(), ctx, z, y, v)
    pred = made(z, ctx)
    assert np.exp(made.shift) == pytest.approx(factor, rel=0.02)
    np.testing.assert_array_equal(pred.mean, z[0])
    assert pred.std is not None
    assert np.mean(((y - z[0, :, 0]) / pred.std) ** 2) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0, 1.6])
def test_exaggerated_differences_are_bent(slope: float) -> None:
    ctx, z, y, v = world(slope, 0.5)
    made = fit(Params(curve="affine"), ctx, z, y, v)
    assert made.slope == pytest.approx(slope, abs=0.03)
    assert made.shift == pytest.approx(0.5, abs=0.03)


def test_the_affine_curve_is_the_least_of_the_likelihood() -> None:
    ctx, z, y, v = world(0.6, -0.3, 2000)
    v = np.random.default_rng(1).uniform(0, 2, 2000)
    made = fit(Params(curve="affine"), ctx, z, y, v)
    assert ctx.std is not None
    log_std, square = np.log(ctx.std[0].astype(np.float64)), (z[0, :, 0] - y) ** 2

    def loss(slope: float, shift: float) -> float:
        u = slope * log_std + shift
        return float(np.average(u + square * np.exp(-2 * u) / 2, weights=v))

    best = loss(made.slope, made.shift)
    for a, b in [(0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)]:
        assert loss(made.slope + a, made.shift + b) > best


def test_a_source_without_std_gets_its_root_mean_square_error() -> None:
    ctx, z, y, v = world(1.0, 0.0, 500)
    blank = Context(TASK, ctx.metric, ctx.rng, ctx.sources)
    for curve in ("scale", "affine"):
        pred = fit(Params(curve=curve), blank, z, y, v)(z, blank)
        assert pred.std is not None
        np.testing.assert_allclose(pred.std, np.sqrt(np.mean((z[0, :, 0] - y) ** 2)), rtol=1e-5)
