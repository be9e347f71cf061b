"""The battery every weighting must pass: a file in kit/weights is tested by existing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import worlds
from worlds import World

from kit import registry
from kit.design import Use, build
from kit.types import Floats, Rows

WEIGHTINGS = registry.names("weights")
CASES = [(name, objective) for name in WEIGHTINGS for objective in ("squared", "logloss", "softmax")]
K = 1


def weigh(use: Use, rows: Rows) -> Floats:
    factors: Floats = worlds.module_of(use).weigh(use.params, rows)
    return factors


def learning(objective: str) -> Rows:
    return worlds.parts(worlds.world(objective), K)[0]


# -- checks, which the cheaters below must fail


def check_factors(use: Use, rows: Rows) -> None:
    """Factors are finite, never negative, some positive, the same again, and follow their rows."""
    factors = weigh(use, rows)
    assert factors.shape == (len(rows),) and factors.dtype == np.float64
    assert np.isfinite(factors).all() and (factors >= 0).all() and (factors * rows.w).sum() > 0
    assert factors.tobytes() == weigh(use, rows).tobytes(), "a second call differs"
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_allclose(weigh(use, rows.take(order)), factors[order], rtol=1e-9, err_msg="the order counts")


def check_blind(use: Use, w: World) -> None:
    """Garbage in the held y changes no weight, also after another fold of the same process."""
    seen = []
    for case in (w, worlds.spoilt_world(w, K)):
        for k in (K - 1, K):
            spec = worlds.design_spec(k, weights=use)
            made = build(spec, w.task, worlds.parts(case, k)[0], None, worlds.everything(w)).train
        seen.append(made.w.tobytes())
    assert seen[0] == seen[1], "a held y reaches a weight"


# -- tests


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_factors_are_weights(name: str, objective: str) -> None:
    check_factors(worlds.plug("weights", name), learning(objective))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_held_rows_are_out_of_reach(name: str, objective: str) -> None:
    check_blind(worlds.plug("weights", name), worlds.world(objective))


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_odd_targets_are_weighed_too(name: str) -> None:
    """One value, rows without weight, a single row: no warning, no infinity."""
    rows, use = learning("squared"), worlds.plug("weights", name)
    n = len(rows)
    for odd in (replace(rows, y=np.full(n, 2.0)), replace(rows, w=np.arange(n) % 2.0), rows.take(np.array([3]))):
        factors = weigh(use, odd)
        assert np.isfinite(factors).all() and (factors >= 0).all() and (factors[odd.w > 0] > 0).any()


# -- cheaters


def test_a_weighting_that_remembers_is_caught() -> None:
    with pytest.raises(AssertionError, match="a held y reaches"):
        check_blind(worlds.leaky("weights", "recalls"), worlds.world("squared"))


def test_a_weighting_that_goes_by_position_is_caught() -> None:
    with pytest.raises(AssertionError, match="the order counts"):
        check_factors(worlds.leaky("weights", "by_position"), learning("squared"))
