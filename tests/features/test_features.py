"""Features: known values, a slow reference for the target mean, blindness of what must be blind."""

from __future__ import annotations

import json
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from pydantic import ValidationError

from kit.errors import DataError, RecipeError
from kit.features import category, lookup, numeric, similarity, target_mean, vector
from kit.params import Params
from kit.types import NO_PARENT, Block, Column, Rows, Task

REGRESSION = Task("regression")
N = 60
HEADER = {
    "size": Column("numeric"),
    "day": Column("date"),
    "colour": Column("category", ("blue", "green", "red", "violet")),
    "title": Column("text", tuple(f"title {i:02d}" for i in range(N))),
    "left": Column("vector", width=3),
    "right": Column("vector", width=3),
    "wide": Column("vector", width=5),
}


def make_rows(n: int = N, seed: int = 0, group: bool = False) -> Rows:
    rng = np.random.default_rng(seed)
    x = {
        "size": rng.normal(size=n),
        "day": rng.integers(0, 1000, n).astype(np.float64),
        "colour": rng.integers(-1, 3, n).astype(np.int32),  # violet never occurs
        "title": np.arange(n, dtype=np.int32) % N,
        "left": rng.normal(size=(n, 3)).astype(np.float32),
        "right": rng.normal(size=(n, 3)).astype(np.float32),
        "wide": rng.normal(size=(n, 5)).astype(np.float32),
    }
    groups = rng.integers(0, 12, n) if group else None
    return Rows(np.arange(n), x, HEADER, y=rng.normal(3, 2, n), w=rng.uniform(0.5, 2, n), group=groups)


def learn(module: ModuleType, params: Params, rows: Rows, task: Task = REGRESSION, seed: int = 0):
    given = rows if module.SCOPE == "fold" else rows.blind().take(np.arange(0))
    return module.learn(params, task, given, np.random.default_rng(seed))


def with_x(rows: Rows, **columns: np.ndarray) -> Rows:
    return replace(rows, x={**rows.x, **columns})


def test_numeric_gathers_in_fortran_order_and_drops_infinities() -> None:
    rows = make_rows()
    size = rows.x["size"].copy()
    size[:4] = [np.inf, -np.inf, np.nan, 1e300]
    block = learn(numeric, numeric.Params(columns=("day", "size")), rows)(with_x(rows, size=size))
    assert block.names == ("day", "size")
    assert block.x.flags.f_contiguous
    assert np.isnan(block.x[:4, 1]).all()
    np.testing.assert_array_equal(block.x[4:, 1], size[4:].astype(np.float32))
    np.testing.assert_array_equal(block.x[:, 0], rows.x["day"])


@pytest.mark.parametrize(
    ("module", "name", "allowed"),
    [
        (numeric, "colour", "size"),
        (category, "size", "colour"),
        (vector, "size", "left"),
        (target_mean, "left", "title"),
    ],
)
def test_a_column_of_another_kind_is_refused(module: ModuleType, name: str, allowed: str) -> None:
    with pytest.raises(RecipeError, match=f"got: +{name}, a ") as caught:
        learn(module, module.Params(columns=(name,)), make_rows())
    assert allowed in str(caught.value)


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'size'"):
        learn(numeric, numeric.Params(columns=("sise",)), make_rows())


def test_category_keeps_codes_and_counts_levels_of_the_header() -> None:
    rows = make_rows()
    block = learn(category, category.Params(columns=("colour",)), rows)(rows)
    assert block.categories == {"colour": 4}
    codes = rows.x["colour"]
    assert (codes < 0).any()
    np.testing.assert_array_equal(block.x[:, 0], np.where(codes < 0, np.nan, codes).astype(np.float32))


def test_vector_alone_is_not_copied_and_several_stand_in_order() -> None:
    rows = make_rows()
    alone = learn(vector, vector.Params(columns=("left",)), rows)(rows)
    assert alone.names == ("left[0]", "left[1]", "left[2]")
    assert np.shares_memory(alone.x, rows.x["left"])
    both = learn(vector, vector.Params(columns=("wide", "left")), rows)(rows)
    assert both.names[4:6] == ("wide[4]", "left[0]")
    np.testing.assert_array_equal(both.x, np.hstack([rows.x["wide"], rows.x["left"]]))


def test_similarity_equals_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "CHUNK", 7)  # so that pieces of 2 rows meet
    rows = make_rows(n=9)
    kinds = ("cosine", "difference", "dot", "l1", "l2", "product")
    params = similarity.Params(pairs=(("left", "right"), ("right", "left")), kinds=kinds)
    block = learn(similarity, params, rows)(rows)
    a, b = rows.x["left"].astype(np.float64), rows.x["right"].astype(np.float64)
    dot = (a * b).sum(1)
    cosine = dot / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    expected = np.column_stack([cosine, a - b, dot, abs(a - b).sum(1), np.linalg.norm(a - b, axis=1), a * b])
    assert block.names[:5] == (
        "cosine(left|right)",
        *(f"difference(left|right)[{j}]" for j in range(3)),
        "dot(left|right)",
    )
    np.testing.assert_allclose(block.x[:, :10], expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(block.x[:, 11:14], b - a, rtol=1e-6)


def test_similarity_of_zero_missing_and_huge_vectors() -> None:
    rows = make_rows(n=5)
    left = rows.x["left"].copy()
    left[0], left[1], left[2], left[3] = 0, np.nan, 3e38, rows.x["right"][3]
    right = rows.x["right"].copy()
    right[1], right[2] = 0, 3e38
    params = similarity.Params(pairs=(("left", "right"),))
    x = learn(similarity, params, rows)(with_x(rows, left=left, right=right)).x
    assert x[0, 0] == 0 and np.isfinite(x[0]).all()
    assert np.isnan(x[1]).all()
    assert x[2, 0] == 1 and np.isnan(x[2, 1])
    np.testing.assert_allclose(x[3, [0, 2, 3]], [1, 0, 0], atol=1e-7)


def test_similarity_of_unequal_widths_names_both() -> None:
    with pytest.raises(RecipeError, match="left has 3 elements, wide has 5"):
        learn(similarity, similarity.Params(pairs=(("left", "wide"),)), make_rows())


def lookup_params(folder, names: str, vectors: np.ndarray, suffix: str = "json") -> lookup.Params:
    (folder / f"names.{suffix}").write_text(names, "utf-8", "surrogateescape")
    if isinstance(vectors, dict):
        with (folder / "vectors.npy").open("wb") as file:
            np.savez(file, **vectors)
    else:
        np.save(folder / "vectors.npy", vectors)
    return lookup.Params(key="colour", names=str(folder / f"names.{suffix}"), vectors=str(folder / "vectors.npy"))


@pytest.mark.parametrize("suffix", ["json", "txt"])
def test_lookup_aligns_the_file_to_the_levels(tmp_path, suffix: str) -> None:
    names = ["red", "violet", "grey", "blue", "green"]
    text = json.dumps(names) if suffix == "json" else "\n".join(names) + "\n"
    vectors = np.arange(10.0).reshape(5, 2)
    rows = make_rows()
    block = learn(lookup, lookup_params(tmp_path, text, vectors, suffix), rows)(rows)
    assert block.names == ("colour[0]", "colour[1]")
    for code, got in zip(rows.x["colour"], block.x, strict=True):
        expected = vectors[names.index(HEADER["colour"].levels[code])] if code >= 0 else [np.nan, np.nan]
        np.testing.assert_array_equal(got, expected)


def test_lookup_names_every_missing_value_and_knows_new_ones(tmp_path, caplog) -> None:
    (tmp_path / "names.json").write_text(json.dumps(["blue", "green", "red", "violet", "new"]), "utf-8")
    np.save(tmp_path / "vectors.npy", np.arange(10.0).reshape(5, 2))
    rows = make_rows()
    files = {"names": str(tmp_path / "names.json"), "vectors": str(tmp_path / "vectors.npy")}
    learnt = lookup.learn(
        lookup.Params.model_validate({"key": "colour", **files}), REGRESSION, rows, np.random.default_rng(0)
    )
    later = {**rows.header, "colour": Column("category", ("blue", "green", "red", "violet", "new", "never", "at all"))}
    codes = np.array([4, 0, -1], np.int32)
    some = Rows(np.arange(3), {"colour": codes}, later)
    np.testing.assert_array_equal(learnt(some).x, [[8, 9], [0, 1], [np.nan, np.nan]])
    unknown = replace(some, x={"colour": np.array([5, 0, 6], np.int32)})
    np.testing.assert_array_equal(learnt(unknown).x, [[np.nan, np.nan], [0, 1], [np.nan, np.nan]])
    assert "2 values of colour have no vector: never, at all" in caplog.text
    levels = tuple(f"a rather long value number {i:03d}" for i in range(150))
    with pytest.raises(DataError) as caught:
        header = {**rows.header, "colour": Column("category", levels)}
        lookup.learn(
            lookup.Params.model_validate({"key": "colour", **files}),
            REGRESSION,
            replace(rows, header=header),
            np.random.default_rng(0),
        )
    assert all(level in str(caught.value) for level in levels)


@pytest.mark.parametrize(
    ("names", "vectors", "message"),
    [
        ('["red", "blue"]', np.zeros((2, 2)), r"2 of 4 values of colour have no vector(.|\n)*green, violet"),
        ('["red", "blue"]', np.zeros((3, 2)), "2 names and 3 vectors"),
        ('["red", "red"]', np.zeros((2, 2)), r"stands twice(.|\n)*red"),
        ('{"red": 0}', np.zeros((1, 2)), "JSON list of strings"),
        ("red\nblue", np.zeros((2, 2)), "not JSON"),
        ('["red", "\udcff"]', np.zeros((2, 2)), "not UTF-8"),
        ('["red"]', np.zeros(1), r"float64 \(1,\)"),
        ('["red"]', np.array([["a"]], object), "no numbers: it is damaged, or holds Python objects"),
        ('["red"]', {"a": np.zeros((1, 2)), "b": np.zeros(1)}, "an archive of arrays"),
    ],
)
def test_lookup_says_what_is_wrong_with_the_files(tmp_path, names: str, vectors: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        learn(lookup, lookup_params(tmp_path, names, vectors), make_rows())


def slow_mean(rows: Rows, target: np.ndarray, code: int, smoothing: float) -> float:
    """The m-estimate of one level, row by row."""
    prior = sum(w * t for w, t in zip(rows.w, target, strict=True)) / sum(rows.w)
    s = smoothing * sum(rows.w) / len(rows)
    same = [i for i in range(len(rows)) if rows.x["colour"][i] == code]
    return (sum(rows.w[i] * target[i] for i in same) + s * prior) / (sum(rows.w[i] for i in same) + s)


def test_target_mean_equals_the_slow_formula_and_unseen_gets_the_mean() -> None:
    rows = make_rows()
    learnt = learn(target_mean, target_mean.Params(columns=("colour",), smoothing=3.0), rows)
    fresh = with_x(make_rows(n=5), colour=np.array([-1, 0, 1, 2, 3], np.int32))
    got = learnt(fresh).x[:, 0]
    np.testing.assert_allclose(got[:4], [slow_mean(rows, rows.y, c, 3.0) for c in (-1, 0, 1, 2)], rtol=1e-6)
    assert got[4] == np.float32(np.average(rows.y, weights=rows.w))


def test_target_mean_of_classes_has_a_column_each_that_sum_to_one() -> None:
    rows = replace(make_rows(), y=np.random.default_rng(1).integers(0, 3, N).astype(np.float64))
    task = Task("multiclass", "softmax", ("a", "b", "c"))
    block = learn(target_mean, target_mean.Params(columns=("colour",), smoothing=0), rows, task)(rows)
    assert block.names == ("mean(colour|a)", "mean(colour|b)", "mean(colour|c)")
    np.testing.assert_allclose(block.x.sum(axis=1), 1, rtol=1e-6)
    expected = [slow_mean(rows, (rows.y == 2).astype(float), c, 0) for c in rows.x["colour"]]
    np.testing.assert_allclose(block.x[:, 2], expected, rtol=1e-6)


def own_block(rows: Rows, seed: int = 3) -> Block:
    own = learn(target_mean, target_mean.Params(columns=("colour", "title"), smoothing=1.0), rows, seed=seed).own
    assert own is not None
    return own


@pytest.mark.parametrize("group", [False, True])
def test_own_target_mean_never_contains_the_y_of_its_row_or_group(group: bool) -> None:
    rows = make_rows(group=group)
    before = own_block(rows).x
    for i in range(N):
        mates = rows.group == rows.group[i] if group else np.arange(N) == i
        after = own_block(replace(rows, y=np.where(mates, 1e6, rows.y))).x
        np.testing.assert_array_equal(after[mates], before[mates])
        assert (after[~mates] != before[~mates]).any()


def test_target_mean_of_a_synthetic_row_is_that_of_the_folds_without_its_parents() -> None:
    rows = replace(make_rows(), w=np.ones(N))
    params = target_mean.Params(columns=("colour",), smoothing=0, folds=4)
    learnt = learn(target_mean, params, rows)
    fold = learnt.apart.fold
    first, second = np.arange(N), np.roll(np.arange(N), 5)
    alone = np.column_stack([rows.row, np.full(N, NO_PARENT)])
    made = replace(rows, row=-1 - np.arange(N), y=None)
    np.testing.assert_array_equal(learnt(replace(made, parents=alone)).x, learnt.own.x)
    both = learnt(replace(made, parents=rows.row[np.column_stack([first, second])])).x[:, 0]
    for i in range(N):
        rest = (fold != fold[i]) & (fold != fold[second[i]])
        same = rest & (rows.x["colour"] == rows.x["colour"][i])
        np.testing.assert_allclose(both[i], rows.y[same if same.any() else rest].mean(), rtol=1e-6)


def test_own_target_mean_covers_every_row_and_follows_the_generator() -> None:
    rows = make_rows()
    assert np.isfinite(own_block(rows).x).all()
    np.testing.assert_array_equal(own_block(rows).x, own_block(rows).x)
    assert (own_block(rows, seed=4).x != own_block(rows).x).any()


def test_own_target_mean_of_two_uneven_groups_uses_the_other_one() -> None:
    rows = replace(make_rows(), group=(np.arange(N) > 0).astype(np.int64), w=np.ones(N))
    own = own_block(rows).x[:, 0]
    np.testing.assert_allclose(own[1:], rows.y[0], rtol=1e-6)
    with pytest.raises(DataError, match="at least 2 groups"):
        own_block(replace(rows, group=np.zeros(N, np.int64)))


def test_target_mean_ignores_rows_without_weight_and_the_scale_of_weights() -> None:
    rows = make_rows()
    params = target_mean.Params(columns=("colour",))
    w = np.where(np.arange(N) < 20, 0.0, rows.w)
    light = learn(target_mean, params, replace(rows, w=w))(rows).x
    garbage = replace(rows, w=w * 1000, y=np.where(w == 0, 1e9, rows.y))
    np.testing.assert_allclose(learn(target_mean, params, garbage)(rows).x, light, rtol=1e-6)


@pytest.mark.parametrize(
    ("module", "params"),
    [
        (numeric, numeric.Params(columns=("size", "day"))),
        (category, category.Params(columns=("colour", "title"))),
        (vector, vector.Params(columns=("left", "right"))),
        (similarity, similarity.Params(pairs=(("left", "right"),))),
        (target_mean, target_mean.Params(columns=("colour",))),
    ],
)
def test_a_learnt_feature_is_blind_to_y_and_to_other_rows(module: ModuleType, params: Params) -> None:
    rows = make_rows(n=40, seed=5)
    learnt = learn(module, params, make_rows())
    whole = learnt(rows).x
    garbage = replace(rows, y=np.full(40, np.nan), w=np.zeros(40), v=np.zeros(40), group=np.zeros(40, np.int64))
    np.testing.assert_array_equal(learnt(garbage).x, whole)
    np.testing.assert_array_equal(learnt(rows.blind()).x, whole)
    some = np.array([7, 3, 31, 3])
    np.testing.assert_allclose(learnt(rows.take(some)).x, whole[some], rtol=1e-6)
    assert learnt(rows.take(np.arange(0))).x.shape == (0, whole.shape[1])


def test_recipe_lines_of_the_design_parse() -> None:
    assert vector.Params.model_validate({"columns": ["prompt_vec", "response_vec"]}).columns[1] == "response_vec"
    pairs = [["prompt_vec", "response_vec"], ["response_vec", "metric_vec"]]
    assert similarity.Params.model_validate({"pairs": pairs}).pairs[1] == ("response_vec", "metric_vec")
    line = {"key": "metric_name", "names": "data/metric_names.json", "vectors": "data/metric_name_embeddings.npy"}
    assert lookup.Params.model_validate(line).vectors == line["vectors"]
    with pytest.raises(ValidationError, match="paris"):
        similarity.Params.model_validate({"paris": pairs})
