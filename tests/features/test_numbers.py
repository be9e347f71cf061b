"""Bins, pairs, ranks, components, missing values, dates: known values and slow references."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from helpers import columns_of, learn, made, rows_of
from pydantic import ValidationError
from scipy.stats import norm
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD

from kit.features import bins, dates, missing, pairs, rank_gauss, reduce

NAN = np.nan


def days(*moments: str) -> list[float | None]:
    """Return days since 1970-01-01 of ISO moments, None for ""."""
    epoch = datetime(1970, 1, 1)
    return [None if not m else (datetime.fromisoformat(m) - epoch) / timedelta(days=1) for m in moments]


# -- bins


def test_bins_of_given_edges() -> None:
    rows = rows_of(age=[17.9, 18.0, 64.0, 65.0, None, -5.0])
    block = learn(bins, rows, columns=["age"], edges=[18, 65])(rows)
    np.testing.assert_array_equal(block.x[:, 0], [0, 1, 1, 2, NAN, 0])
    assert block.categories == {"bin(age)": 3}


def test_bins_of_quantiles_hold_as_many_rows() -> None:
    rows = rows_of(v=np.random.default_rng(0).normal(size=1000).tolist())
    block = learn(bins, rows, columns=["v"], bins=8)(rows)
    np.testing.assert_array_equal(np.bincount(block.x[:, 0].astype(int)), [125] * 8)
    assert (np.diff(block.x[np.argsort(rows.x["v"]), 0]) >= 0).all()


def test_bins_of_one_width_and_bins_that_fall_together() -> None:
    rows = rows_of(v=[0.0, 1.0, 2.0, 10.0], w=[1.0, 1.0, 1.0, 4.0], z=[3.0, 3.0, 3.0, 3.0])
    wide = learn(bins, rows, columns=["v"], bins=2, method="uniform", output="number")(rows)
    np.testing.assert_array_equal(wide.x[:, 0], [0, 0, 0, 1])
    assert wide.categories == {}
    together = learn(bins, rows, columns=["w", "z"], bins=4)(rows)
    assert together.categories == {"bin(w)": 2, "bin(z)": 1}
    np.testing.assert_array_equal(together.x, [[0, 0], [0, 0], [0, 0], [1, 0]])


def test_edges_must_rise() -> None:
    with pytest.raises(ValidationError, match="rising"):
        bins.Params(edges=(3, 3))


# -- pairs


def test_pairs_of_numbers() -> None:
    found = made(
        pairs,
        rows_of(a=[6.0, 1.0, None], b=[3.0, 0.0, 2.0], c=[2.0, 5.0, 2.0]),
        columns=["a", "b", "c"],
        kinds=["sum", "difference", "product", "ratio"],
    )
    assert list(found)[:4] == ["a + b", "a - b", "a * b", "a / b"] and len(found) == 12
    np.testing.assert_array_equal(found["a + b"], [9, 1, NAN])
    np.testing.assert_array_equal(found["a - c"], [4, -4, NAN])
    np.testing.assert_array_equal(found["b * c"], [6, 0, 4])
    np.testing.assert_array_equal(found["a / b"], [2, NAN, NAN])


# -- ranks


def test_ranks_follow_a_normal_distribution() -> None:
    v = np.random.default_rng(0).exponential(size=2001)
    found = made(rank_gauss, rows_of(v=v.tolist()), columns=["v"], quantiles=2001)["rank(v)"]
    share = np.argsort(np.argsort(v)) / 2000
    np.testing.assert_allclose(found, norm.ppf(np.clip(share, 1e-4, 1 - 1e-4)), atol=1e-5)
    assert abs(found.mean()) < 1e-3 and abs(found.std() - 1) < 0.01


def test_equal_values_share_the_middle_rank_and_others_are_cut_off() -> None:
    learnt = learn(rank_gauss, rows_of(v=[0.0, 5.0, 5.0, 5.0, 10.0]), columns=["v"], output="uniform", quantiles=101)
    new = learnt(rows_of(v=[5.0, -99.0, 99.0, None, np.inf])).x[:, 0]
    np.testing.assert_allclose(new, [0.5, 0, 1, NAN, NAN], atol=1e-6)


# -- components


def wide(n: int = 200) -> tuple[np.ndarray, object]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(n, 6)) + 3
    return x, rows_of(v=x[:, :4].astype(np.float32), a=x[:, 4].tolist(), b=x[:, 5].tolist())


def test_components_equal_those_of_scikit_learn() -> None:
    x, rows = wide()
    scaled = (x - x.mean(0)) / x.std(0)
    slow = PCA(2).fit_transform(scaled)
    found = learn(reduce, rows, columns=["v", "a", "b"], size=2)(rows)
    assert found.names == ("pca[0]", "pca[1]")
    np.testing.assert_allclose(np.abs(found.x), np.abs(slow), rtol=1e-3, atol=1e-4)


def test_svd_does_not_centre_and_scale_none_does_not_scale() -> None:
    x, rows = wide()
    slow = TruncatedSVD(2, random_state=0).fit_transform(x)
    found = learn(reduce, rows, columns=["v", "a", "b"], method="svd", scale="none", size=2)(rows)
    np.testing.assert_allclose(np.abs(found.x), np.abs(slow), rtol=1e-3, atol=1e-3)


def test_distances_to_the_centres_of_clusters() -> None:
    rng = np.random.default_rng(2)
    centres = np.array([[0.0, 0], [10, 0], [0, 10]])
    x = centres[rng.integers(0, 3, 300)] + rng.normal(size=(300, 2))
    rows = rows_of(a=x[:, 0].tolist(), b=x[:, 1].tolist())
    found = learn(reduce, rows, columns=["a", "b"], method="kmeans", scale="none", size=3)(rows).x
    slow = KMeans(3, n_init=3, random_state=0).fit_transform(x)
    np.testing.assert_allclose(np.sort(found, axis=1), np.sort(slow, axis=1), rtol=1e-4)


def test_a_missing_value_counts_as_the_mean() -> None:
    x, rows = wide()
    learnt = learn(reduce, rows, columns=["a", "b"], size=2)
    holed = learnt(rows_of(a=[None, x[:, 4].mean()], b=[4.0, 4.0])).x
    np.testing.assert_allclose(holed[0], holed[1], rtol=1e-5)
    assert np.isfinite(holed).all()


@pytest.mark.parametrize("method", ["pca", "svd", "kmeans"])
def test_few_rows_and_columns_make_few_components(method: str) -> None:
    rows = rows_of(a=[1.0, 2.0, 2.0], b=[1.0, 1.0, 1.0])
    found = learn(reduce, rows, columns=["a", "b"], method=method, size=50)(rows).x
    assert found.shape == (3, 3 if method == "kmeans" else 2) and np.isfinite(found).all()


@pytest.mark.parametrize("method", ["pca", "svd", "kmeans"])
def test_numbers_without_end_make_components_that_have_one(method: str) -> None:
    """Squares of numbers beyond 1e154 are infinite: learning ended in scikit-learn's complaint of NaN."""
    x = np.array([1.6e308, 1.7e308, np.inf, 3.0, np.nan, 1.7e308])
    rows = rows_of(a=x.tolist(), b=(x[::-1] / 1e300).tolist(), c=(np.arange(6) * 1e-310).tolist())
    for scale in ("standard", "none"):
        with np.errstate(all="ignore"):  # as in a worker
            learnt = learn(reduce, rows, columns=["a", "b", "c"], method=method, size=3, scale=scale)
            far = rows_of(a=[1e38, -np.inf], b=[1e308, 0.0], c=[1e300, -1.0])
            assert np.isfinite(learnt(rows).x).all() and np.isfinite(learnt(far).x).all()


def test_components_learn_from_some_rows_only_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce, "CHUNK", 64)
    rows = wide(1500)[1]
    few, all_ = (learn(reduce, rows, columns=["v", "a", "b"], size=2, rows=r)(rows).x for r in (300, 10_000))
    assert not np.allclose(few, all_)
    assert min(abs(np.corrcoef(few[:, j], all_[:, j])[0, 1]) for j in range(2)) > 0.95


# -- missing values


def test_indicators_stand_for_columns_that_lack_values() -> None:
    rows = rows_of(a=[1.0, None], b=[1.0, 2.0], c=[None, "x"], v=np.array([[1, 2], [np.nan, 0]]))
    found = made(missing, rows, columns=["a", "b", "c", "v"])
    assert list(found) == ["missing(a)", "missing(c)", "missing(v)", "missing"]
    np.testing.assert_array_equal(np.column_stack(list(found.values())), [[0, 1, 0, 1], [1, 0, 1, 2]])
    assert list(made(missing, rows, columns=["a", "b"], count=False)) == ["missing(a)"]
    assert list(made(missing, rows, columns=["a", "b"], indicators=False)) == ["missing"]


# -- dates

MOMENTS = (
    "2024-02-29T13:45:30",
    "2023-12-31T00:00:00",
    "1969-07-20T20:17:40",
    "2020-01-04T12:00:00",
    "",
    "2024-10-01T23:59:59",
)


def test_parts_of_dates_equal_those_of_python() -> None:
    every = list(dates.Part.__args__)
    found = made(dates, rows_of(day=days(*MOMENTS)), columns=["day"], parts=every, flags=list(dates.Flag.__args__))
    for i, moment in enumerate(MOMENTS):
        if not moment:
            assert all(np.isnan(column[i]) for column in found.values())
            continue
        t = datetime.fromisoformat(moment)
        after = t.date() + timedelta(days=1)
        slow = {
            "year": t.year,
            "quarter": (t.month + 2) // 3,
            "month": t.month,
            "week": t.isocalendar().week,
            "day_of_year": t.timetuple().tm_yday,
            "day": t.day,
            "weekday": t.weekday(),
            "hour": t.hour,
            "minute": t.minute,
            "second": t.second,
            "weekend": t.weekday() >= 5,
            "month_start": t.day == 1,
            "month_end": after.day == 1,
            "quarter_start": t.day == 1 and t.month in (1, 4, 7, 10),
            "quarter_end": after.day == 1 and after.month in (1, 4, 7, 10),
            "year_start": (t.month, t.day) == (1, 1),
            "year_end": (t.month, t.day) == (12, 31),
        }
        assert {name: found[f"{name}(day)"][i] for name in slow} == slow, moment


def test_every_week_of_two_centuries_is_that_of_iso() -> None:
    first = date(1900, 1, 1)
    moments = [first + timedelta(days=i) for i in range(0, 73000, 11)]
    numbers = [float((d - date(1970, 1, 1)).days) for d in moments]
    found = made(dates, rows_of(day=numbers), columns=["day"], parts=["week", "weekday"], flags=[], since=None)
    np.testing.assert_array_equal(found["week(day)"], [d.isocalendar().week for d in moments])
    np.testing.assert_array_equal(found["weekday(day)"], [d.weekday() for d in moments])


def test_cycles_close() -> None:
    moments = days("2024-01-01", "2024-12-31T23:59:59", "2024-07-02", "2024-01-01T06:00:00")
    found = made(dates, rows_of(day=moments), columns=["day"], parts=[], flags=[], since=None, cycles=["year", "day"])
    assert list(found) == ["sin year(day)", "cos year(day)", "sin day(day)", "cos day(day)"]
    np.testing.assert_allclose(found["cos year(day)"], [1, 1, -1, 1], atol=1e-3)
    np.testing.assert_allclose(found["sin day(day)"], [0, 0, 0, 1], atol=1e-3)


def test_days_since_and_between() -> None:
    rows = rows_of(
        day1=days("2024-01-01", "2024-03-01", ""), day2=days("2024-01-11", "2024-02-29T12:00:00", "2024-01-01")
    )
    found = made(dates, rows, columns=["day1", "day2"], parts=[], flags=[], since="2023-12-31")
    np.testing.assert_array_equal(found["days since 2023-12-31(day1)"], [1, 61, NAN])
    np.testing.assert_array_equal(found["day2 - day1"], [10, -0.5, NAN])
    assert "day2 - day1" not in made(dates, rows, columns=["day1", "day2"], differences=False)
    with pytest.raises(ValidationError, match="a date like"):
        dates.Params(since="yesterday")


def test_noon_is_twelve_though_a_fraction_of_a_day_is_not_exact() -> None:
    hours = [19_000 + h / 24 for h in range(24)]
    found = made(dates, rows_of(day=hours), columns=["day"], parts=["hour", "minute"], flags=[], since=None)
    np.testing.assert_array_equal(found["hour(day)"], range(24))
    assert (found["minute(day)"] == 0).all() and columns_of(
        learn(dates, rows_of(day=hours), columns=["day"])(rows_of(day=hours))
    )
