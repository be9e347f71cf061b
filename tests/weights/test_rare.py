"""Weightings by density and by dropping: known values and slow references."""

from __future__ import annotations

import numpy as np
import pytest
from test_weights import rows_of

from kit.types import Rows
from kit.weights import dense, lds, undersample

SKEWED = 10 - np.random.default_rng(0).gamma(1.5, 0.8, 800)


@pytest.mark.parametrize("counts", ["sqrt", "inverse"])
@pytest.mark.parametrize("kernel", ["gaussian", "triangle", "laplace"])
def test_lds_is_the_inverse_of_smoothed_counts(counts: str, kernel: str) -> None:
    params = lds.Params.model_validate({"bins": 10, "counts": counts, "kernel": kernel, "width": 5, "sigma": 1.5})
    place = np.minimum((SKEWED - SKEWED.min()) / (SKEWED.max() - SKEWED.min()) * 10, 9).astype(int)
    count = [int((place == b).sum()) for b in range(10)]
    value = [c**0.5 if counts == "sqrt" else min(max(c, 5), 1000) * (c > 0) for c in count]
    shape = {
        "gaussian": lambda g: np.exp(-g * g / (2 * 1.5**2)),
        "triangle": lambda g: 1 - abs(g) / 3,
        "laplace": lambda g: np.exp(-abs(g) / 1.5),
    }[kernel]
    smooth = [sum(value[j] * shape(j - b) for j in range(10) if abs(j - b) <= 2) for b in range(10)]
    expected = np.array([1 / smooth[b] for b in place])
    np.testing.assert_allclose(lds.weigh(params, rows_of(SKEWED.tolist())), expected / expected.mean(), rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_dense_follows_a_kernel_density(alpha: float) -> None:
    y = SKEWED
    h = 1.06 * y.std() * len(y) ** -0.2
    density = np.exp(-(((y[:, None] - y[None, :]) / h) ** 2) / 2).sum(axis=1)
    scaled = (density - density.min()) / (density.max() - density.min())
    expected = np.maximum(1 - alpha * scaled, 1e-6)
    made = dense.weigh(dense.Params(alpha=alpha), rows_of(y.tolist()))
    np.testing.assert_allclose(made, expected / expected.mean(), atol=2e-3 * max(1.0, float(made.max())))


def test_dense_counts_rows_by_weight() -> None:
    y = np.repeat(SKEWED[:300], 2)
    twice = dense.weigh(dense.Params(), rows_of(y.tolist()))
    assert twice.mean() == pytest.approx(1)
    w = [1.0] * 300 + [0.0] * 5
    ghosts = dense.weigh(dense.Params(), rows_of([*SKEWED[:300].tolist(), *([-50.0] * 5)], w))
    plain = dense.weigh(dense.Params(), rows_of(SKEWED[:300].tolist()))
    np.testing.assert_allclose(ghosts[:300], plain, rtol=1e-9)


def test_undersampling_caps_the_bins_and_keeps_the_same_rows() -> None:
    y = [0.0] * 90 + [1.0] * 6 + [2.0] * 3
    rows = rows_of(y)
    factor = undersample.weigh(undersample.Params(), rows)
    assert set(factor) == {0.0, 1.0}
    assert np.bincount(np.array(y, int), factor).tolist() == [33, 6, 3]
    assert np.bincount(np.array(y, int), undersample.weigh(undersample.Params(cap=0.1), rows)).tolist() == [3, 3, 3]
    more = Rows(np.arange(-5, 99), {}, {}, y=np.array([0.0] * 5 + y))
    assert np.bincount(np.array([0.0] * 5 + y, int), undersample.weigh(undersample.Params(), more)).tolist() == [
        34,
        6,
        3,
    ]
    other = undersample.weigh(undersample.Params(draw=1), rows)
    assert (other[:90] != factor[:90]).sum() > 20 and other[:90].sum() == 33


def test_undersampling_looks_random() -> None:
    """Kept rows are no block and no pattern of row numbers."""
    kept = np.flatnonzero(undersample.weigh(undersample.Params(cap=0.5), rows_of([1.0] * 4000)))
    assert len(kept) == 2000
    for period in (2, 3, 7, 64):
        share = np.bincount(kept % period, minlength=period) / 2000
        np.testing.assert_allclose(share, 1 / period, atol=0.04)
    assert abs(kept.mean() / 4000 - 0.5) < 0.02
