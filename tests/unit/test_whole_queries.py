"""Stop rows of a ranker are whole queries, however folds are cut."""

from __future__ import annotations

import numpy as np
import pytest

from kit import registry
from kit.design import Use
from kit.errors import DataError
from kit.scored import cut_scored
from kit.stopping import stop_queries, stop_rows
from kit.types import Column, Rows, Task

TASK = Task("regression")


def split(use: str, **params) -> Use:
    return Use("splits", use, registry.load("splits", use).Params(**params))


def searches(n_queries: int = 24, time: bool = False) -> Rows:
    """Return queries of 5 rows, dealt out over the rows; of time, a query's rows lie on following days."""
    n = 5 * n_queries
    query = np.arange(n) % n_queries
    when = query * 2.0 + np.arange(n) // n_queries if time else None
    return Rows(
        np.arange(n), {"a": np.zeros(n)}, {"a": Column("numeric")}, y=np.arange(n) % 3.0, query=query, time=when
    )


def cut(rows: Rows, use: Use, folds: int | None = None):
    return stop_queries(use, folds, TASK, rows, lambda: np.random.default_rng(0))


@pytest.mark.parametrize("use", ["kfold", "stratified"])
def test_a_split_by_chance_gives_way_to_one_by_queries(use):
    rows = searches()
    learns, stops = cut(rows, split(use, folds=4))
    assert rows.query is not None
    assert stops.sum() == 30 and (learns == ~stops).all()
    assert not np.isin(rows.query[learns], rows.query[stops]).any()
    assert cut(rows, split(use, folds=4), 8)[1].sum() == 15


def test_a_split_that_keeps_them_whole_is_kept():
    rows = searches()
    grouped = Rows(rows.row, rows.x, rows.header, y=rows.y, query=rows.query, group=rows.query)
    for each in (cut(grouped, split("group", folds=3)), cut(grouped, split("stratified_group", folds=3))):
        assert len(set(np.asarray(rows.query)[each[1]])) == 8
    plain = stop_rows(split("group", folds=3), None, TASK, grouped, lambda: np.random.default_rng(0))
    assert (cut(grouped, split("group", folds=3))[1] == plain[1]).all()


def test_in_time_a_torn_query_goes_where_its_first_row_goes():
    rows = searches(time=True)
    use = split("time", folds=3)
    assert rows.query is not None and rows.time is not None
    _, before = stop_rows(use, None, TASK, rows, lambda: np.random.default_rng(0))
    learns, stops = cut(rows, use)
    assert not np.isin(rows.query[learns], rows.query[stops]).any() and (learns | stops).all()
    first = np.array(
        [before[np.flatnonzero(rows.query == q)[np.argmin(rows.time[rows.query == q])]] for q in range(24)]
    )
    assert (stops == first[rows.query]).all() and before.sum() != stops.sum()


def test_two_queries_are_the_fewest():
    learns, stops = cut(searches(2), split("kfold", folds=5))
    assert learns.sum() == stops.sum() == 5
    with pytest.raises(DataError, match="fewer than two to learn from"):
        cut(searches(1), split("kfold", folds=5))


def test_rows_that_are_not_scored_do_not_teach_a_query_that_is_stopped_on():
    rows = searches()
    v = np.where(np.arange(len(rows)) % 10 == 0, 0.0, 1.0)
    rows = Rows(rows.row, rows.x, rows.header, y=rows.y, query=rows.query, v=v)
    learns, stops = cut_scored(rows, lambda part: cut(part, split("kfold", folds=4)))
    assert rows.query is not None and (v[stops] > 0).all() and (learns & (v == 0)).any()
    assert not np.isin(rows.query[learns], rows.query[stops]).any()
