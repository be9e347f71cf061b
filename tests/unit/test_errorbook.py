"""Segments of errors: what stands out, what chance makes of many small ones, and how dates are shown."""

from __future__ import annotations

import numpy as np
import pytest

from kit import errorbook


def marked(loss, bias, codes, *, signed):
    """Return the (column, level) that stand out."""
    names = [str(k) for k in range(12)]
    spreads = errorbook._spread(loss, np.ones(len(loss))), errorbook._spread(bias, np.ones(len(bias)))
    found = [s for c, code in codes.items() for s in errorbook._segments(c, names, code, *spreads)]
    return [(s.column, s.level) for s, out in errorbook._marked(found, signed=signed) if out]


def test_no_segment_of_classes_stands_out_by_chance_and_a_bad_one_does():
    rng = np.random.default_rng(0)
    codes = {f"c{k}": rng.integers(0, 12, 3000) for k in range(20)}
    p = rng.beta(3, 0.6, 3000)
    assert marked(-np.log(p), 1 - p, codes, signed=False) == []
    bad = np.where(codes["c7"] == 3, p * 0.6, p)
    assert marked(-np.log(bad), 1 - bad, codes, signed=False) == [("c7", "3")]


def test_one_huge_error_makes_no_segment_and_a_bias_shared_by_all_none_either():
    rng = np.random.default_rng(0)
    codes = {f"c{k}": rng.integers(0, 12, 3000) for k in range(20)}
    residual = rng.normal(size=3000) + 1
    residual[5] = 60
    assert marked(residual**2, residual, codes, signed=True) == []
    low = np.where(codes["c7"] == 3, residual - 1, residual)
    assert marked(np.abs(low - 1), low, codes, signed=True)[0] == ("c7", "3")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([18628.0, 18659.0, np.nan], ["2021-01-01", "2021-02-01", "missing"]),
        ([18628.25, 18628.5], ["2021-01-01T06:00", "2021-01-01T12:00", "missing"]),
        (np.arange(18628.0, 18639.0), [*(f"2021-01-{a:02} .. 2021-01-{a + 2:02}" for a in (1, 3, 5, 7, 9)), "missing"]),
    ],
)
def test_dates_are_shown_as_dates(values, names):
    shown, code = errorbook._binned(np.array(values), date=True)
    assert [*shown, "missing"][: len(names)] == names and code.max() < len(shown)
