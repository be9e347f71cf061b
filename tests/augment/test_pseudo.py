"""Pseudo-labels: which test rows get which label, with what weight."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kit.augment import pseudo
from kit.errors import RecipeError
from kit.types import NO_PARENT, Column, Pred, Rows, Task

VALUE = Task("regression")
BINARY = Task("binary", "logloss", ("no", "yes"), "yes")
THREE = Task("multiclass", "softmax", ("a", "b", "c"))
TEST = Rows(np.arange(100, 104), {"x": np.arange(4.0)}, {"x": Column("numeric")})


def made(task: Task, pred: Pred, seed: int = 0, **given: Any) -> Rows:
    params = pseudo.Params(source="first", **given)
    rows = pseudo.label(params, task, TEST, pred, np.random.default_rng(seed))
    assert rows.row.tolist() == (-1 - np.arange(len(rows))).tolist() and not rows.v.any()
    assert rows.x["x"].tolist() == (rows.parents[:, 0] - 100).tolist() and (rows.parents[:, 1] == NO_PARENT).all()
    return rows


def lines(rows: Rows) -> list[tuple[int, float, float]]:
    """Return parent, y and weight of each row."""
    assert rows.y is not None
    return [(int(p), y, round(w, 6)) for p, y, w in zip(rows.parents[:, 0], rows.y, rows.w, strict=True)]


def test_values_are_the_prediction() -> None:
    pred = Pred(np.array([[2.0], [4.0], [8.0], [1.0]]), np.array([0.3, 0.1, 0.4, 0.2]))
    assert lines(made(VALUE, pred, weight=0.5)) == [(100, 2, 0.5), (101, 4, 0.5), (102, 8, 0.5), (103, 1, 0.5)]
    assert lines(made(VALUE, pred, surest=0.5)) == [(101, 4, 1), (103, 1, 1)]


def test_drawn_values_have_the_std_of_the_source() -> None:
    pred = Pred(np.full((4, 1), 10.0), np.array([0.0, 0.0, 2.0, 2.0]))
    drawn = np.array([made(VALUE, pred, seed, label="draw").y for seed in range(300)])
    assert (drawn[:, :2] == 10).all() and abs(drawn[:, 2:].mean() - 10) < 0.3 and 1.8 < drawn[:, 2:].std() < 2.2


def test_a_row_for_each_class_weighing_its_probability() -> None:
    binary = Pred(np.array([[0.25], [1.0], [0.995], [0.5]]))
    expected = [(100, 0, 0.75), (100, 1, 0.25), (101, 1, 1), (102, 1, 1), (103, 0, 0.5), (103, 1, 0.5)]
    assert lines(made(BINARY, binary)) == expected
    three = Pred(np.array([[0.2, 0.5, 0.3], [1, 0, 0], [0, 0, 1], [0, 1, 0]]))
    some = [(100, 0, 0.4), (100, 1, 1), (100, 2, 0.6), (101, 0, 2), (102, 2, 2), (103, 1, 2)]
    assert lines(made(THREE, three, weight=2)) == some


def test_the_surest_rows_of_each_class() -> None:
    pred = Pred(np.array([[0.1, 0.1, 0.8], [0.2, 0.2, 0.6], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0]]))
    assert lines(made(THREE, pred, label="best", surest=0.5)) == [(100, 2, 1), (102, 2, 1)]
    assert lines(made(THREE, pred, label="best", surest=0.67)) == [(100, 2, 1), (102, 2, 1), (103, 0, 1)]
    assert lines(made(THREE, pred, label="best", least=0.7)) == [(100, 2, 1), (102, 2, 1)]


def test_classes_are_drawn_by_their_probability() -> None:
    pred = Pred(np.array([[0.2, 0.5, 0.3], [1, 0, 0], [0, 0, 1], [0, 1, 0]]))
    drawn = np.array([made(THREE, pred, seed, label="draw").y for seed in range(500)])
    assert (drawn[:, 1:] == [0, 2, 1]).all()
    np.testing.assert_allclose(np.bincount(drawn[:, 0].astype(int), minlength=3) / 500, [0.2, 0.5, 0.3], atol=0.06)


@pytest.mark.parametrize("given", [{"surest": 0.5}, {"label": "draw"}])
def test_a_std_that_is_not_there(given: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="needs the std of the source, which gives none"):
        made(VALUE, Pred(np.zeros((4, 1))), **given)


def test_a_probability_where_there_are_no_classes() -> None:
    with pytest.raises(RecipeError, match="least is a probability and this is a regression"):
        made(VALUE, Pred(np.zeros((4, 1))), least=0.9)


def test_no_test_rows_make_none() -> None:
    none = replace(TEST, row=TEST.row[:0], x={"x": np.empty(0)}, w=np.empty(0), v=np.empty(0), parents=TEST.parents[:0])
    for task, width in ((VALUE, 1), (THREE, 3)):
        rows = pseudo.label(pseudo.Params(source="a"), task, none, Pred(np.empty((0, width))), np.random.default_rng(0))
        assert len(rows) == 0
