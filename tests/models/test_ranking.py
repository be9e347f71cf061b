"""What rankers are stopped on, and the scale their scores are brought to."""

from __future__ import annotations

import numpy as np
import pytest

from kit.errors import DataError
from kit.metrics import ndcg
from kit.models import _ranking as ranking
from kit.models._boosting import Sample
from kit.rowgroups import one_group
from kit.types import Pred, Task


def sample(y, sizes, weight=None) -> Sample:
    y = np.asarray(y, np.float64)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    return Sample(np.empty((len(y), 0), np.float32), y, w, np.asarray(sizes, np.int64))


@pytest.fixture
def drawn():
    """Queries of 1 to 9 rows, some of one grade, with weights and scores that often tie."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(1, 10, 60)
    n = int(sizes.sum())
    y = rng.integers(0, 5, n).astype(np.float64)
    y[np.repeat(rng.random(60) < 0.2, sizes)] = 2
    return sample(y, sizes, rng.uniform(0.5, 2, n)), rng.integers(0, 6, n) / 4 + 0.125


def test_the_stop_loss_is_that_of_the_metric_where_something_can_be_won(drawn):
    rows, score = drawn
    ends = np.cumsum(rows.sizes)
    found = []
    for a, b in zip(ends - rows.sizes, ends, strict=True):
        if len({(y, w) for y, w in zip(2 ** rows.y[a:b] - 1, rows.weight[a:b], strict=True)}) > 1 and rows.y[a:b].any():
            pred = Pred(score[a:b, None].astype(np.float32))
            found.append(ndcg.score_at(Task("regression"), rows.y[a:b], pred, rows.weight[a:b], 1000))
    assert 20 < len(found) < 60
    assert ranking.Stop.of(rows).loss(score) == pytest.approx(1 - np.mean(found), rel=1e-12)


def test_gains_are_what_grades_are_worth():
    rows = sample([0, 1, 2], [3])
    one, two = ranking.Stop.of(rows, [0, 1, 1]), ranking.Stop.of(rows)
    assert one.loss(np.array([0.0, 2, 1])) == 0 < two.loss(np.array([0.0, 2, 1]))
    huge = ranking.Stop.of(sample([0, 500, 1000], [3]))  # no 2^1000
    assert huge.loss(np.array([0.0, 1, 2])) == 0 and 0 < huge.loss(np.array([0.0, 2, 1])) < 1


def test_stop_rows_with_nothing_to_win_are_told():
    with pytest.raises(DataError, match="no query of the stop rows has rows of different relevance"):
        ranking.Stop.of(sample([1, 1, 0, 2], [2, 1, 1]))


def test_scores_take_the_scale_of_the_target(drawn):
    rows, _ = drawn
    raw = np.random.default_rng(0).normal(size=len(rows.y)) * 50 + 900
    groups = ranking.grouped(rows)
    made = ranking.placed(raw, ranking.placing(Task("regression"), raw, rows))
    assert np.average(made, weights=rows.weight) == pytest.approx(np.average(rows.y, weights=rows.weight))
    assert ranking.within(made, groups) == pytest.approx(ranking.within(rows.y, groups))
    assert (np.argsort(made) == np.argsort(raw)).all()

    binary = sample((rows.y > 3).astype(float), rows.sizes, rows.weight)
    task = Task("binary", "logloss", (0, 1), 1)
    odds = ranking.placed(np.sort(raw), ranking.placing(task, raw, binary))
    assert 0 < odds.min() < odds.max() < 1 and (np.diff(odds.astype(np.float32)) >= 0).all()
    far = ranking.placed(raw.mean() + raw.std() * np.arange(-12, 13), ranking.placing(task, raw, binary))
    assert (np.diff(far.astype(np.float32)) > 0).all(), "float32 makes far rows equal"


def test_the_deviation_is_within_queries():
    values = np.array([1.0, 3, 101, 103])
    groups = ranking.grouped(sample([0, 1, 0, 1], [2, 2]))
    assert ranking.within(values, groups) == 1 and ranking.within(values, one_group(np.ones(4))) > 50


def test_many_rows_are_probed_by_whole_queries():
    sizes = np.full(9000, 5)
    at, taken = ranking.probed(sizes)
    assert taken.sum() == len(at) <= ranking.PROBED < 1.1 * len(at)
    assert (np.asarray(at).reshape(-1, 5) % 5 == np.arange(5)).all() and at[0] < 20 and at[-1] > 44_900
    assert ranking.probed(sizes[:10])[0] == slice(None)
