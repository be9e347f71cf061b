"""A metric within groups is the mean of the metric over each group: checked against a loop over groups in pandas."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kit import paired, registry, scores
from kit.errors import DataError, KitError, RecipeError
from kit.grouped import shares, split, unit_of, whole_groups
from kit.oof import Oof
from kit.rowgroups import attach, codes_of
from kit.types import Array, Floats, Pred, Task

NUMBERS = Task("regression")
BINARY = Task("binary", "logloss", classes=(0, 1), positive=1)
THREE = Task("multiclass", "softmax", classes=(0, 1, 2))
TASKS = {"regression": NUMBERS, "binary": BINARY, "multiclass": THREE}
NEEDS_BY = tuple(m for m in registry.names("metrics") if getattr(registry.load("metrics", m), "NEEDS_BY", False))
FAST = [
    (name, kind)
    for name in registry.names("metrics")
    if hasattr(registry.load("metrics", name), "by_group")
    for kind in registry.load("metrics", name).TASKS
]
LOOPED = [("qwk", "regression"), ("average_precision", "binary"), ("f1", "binary"), ("crps", "regression")]


def world(kind: str, n: int = 400, seed: int = 0) -> tuple[Floats, Pred, Floats, Array]:
    """Return y, a tied prediction, weights of which some are 0, and groups, one constant in y and one without weight."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 30, n)
    y = rng.integers(0, {"regression": 4, "binary": 2, "multiclass": 3}[kind], n).astype(np.float64)
    v = rng.integers(0, 4, n).astype(np.float64)
    y[code == 3], v[code == 4] = 0.0, 0.0
    if kind == "multiclass":
        p = rng.integers(1, 4, (n, 3)) + (y[:, None] == np.arange(3))
        return y, Pred(p / p.sum(axis=1, keepdims=True)), v, code
    p = np.clip((rng.normal(size=n) * 0.3 + y / 4).round(1), 0.1, 0.9)
    return y, Pred(p[:, None], np.full(n, 0.5)), v, code


def looped(metric: str, task: Task, world_: Any, *, rows: bool = False) -> tuple[float, int]:
    """Return the mean over the groups and how many have no score, by the module's score of each alone."""
    y, pred, v, code = world_
    plain, frame = registry.load("metrics", metric).score, pd.DataFrame({"code": code, "v": v})
    found, lost = [], 0
    for _, part in frame[frame.v > 0].groupby("code"):
        at = part.index.to_numpy()
        constant = metric in ("pearson", "spearman", "r2") and len(np.unique(y[at])) == 1
        try:
            std = None if pred.std is None else pred.std[at]
            score = float("nan") if constant else plain(task, y[at], Pred(pred.mean[at], std), v[at])
        except DataError:
            score = float("nan")
        lost += np.isnan(score)
        found += [] if np.isnan(score) else [(score, v[at].sum() if rows else 1.0)]
    return float(np.average([s for s, _ in found], weights=[w for _, w in found])), int(lost)


@pytest.mark.parametrize(("name", "kind"), [*FAST, *LOOPED])
def test_the_mean_over_groups(name: str, kind: str) -> None:
    y, pred, v, code = made = world(kind)
    for suffix in ("", " (rows)"):
        metric = registry.metric(f"{name} by code{suffix}")
        weights = attach(v, {"code": code})
        expected, lost = looped(name, TASKS[kind], made, rows=bool(suffix))
        assert metric.score(TASKS[kind], y, pred, weights) == pytest.approx(expected, rel=1e-9)
        assert metric.within is not None
        each = metric.within.each(TASKS[kind], y, pred, weights)
        assert int(np.isnan(each.score).sum()) == lost
        order = np.random.default_rng(1).permutation(len(y))
        moved = metric.score(TASKS[kind], y[order], Pred(pred.mean[order], None if pred.std is None else pred.std[order]), weights[order])  # fmt: skip
        assert moved == pytest.approx(expected, rel=1e-9), "the order of rows does not count"


@pytest.mark.parametrize(("name", "kind"), [("auc", "binary"), ("pearson", "regression"), ("ndcg", "regression")])
def test_a_group_without_a_score_is_left_out(name: str, kind: str) -> None:
    y, _, _, code = world(kind)
    assert looped(name, TASKS[kind], world(kind))[1] >= 1
    flat = attach(np.ones(len(y)), {"code": code})
    with pytest.raises(DataError, match="no group has a score"):
        registry.metric(f"{name} by code").score(TASKS[kind], np.zeros(len(y)), Pred(y[:, None]), flat)


KNOWN = {
    "ndcg@3": ((7 / np.log2(3) + 1 / 2) / (7 + 1 / np.log2(3)), 1.0),
    "mrr": (1 / 2, 1.0),
    "mrr@1": (0.0, 1.0),
    "recall@2": (1 / 2, 1.0),
    "hit@1": (0.0, 1.0),
    "hit@2": (1.0, 1.0),
    "precision@4": (2 / 4, 1 / 4),
    "ap@2": (1 / 4, 1.0),
    "ap@4": ((1 / 2 + 2 / 3) / 2, 1.0),
}
"""Scores of two queries by hand: grades 0 3 1 0 in the order predicted, and one row of grade 1."""


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_rankings_by_hand(name: str) -> None:
    y, p = np.array([0.0, 1.0, 3.0, 0.0, 1.0]), np.array([9.0, 3.0, 5.0, 1.0, 2.0])
    v = attach(np.ones(5), {"q": np.array([0, 0, 0, 0, 1])})
    metric = registry.metric(f"{name} by q")
    assert metric.score(NUMBERS, y, Pred(p[:, None]), v) == pytest.approx(np.mean(KNOWN[name]))
    assert metric.within is not None
    # Ties gain nothing, whatever the order of the rows: the relevant row comes last.
    tied = [Pred(np.ones((2, 1))), np.array([0.0, 1.0]), attach(np.ones(2), {"q": np.zeros(2, np.int64)})]
    low = [metric.score(NUMBERS, tied[1][at], tied[0], tied[2][at]) for at in (np.array([0, 1]), np.array([1, 0]))]
    assert low[0] == low[1]
    if name == "mrr":
        assert low[0] == 0.5


@pytest.mark.parametrize("name", NEEDS_BY)
def test_a_ranking_needs_its_queries(name: str) -> None:
    y, pred, v, _ = world("binary")
    with pytest.raises(RecipeError, match="needs `by`"):
        registry.metric(name).score(BINARY, y, pred, v)


def test_weights_bring_their_groups_or_are_refused() -> None:
    y, pred, v, code = world("regression")
    weights = attach(v, {"code": code})
    metric = registry.metric("rmse by code")
    for index in (slice(5, 90), np.flatnonzero(code < 9), code < 9, np.array([7, 7, 2])):
        np.testing.assert_array_equal(codes_of(weights[index])["code"], code[index])
    np.testing.assert_array_equal(codes_of(weights * 2.0)["code"], code)
    assert not codes_of(np.concatenate([weights, weights])) and not codes_of(weights[:, None])
    for lost in (v, np.concatenate([weights]), attach(v, {"other": code})):
        with pytest.raises(RecipeError, match="needs the groups of the rows"):
            metric.score(NUMBERS, y, pred, lost)
    doubled = weights * np.where(np.arange(len(v)) % 2, 2.0, 1.0)  # no sums of the old weights are kept
    again = looped("rmse", NUMBERS, (y, pred, np.asarray(doubled), code))[0]
    assert metric.score(NUMBERS, y, pred, doubled) == pytest.approx(again)


def test_groups_stay_with_their_rows_or_are_lost() -> None:
    v = attach(np.array([1.0, 2.0, 3.0, 4.0]), {"g": np.array([0, 0, 1, 2])})
    for made in (v * 2, 2 * v, -v, v.copy(), v[:], v / v.sum(), np.maximum(v, 2)):
        assert codes_of(made)["g"].tolist() == [0, 0, 1, 2]
    assert codes_of(v[::-1])["g"].tolist() == [2, 1, 0, 0] and codes_of(v[v > 1.5])["g"].tolist() == [0, 1, 2]
    for made in (np.take(v, [3, 2, 1, 0]), np.sort(-v), np.roll(v, 1), np.concatenate([v]), np.zeros_like(v), v[None]):
        assert not codes_of(made)


def test_weights_that_change_count_as_they_are() -> None:
    v = attach(np.array([1.0, 1.0, 3.0]), {"g": np.array([0, 0, 1])})
    within = registry.metric("mae by g (rows)").within
    assert within is not None
    assert within.groups(v).weight.tolist() == [2, 3]
    v *= 2
    assert within.groups(v).weight.tolist() == [4, 6]
    v[2] = 1
    assert within.groups(v).weight.tolist() == [4, 1]


def test_standard_errors_leave_groups_out_whole() -> None:
    y, pred, v, code = world("regression", 900)
    weights = attach(v, {"code": code})
    truth = paired.Truth(NUMBERS, "spearman by code", y, weights)
    other = Pred(pred.mean + 0.3 * np.sin(np.arange(len(y)))[:, None])
    found = paired.jackknife(truth, [pred, other])
    assert found.left_out.shape[1] == 30
    for b in (0, 7):  # what the blocks' own rows, scored anew, say
        left = np.flatnonzero(found.block != b)
        want = [looped("spearman", NUMBERS, (y[left], Pred(p.mean[left]), v[left], code[left]))[0] for p in (pred, other)]  # fmt: skip
        np.testing.assert_allclose(found.left_out[:, b], want, rtol=1e-9)
        assert not set(code[left]) & set(code[found.block == b])
    each = registry.metric("spearman by code").within.each(NUMBERS, y, pred, weights).score  # type: ignore[union-attr]
    plain = np.nanstd(each, ddof=1) / np.sqrt(np.isfinite(each).sum())
    assert np.sqrt(found.spread().covariance[0, 0]) == pytest.approx(plain, rel=0.1)
    oof = Oof(np.zeros((1, len(y)), np.int16), y, pred.mean[None], np.zeros((1, 1, 1), np.float32))
    error = scores.standard_error(NUMBERS, "spearman by code", oof, weights, None)
    assert error == pytest.approx(plain, rel=0.5)


def test_rows_share_what_their_group_counts() -> None:
    """Folds and blocks of a study count as the groups in them do; a sample of rows takes groups whole."""
    _, _, v, code = world("regression")
    weights = attach(v, {"code": code})
    alike, by_rows = (registry.metric(f"mae by code{suffix}").within for suffix in ("", " (rows)"))
    sums = np.bincount(code, shares(alike, weights), 30)
    np.testing.assert_allclose(sums, np.arange(30) != 4)
    np.testing.assert_array_equal(shares(by_rows, weights), v)
    assert alike is not None
    some = whole_groups(alike, weights, 100, np.random.default_rng(0))
    assert 0 < len(some) <= 100 and len(some) == np.isin(code, code[some]).sum()
    assert len(whole_groups(alike, weights, 1, np.random.default_rng(0))) >= 1


def test_the_unit_is_the_larger_group() -> None:
    code = np.array([0, 0, 1, 1, 2, 2])
    metric, weights = registry.metric("rmse by code"), attach(np.ones(6), {"code": code})
    coarse, across = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 0, 1, 0, 1])
    assert unit_of(metric.within, weights, coarse) is coarse
    np.testing.assert_array_equal(unit_of(metric.within, weights, across), code)
    assert unit_of(None, weights, across) is across


def test_names() -> None:
    assert split("/x by y/own.py") == ("/x by y/own.py", None)
    base, by = split("/x by y/own.py by a, b (rows)")
    assert base == "/x by y/own.py" and by is not None and by.columns == ("a", "b") and by.rows
    assert registry.shown("/x/own.py by a") == "own.py by a"
    with pytest.raises(KitError, match="unknown metric"):
        registry.load("metrics", "rnse by era")


def test_a_quick_sort_is_the_plain_one() -> None:
    rng = np.random.default_rng(3)
    x = (rng.normal(size=500).round(1) * np.where(np.arange(500) % 5, 1, 0)).astype(np.float32)  # with 0 and -0
    groups = attach(np.ones(500), {"code": rng.integers(0, 9, 500)}).groups("code")  # type: ignore[attr-defined]
    tie = rng.permutation(500)
    np.testing.assert_array_equal(groups.rising(x), groups.sorted(x))
    np.testing.assert_array_equal(groups.rising(x), groups.rising(x.astype(np.float64)))
    np.testing.assert_array_equal(groups.rising(x, tie), groups.rising(x.astype(np.float64), tie))
    assert (groups.rising(x, tie) != groups.rising(x)).any()


def test_no_loop_goes_over_the_groups() -> None:
    """Thousands of groups cost no call each, so that climbing by such a metric stays quick."""
    rng = np.random.default_rng(0)
    n = 10_000
    y, p, code = rng.integers(0, 2, n) * 1.0, Pred(rng.normal(size=(n, 1))), rng.integers(0, 5000, n)
    weights = attach(np.ones(n), {"code": code})
    for name, kind in FAST:
        if kind != "multiclass":
            calls: list[object] = []
            sys.setprofile(lambda frame, event, arg, calls=calls: calls.append(event))  # type: ignore[misc]
            try:
                registry.metric(f"{name} by code").score(TASKS[kind], y, p, weights)
            finally:
                sys.setprofile(None)
            assert len(calls) < 1500, f"{name}: {len(calls)} calls for 5000 groups"
