"""Augmenters: what the new rows are made of, who may donate, the score laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from kit.augment import _donors, jitter, mismatch
from kit.augment._common import draw_parents
from kit.augment._laws import Formula, Integers, Labels, Normal, Uniform, draw_scores
from kit.errors import DataError, RecipeError
from kit.types import NO_PARENT, Column, Rows

N = 80
PROMPTS, ANSWERS, METRICS = 30, 50, 6


def make_rows(n: int = N, seed: int = 0, group: bool = True) -> Rows:
    """Prompt, answer and metric with vectors that belong to them; the metric is the split group."""
    rng = np.random.default_rng(seed)
    prompt, answer = rng.integers(0, PROMPTS, n), rng.integers(-1, ANSWERS, n)
    metric = rng.integers(0, METRICS, n)
    table = rng.normal(size=(ANSWERS + 1, 4)).astype(np.float32)
    x = {
        "prompt": prompt.astype(np.int32),
        "answer": answer.astype(np.int32),
        "answer_vec": table[answer],
        "metric": metric.astype(np.int32),
        "length": rng.normal(10, 5, n),
    }
    header = {
        "prompt": Column("text", tuple(f"p{i:02d}" for i in range(PROMPTS))),
        "answer": Column("text", tuple(f"a{i:02d}" for i in range(ANSWERS))),
        "answer_vec": Column("vector", width=4),
        "metric": Column("category", tuple(f"m{i}" for i in range(METRICS))),
        "length": Column("numeric"),
    }
    y, w, time = rng.integers(0, 11, n).astype(float), rng.uniform(0.5, 2, n), rng.normal(size=n)
    return Rows(100 + np.arange(n), x, header, y=y, w=w, group=metric if group else None, time=time)


def swap(rows: Rows, seed: int = 1, **params: object) -> Rows:
    fields = {"swap": ["answer", "answer_vec"], "score": 0, **params}
    return mismatch.make(mismatch.Params.model_validate(fields), rows, np.random.default_rng(seed))


def check_synthetic(new: Rows, rows: Rows, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Assert what holds for any augmenter; return the positions of both parents."""
    np.testing.assert_array_equal(new.row, -1 - np.arange(len(new)))
    first, second = new.parents[:, 0] - 100, new.parents[:, 1] - 100
    assert new.header is rows.header and set(new.x) == set(rows.x)
    np.testing.assert_array_equal(new.v, 0)
    np.testing.assert_array_equal(new.w, weight * rows.w[first])
    np.testing.assert_array_equal(new.group, rows.group[first])
    np.testing.assert_array_equal(new.time, rows.time[first])
    return first, second


def slow_donors(rows: Rows, i: int) -> set[int]:
    """Who may give row i an answer, by the definition."""
    x = rows.x
    true_pairs = set(zip(x["prompt"].tolist(), x["answer"].tolist(), strict=True))
    return {
        j
        for j in range(len(rows))
        if x["answer"][j] >= 0
        and x["answer"][j] != x["answer"][i]
        and (rows.group is None or rows.group[j] != rows.group[i])
        and (x["prompt"][i], x["answer"][j]) not in true_pairs
    }


def test_mismatch_takes_the_swapped_columns_from_one_donor_and_the_rest_from_the_parent() -> None:
    rows = make_rows()
    new = swap(rows, per_row=2.25, weight=0.5)
    parent, donor = check_synthetic(new, rows, 0.5)
    assert len(new) == 180
    for name in rows.x:
        source = donor if name in ("answer", "answer_vec") else parent
        np.testing.assert_array_equal(new.x[name], rows.x[name][source])
    some = np.array([5, 2])
    np.testing.assert_array_equal(new.take(some).x["answer"], rows.x["answer"][donor[some]])


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("rounds", [0, _donors.ROUNDS])
def test_mismatch_draws_evenly_from_exactly_the_allowed_donors(
    monkeypatch: pytest.MonkeyPatch, group: bool, rounds: int
) -> None:
    monkeypatch.setattr(_donors, "ROUNDS", rounds)  # 0 = the exact list alone
    rows = make_rows(n=25, group=group)
    new = swap(rows, per_row=100)
    for i in range(25):
        allowed = slow_donors(rows, i)
        donor = new.parents[new.parents[:, 0] == 100 + i, 1] - 100
        assert set(donor.tolist()) <= allowed
        assert len(donor) == 100
        # 100 even draws from a candidates leave a * (1 - 1/a)^100 unseen on average.
        assert len(set(donor.tolist())) > 0.85 * len(allowed)
        assert np.bincount(donor).max() < 100 / len(allowed) * 4


def test_mismatch_makes_no_true_pair_of_prompts_that_are_categories() -> None:
    rows = make_rows(n=400, group=False)
    long = tuple(f"how do you say {i:02d} in words?" for i in range(PROMPTS))
    names = tuple(f"quality/of_a_very_long_name_of_metric_{i}" for i in range(METRICS))
    header = {**rows.header, "prompt": Column("category", long), "metric": Column("category", names)}
    new = swap(replace(rows, header=header), per_row=5)
    shown = set(zip(rows.x["prompt"].tolist(), rows.x["answer"].tolist(), strict=True))
    assert len(new) and not shown & set(zip(new.x["prompt"].tolist(), new.x["answer"].tolist(), strict=True))


def test_mismatch_keeps_within_and_across() -> None:
    rows = replace(make_rows(), group=None)
    new = swap(rows, within="metric", per_row=3)
    parent, donor = new.parents.T - 100
    np.testing.assert_array_equal(rows.x["metric"][donor], rows.x["metric"][parent])
    new = swap(rows, across="metric", per_row=3)
    parent, donor = new.parents.T - 100
    assert (rows.x["metric"][donor] != rows.x["metric"][parent]).all()


def test_mismatch_leaves_out_rows_without_a_donor() -> None:
    rows = make_rows()
    lonely = replace(rows, x={**rows.x, "answer": np.where(np.arange(N) < 70, 7, 9).astype(np.int32)}, group=None)
    prompt = np.arange(N, dtype=np.int32) % PROMPTS
    prompt[70:] = PROMPTS - 1  # the rows with answer 9 share their prompt with some of the others
    lonely = replace(lonely, x={**lonely.x, "prompt": prompt})
    new = swap(lonely)
    parent = set((new.parents[:, 0] - 100).tolist())
    assert parent == {i for i in range(N) if slow_donors(lonely, i)}
    assert 0 < len(parent) < N


def test_mismatch_without_any_donor_is_an_error() -> None:
    rows = make_rows()
    with pytest.raises(DataError, match="no row may donate"):
        swap(replace(rows, group=np.zeros(N, np.int64)))
    with pytest.raises(DataError, match="no row may donate"):
        swap(rows, within="metric")
    with pytest.raises(RecipeError, match="did you mean 'answer'"):
        swap(rows, swap=["anwser"])


def test_mismatch_of_vectors_and_numbers_compares_values() -> None:
    rows = make_rows(group=False)
    few = np.array([[0, 0], [0, 1], [1, 0]], np.float32)[np.arange(N) % 3]
    few[0] = np.nan
    size = np.where(np.arange(N) % 3 == 0, np.nan, np.arange(N) % 2)
    header = {"vec": Column("vector", width=2), "size": Column("numeric")}
    rows = replace(rows, x={"vec": few, "size": size}, header=header)
    parent, donor = swap(rows, swap=["vec"], per_row=5).parents.T - 100
    assert (few[parent] != few[donor]).any(axis=1).all()
    assert 0 in parent and 0 not in donor
    parent, donor = swap(rows, swap=["size"], per_row=5).parents.T - 100
    assert (size[parent] != size[donor]).all() and not np.isnan(size[donor]).any()


def test_mismatch_finds_rare_donors_under_one_dominant_group() -> None:
    rows = replace(make_rows(n=3000), group=(np.arange(3000) == 17).astype(np.int64))
    answer = rows.x["answer"].copy()
    answer[17] = ANSWERS - 1
    rows = replace(rows, x={**rows.x, "answer": answer})
    parent, donor = swap(rows).parents.T - 100
    assert set(donor[parent != 17].tolist()) == {17}
    prompt = rows.x["prompt"]
    known = set(prompt[answer == ANSWERS - 1].tolist())
    expected = {i for i in range(3000) if i != 17 and answer[i] != ANSWERS - 1 and int(prompt[i]) not in known}
    assert set(parent[parent != 17].tolist()) == expected
    assert len(expected) > 100


def test_hard_mismatches_come_from_similar_rows() -> None:
    rows = make_rows(n=400)
    unit = rows.x["answer_vec"] / np.linalg.norm(rows.x["answer_vec"], axis=1, keepdims=True)
    likeness = []
    for params in ({}, {"by": "answer_vec", "among": 4}, {"by": "answer_vec", "among": 200}):
        new = swap(rows, per_row=2, **params)
        parent, donor = check_synthetic(new, rows, 1.0)
        likeness.append(np.einsum("ij,ij->i", unit[parent], unit[donor]).mean())
        for i, j in zip(parent[:60], donor[:60], strict=True):
            assert int(j) in slow_donors(rows, int(i))
    assert likeness[0] < 0.2 < likeness[1] < likeness[2] - 0.1
    with pytest.raises(RecipeError, match="metric, a category column"):
        swap(rows, by="metric")


def test_where_chooses_the_parents() -> None:
    rows = make_rows(n=300)
    y, metric = rows.y, rows.x["metric"]
    y = np.where(metric < 2, np.maximum(y, 8), y)
    rows = replace(rows, y=y)

    def parents(**where: object) -> set[int]:
        return set((swap(rows, where=where).parents[:, 0] - 100).tolist())

    assert parents(y=[9, None]) <= set(np.flatnonzero(y >= 9).tolist())
    assert parents(y=[3, 4]) <= set(np.flatnonzero((y >= 3) & (y <= 4)).tolist())
    assert parents(column="metric", values=["m3", "m4"]) <= set(np.flatnonzero(np.isin(metric, [3, 4])).tolist())
    above = parents(key="metric", keys_above=8)
    assert above <= set(np.flatnonzero(metric < 2).tolist()) and len(above) > 50
    assert parents(key="metric", keys_above=8, y=[10, 10]) <= set(np.flatnonzero((metric < 2) & (y == 10)).tolist())
    assert parents(key="metric", keys_below=7) == set()
    assert len(swap(rows, where={"y": [100, None]})) == 0
    with pytest.raises(RecipeError, match="did you mean 'm3'") as caught:
        parents(column="metric", values=["m33"])
    assert "metric has no such value" in str(caught.value)
    for wrong in ({"column": "metric"}, {"values": ["m1"]}, {"key": "metric"}, {"keys_above": 3}):
        with pytest.raises(ValidationError, match="belong together"):
            swap(rows, where=wrong)
    with pytest.raises(ValidationError, match="low end of y"):
        swap(rows, where={"y": [9, 3]})


def test_where_asks_for_values_as_the_column_holds_them() -> None:
    rows = make_rows(n=300)
    rows = replace(rows, header={**rows.header, "metric": Column("key", rows.header["metric"].levels)})
    found = swap(rows, where={"column": "metric", "values": ["m3"]}).parents[:, 0] - 100
    assert len(found) and set(rows.x["metric"][found]) == {3}
    with pytest.raises(RecipeError, match="length holds numbers"):
        swap(rows, where={"column": "length", "values": ["long"]})


def test_augmenters_do_not_see_y_and_follow_the_generator() -> None:
    rows = make_rows()
    garbage = replace(rows, y=rows.y + 1e6)
    noise = jitter.Params(columns=("length",), score=3.0)
    for make in (swap, lambda r, seed=1: jitter.make(noise, r, np.random.default_rng(seed))):
        one, two, other = make(rows), make(garbage), make(rows, seed=2)
        for name in rows.x:
            np.testing.assert_array_equal(one.x[name], two.x[name])
        np.testing.assert_array_equal(one.y, two.y)
        assert any((one.x[name] != other.x[name]).any() for name in rows.x)


def test_jitter_adds_noise_of_the_stated_size() -> None:
    rows = make_rows(n=2000)
    params = jitter.Params(columns=("answer_vec", "length"), std=0.5, per_row=2, weight=2)
    new = jitter.make(params, rows, np.random.default_rng(0))
    parent, _ = check_synthetic(new, rows, 2.0)
    np.testing.assert_array_equal(new.parents[:, 1], NO_PARENT)
    np.testing.assert_array_equal(new.y, rows.y[parent])
    np.testing.assert_array_equal(new.x["answer"], rows.x["answer"][parent])
    assert new.x["answer_vec"].dtype == np.float32
    for name in ("answer_vec", "length"):
        noise = new.x[name] - rows.x[name][parent]
        np.testing.assert_allclose(noise.std(axis=0), 0.5, rtol=0.06)
        np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=0.05)


def test_jitter_relative_counts_in_spreads_and_missing_stays_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jitter, "CHUNK", 300)
    rows = make_rows(n=2000)
    vec, length = rows.x["answer_vec"] * np.array([1, 10, 100, 0], np.float32) + 50, rows.x["length"].copy()
    vec[:9], length[:9] = np.nan, np.nan
    rows = replace(rows, x={**rows.x, "answer_vec": vec, "length": length, "prompt": np.full(2000, -1, np.int32)})
    params = jitter.Params(columns=("answer_vec", "length"), std=0.2, relative=True)
    new = jitter.make(params, rows, np.random.default_rng(0))
    for name in ("answer_vec", "length"):
        noise = new.x[name] - rows.x[name]
        assert np.isnan(noise[:9]).all() and np.isfinite(noise[9:]).all()
        np.testing.assert_allclose(noise[9:].std(axis=0), 0.2 * rows.x[name][9:].std(axis=0), rtol=0.06)
    nothing = replace(rows, x={**rows.x, "length": np.full(2000, np.nan)})
    assert np.isnan(jitter.make(params, nothing, np.random.default_rng(0)).x["length"]).all()


def test_jitter_refuses_codes() -> None:
    with pytest.raises(RecipeError, match="metric, a category column"):
        jitter.make(jitter.Params(columns=("metric",)), make_rows(), np.random.default_rng(0))


def test_parents_are_drawn_without_replacement() -> None:
    parent = draw_parents(np.arange(40), 1.3, np.random.default_rng(0))
    np.testing.assert_array_equal(np.unique(np.bincount(parent), return_counts=True), [[1, 2], [28, 12]])


def labels(n: int) -> Labels:
    return Labels(np.full(n, 8.0), np.full(n, 3.0), np.linspace(0, 1, n))


def test_score_laws() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(draw_scores(1.5, labels(3), rng), [1.5, 1.5, 1.5])
    whole = draw_scores(Integers(integers=(0, 2)), labels(3000), rng)
    np.testing.assert_allclose(np.bincount(whole.astype(int)) / 3000, 1 / 3, atol=0.03)
    free = draw_scores(Normal(normal=(1.0, 0.4)), labels(3000), rng)
    np.testing.assert_allclose([free.mean(), free.std()], [1.0, 0.4], atol=0.02)
    clipped = draw_scores(Normal(normal=(1.0, 0.4), clip=(0.8, 1.1)), labels(3000), rng)
    assert (clipped.min(), clipped.max()) == (0.8, 1.1)
    even = draw_scores(Uniform(uniform=(2, 4), clip=(None, 3.5)), labels(3000), rng)
    assert even.min() < 2.05 and (even == 3.5).mean() == pytest.approx(0.25, abs=0.03)
    mixed = draw_scores(Formula(formula="other + share * (own - other)"), labels(6), rng)
    np.testing.assert_allclose(mixed, 3 + 5 * np.linspace(0, 1, 6))
    noisy = draw_scores(Formula(formula="min(own, 4) / 2", std=0.5), labels(3000), rng)
    np.testing.assert_allclose([noisy.mean(), noisy.std()], [2.0, 0.5], atol=0.03)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("owm * 2", "unknown name owm; there are own, other, share; did you mean 'own'?"),
        ("own if share else 0", "is not among numbers"),
        ("own.real", "is not among numbers"),
        ("__import__('os')", "is not among numbers"),
        ("max(own)", "max takes 2 values"),
        ("own +", "cannot be read"),
        ("'a'", "is not among numbers"),
    ],
)
def test_a_formula_is_arithmetic_and_nothing_else(formula: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Formula(formula=formula)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("score", "law"),
    [
        ({"normal": [1.0, 0.4], "clip": [0, 2.5]}, Normal(normal=(1.0, 0.4), clip=(0.0, 2.5))),
        ({"normal": [1.3, 0.5]}, Normal(normal=(1.3, 0.5))),
        ({"integers": [0, 2]}, Integers(integers=(0, 2))),
        ({"uniform": [0, 2]}, Uniform(uniform=(0, 2))),
        ({"formula": "own / 2", "std": 0.1}, Formula(formula="own / 2", std=0.1)),
        (0, 0.0),
    ],
)
def test_recipe_lines_of_the_design_parse(score: object, law: object) -> None:
    params = mismatch.Params.model_validate({"swap": ["response", "response_vec"], "score": score})
    assert params.score == law
    assert mismatch.Params.model_validate(params.model_dump(mode="json")) == params
    noise = jitter.Params.model_validate({"columns": ["response_vec"], "std": 0.6, "score": score})
    assert noise.score == law and noise.std == 0.6


@pytest.mark.parametrize(
    ("score", "place"),
    [
        ({"normal": [1.0, -0.4]}, ("score", "normal", "normal", 1)),
        ({"normal": [1.0, 0.4], "clip": [2, 0]}, ("score", "normal")),
        ({"integers": [2, 0]}, ("score", "integers")),
        ({"uniform": [1, 0]}, ("score", "uniform")),
        ({"even": [0, 1]}, ("score", "normal", "even")),
        ("low", ("score", "constant")),
    ],
)
def test_a_wrong_law_is_one_law_s_error(score: object, place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        mismatch.Params.model_validate({"swap": ["response"], "score": score})
    places = [error["loc"] for error in caught.value.errors()]
    assert place in places
    assert {where[:2] for where in places} == {place[:2]}
