"""Counts, crosses, rare levels, target means of several columns, aggregates: known values and slow references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from helpers import columns_of, learn, made, rows_of
from pydantic import ValidationError

from kit.errors import RecipeError
from kit.features import aggregate, category, count, cross, target_mean
from kit.types import Column, Rows

NAN = np.nan


def random_rows(n: int = 300, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    pick = lambda values: [values[i] for i in rng.integers(0, len(values), n)]  # noqa: E731
    return rows_of(
        city=pick(["rome", "oslo", "bonn", None]),
        size=pick([1.0, 2.5, 4.0, None]),
        kind=pick(["a", "b", "c", "d", "e"]),
        price=[None if rng.random() < 0.1 else float(v) for v in rng.normal(10, 3, n).round(1)],
        area=rng.normal(0, 5, n).tolist(),
    )


def frame_of(rows: Rows) -> pl.DataFrame:
    """Return the rows as polars sees them: null = missing."""
    data = {}
    for name, column in rows.x.items():
        levels = rows.header[name].levels
        data[name] = [levels[c] if c >= 0 else None for c in column] if levels else pl.Series(column, nan_to_null=True)
    return pl.DataFrame(data)


def test_counts_of_values_missing_ones_too() -> None:
    rows = rows_of(c=["x", "y", "x", None, "x"], n=[1.5, 1.5, None, 2.0, None])
    found = made(count, rows, columns=["c", "n"], kinds=["count", "frequency"])
    assert list(found) == ["count(c)", "frequency(c)", "count(n)", "frequency(n)"]
    np.testing.assert_array_equal(found["count(c)"], [3, 1, 3, 1, 3])
    np.testing.assert_array_equal(found["count(n)"], [2, 2, 2, 1, 2])
    np.testing.assert_allclose(found["frequency(c)"], [0.6, 0.2, 0.6, 0.2, 0.6], rtol=1e-6)


def test_counts_of_columns_together_equal_a_group_by() -> None:
    rows = random_rows()
    found = made(count, rows, columns=["city", "size", "kind"], together=2)
    assert list(found) == ["count(city & size)", "count(city & kind)", "count(size & kind)"]
    for keys in (["city", "size"], ["city", "kind"], ["size", "kind"]):
        slow = frame_of(rows).select(pl.len().over(keys)).to_series()
        np.testing.assert_array_equal(found[f"count({' & '.join(keys)})"], slow)


def test_what_was_never_met_counts_nothing() -> None:
    learnt = learn(count, rows_of(a=["x", "y", "x"], b=[1.0, 2.0, 3.0]), columns=["a", "b"], together=2)
    other = rows_of(a=["x", "y", "y"], b=[1.0, 1.0, 9.0])
    np.testing.assert_array_equal(learnt(other).x[:, 0], [1, 0, 0])


def test_more_columns_than_there_are_cannot_go_together() -> None:
    with pytest.raises(RecipeError, match="at least 3 columns"):
        learn(count, rows_of(a=["x"], b=["y"]), columns=["a", "b"], together=3)


def test_too_many_sets_are_refused_before_anything_is_computed() -> None:
    rows = rows_of(**{f"c{i}": ["x"] for i in range(60)})
    with pytest.raises(RecipeError, match="60 columns make 34220"):
        learn(count, rows, columns=list(rows.x), together=3)


def test_a_cross_agrees_where_both_agree_and_rare_ones_are_other() -> None:
    rows = rows_of(a=["x", "x", "y", "x", None, None], b=["p", "p", "p", "q", "q", "q"])
    block = learn(cross, rows, columns=["a", "b"], min_count=2)(rows)
    code = block.x[:, 0]
    assert block.names == ("cross(a & b)",) and block.categories == {"cross(a & b)": 3}
    assert code[0] == code[1] and code[4] == code[5] and code[2] == code[3] == 2
    assert len({code[0], code[4], code[2]}) == 3
    never = learn(cross, rows, columns=["a", "b"], min_count=1)(rows_of(a=["y", "x"], b=["q", "p"]))
    assert never.x[0, 0] == 4 and never.x[1, 0] < 4 and never.categories == {"cross(a & b)": 5}


def test_a_cross_has_as_many_levels_as_there_are_combinations() -> None:
    rows = random_rows()
    block = learn(cross, rows, columns=["city", "kind", "size"], together=3, min_count=1)(rows)
    slow = frame_of(rows).select("city", "kind", "size").is_duplicated
    groups = frame_of(rows).select(pl.struct("city", "kind", "size").rank("dense")).to_series().to_numpy()
    assert callable(slow)
    pairs = {(a, b) for a, b in zip(groups, block.x[:, 0], strict=True)}
    assert len(pairs) == len(set(groups)) == len(set(block.x[:, 0]))


@pytest.mark.parametrize("scope", ["table", "fold"])
def test_rare_levels_of_a_category_become_one(scope: str) -> None:
    rows = rows_of(c=["a", "b", "b", "c", "c", "c", None, "d"])
    block = learn(category, rows, columns=["c"], min_count=2, scope=scope)(rows)
    np.testing.assert_array_equal(block.x[:, 0], [2, 0, 0, 1, 1, 1, NAN, 2])
    assert block.categories == {"c": 3}


def test_rare_levels_are_counted_in_the_table_unless_said_otherwise() -> None:
    assert category.Params(min_count=2).scope == "table"
    assert category.Params().scope == "row"
    with pytest.raises(ValidationError, match="scope must be table or fold"):
        category.Params(min_count=2, scope="row")


def test_the_target_mean_of_columns_together_is_that_of_their_cross() -> None:
    rows = random_rows()
    rng = np.random.default_rng(3)
    rows = replace(rows, y=rng.normal(size=len(rows)), w=rng.uniform(0.5, 2, len(rows)))
    together = learn(target_mean, rows, columns=["city", "size"], together=2, smoothing=2.0)
    code = learn(cross, rows, columns=["city", "size"], min_count=1)(rows).x[:, 0].astype(int)
    levels = [f"{i:03d}" for i in range(code.max() + 1)]
    crossed = rows_of(z=[levels[i] for i in code])
    crossed = replace(crossed, y=rows.y, w=rows.w)
    alone = learn(target_mean, crossed, columns=["z"], smoothing=2.0)
    np.testing.assert_allclose(together(rows).x, alone(crossed).x, rtol=1e-6)
    np.testing.assert_allclose(together.own.x, alone.own.x, rtol=1e-6)
    assert together(rows).names == ("mean(city & size)",)


def test_the_target_mean_of_a_number_is_that_of_its_value() -> None:
    rows = replace(rows_of(n=[1.0, 1.0, 2.0, None, 2.0, 5.0]), y=np.array([1.0, 3.0, 5.0, 7.0, 6.0, 8.0]))
    learnt = learn(target_mean, rows, columns=["n"], smoothing=0)
    np.testing.assert_allclose(learnt(rows).x[:, 0], [2, 2, 5.5, 7, 5.5, 8], rtol=1e-6)
    assert learnt(rows_of(n=[3.0])).x[0, 0] == np.float32(5)


def test_a_vector_is_described_element_by_element() -> None:
    rows = random_rows(60)
    vector = np.random.default_rng(4).normal(size=(60, 2)).astype(np.float32)
    given = replace(rows, x={**rows.x, "v": vector}, header={**rows.header, "v": Column("vector", width=2)})
    found = made(aggregate, given, columns=["v", "area"], by=["city"], stats=["mean", "difference", "count"])
    for j in range(2):
        single = replace(rows, x={**rows.x, "area": vector[:, j].astype(np.float64)})
        alone = made(aggregate, single, columns=["area"], by=["city"], stats=["mean", "difference"])
        for stat in ("mean", "difference"):
            np.testing.assert_array_equal(found[f"{stat}(v[{j}]) by city"], alone[f"{stat}(area) by city"])
    assert len(found) == 1 + 3 * 2


def slow_aggregate(rows: Rows, by: list[str]) -> dict[str, np.ndarray]:
    """Return every statistic of `price` by `by`, computed by polars."""
    v = pl.col("price")
    mean = v.mean().over(by)
    exprs = {
        "mean": mean,
        "std": v.std(ddof=0).over(by),
        "min": v.min().over(by),
        "max": v.max().over(by),
        "median": v.median().over(by),
        "sum": v.sum().over(by),
        "nunique": v.drop_nulls().n_unique().over(by),
        "rank": (v.rank("average").over(by) - 0.5) / v.count().over(by),
        "difference": v - mean,
        "ratio": v / mean,
        "zscore": (v - mean) / v.std(ddof=0).over(by),
        "q25": v.quantile(0.25, "linear").over(by),
        "count": pl.len().over(by),
    }
    frame = frame_of(rows).select(**exprs)
    return {name: frame[name].cast(pl.Float64).fill_null(NAN).to_numpy() for name in exprs}


@pytest.mark.parametrize("by", [["city"], ["size"], ["kind", "city"]])
def test_aggregates_equal_a_group_by(by: list[str]) -> None:
    rows = random_rows()
    stats = [s for s in slow_aggregate(rows, by) if s != "q25"]
    found = made(aggregate, rows, columns=["price"], by=by, stats=stats, quantiles=[0.25])
    label = " & ".join(by)
    for name, slow in slow_aggregate(rows, by).items():
        got = found[f"count by {label}" if name == "count" else f"{name}(price) by {label}"]
        np.testing.assert_allclose(got, slow, rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_rank_of_a_new_value_is_its_share_of_the_group() -> None:
    learnt = learn(
        aggregate, rows_of(g=["a"] * 4 + ["b"], v=[1.0, 2.0, 2.0, 9.0, 5.0]), columns=["v"], by=["g"], stats=["rank"]
    )
    new = rows_of(g=["a", "a", "a", "a", "b", "b"], v=[0.0, 2.0, 3.0, 99.0, 5.0, None])
    np.testing.assert_array_equal(learnt(new).x[:, 0], [0, 0.5, 0.75, 1, 0.5, NAN])


def test_a_group_never_met_is_missing_but_for_its_count() -> None:
    learnt = learn(
        aggregate, rows_of(g=[1.0, 1.0], v=[3.0, 5.0]), columns=["v"], by=["g"], stats=["count", "mean", "rank"]
    )
    found = columns_of(learnt(rows_of(g=[1.0, 2.0], v=[4.0, 4.0])))
    np.testing.assert_array_equal(found["count by g"], [2, 0])
    np.testing.assert_array_equal(found["mean(v) by g"], [4, NAN])
    np.testing.assert_array_equal(found["rank(v) by g"], [0.5, NAN])


def test_a_group_of_one_has_no_spread_and_a_mean_of_zero_no_ratio() -> None:
    rows = rows_of(g=["a", "b", "b"], v=[7.0, -1.0, 1.0])
    found = made(aggregate, rows, columns=["v"], by=["g"], stats=["std", "zscore", "ratio"])
    np.testing.assert_array_equal(found["std(v) by g"], [0, 1, 1])
    np.testing.assert_array_equal(found["zscore(v) by g"], [0, -1, 1])
    np.testing.assert_array_equal(found["ratio(v) by g"], [1, NAN, NAN])


def test_what_rounding_leaves_of_nothing_is_nothing() -> None:
    """The sum of 0.1, 0.2 and -0.3 is 6e-17, the mean of three times 0.1 a bit above it: ratios were 1e15, zscores 1."""
    rows = rows_of(g=["a"] * 3 + ["b"] * 3, v=[0.1, 0.2, -0.3, 0.1, 0.1, 0.1])
    learnt = learn(aggregate, rows, columns=["v"], by=["g"], stats=["mean", "std", "zscore", "ratio"])
    found = columns_of(learnt(rows_of(g=["a", "b", "b"], v=[0.1, 0.1, 0.4])))
    np.testing.assert_array_equal(found["mean(v) by g"], np.float32([0, 0.1, 0.1]))
    np.testing.assert_array_equal(found["std(v) by g"][1:], [0, 0])
    np.testing.assert_array_equal(found["zscore(v) by g"][1:], [0, 0])
    np.testing.assert_array_equal(found["ratio(v) by g"], np.float32([NAN, 1, 4]))


def test_the_key_is_not_described_and_counts_need_no_column() -> None:
    rows = random_rows()
    assert list(made(aggregate, rows, columns=["size", "area"], by=["size"], stats=["mean"])) == ["mean(area) by size"]
    assert list(made(aggregate, rows, columns=["area"], by=["size"], stats=["count"])) == ["count by size"]
    with pytest.raises(RecipeError, match="without a column"):
        learn(aggregate, rows, columns=["size"], by=["size"], stats=["mean"])


def test_words_have_no_mean_but_a_number_of_values() -> None:
    rows = random_rows()
    with pytest.raises(RecipeError, match="which hold no numbers"):
        learn(aggregate, rows, columns=["kind"], by=["city"], stats=["mean"])
    found = made(aggregate, rows, columns=["kind"], by=["size"], stats=["nunique"])
    slow = frame_of(rows).select(pl.col("kind").n_unique().over("size")).to_series()
    np.testing.assert_array_equal(found["nunique(kind) by size"], slow)
