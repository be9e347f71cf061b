"""What rankers are stopped on, and the scale their scores are brought to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kit import registry
from kit.contracts import Run
from kit.errors import DataError, FitError, RecipeError
from kit.metrics import ndcg
from kit.models import _ranking as ranking
from kit.models._boosting import Sample
from kit.rowgroups import one_group
from kit.types import Block, Design, Pred, Task


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


def searches(n_queries: int = 30, grades: int = 4, seed: int = 0) -> Design:
    """Return queries of 8 rows that two columns order, with weights of the rows."""
    rng = np.random.default_rng(seed)
    n = 8 * n_queries
    x = rng.normal(size=(n, 3)).astype(np.float32)
    y = np.digitize(x[:, 0] + 0.5 * x[:, 1] ** 2 + 0.5 * rng.normal(size=n), np.linspace(-1, 2, grades))
    w = rng.uniform(0.5, 2, n)
    return Design((Block(("a", "b", "c"), x),), y.astype(np.float64), w, np.ones(n), np.arange(n) // 8)


def fitted(name: str, rows: Design, **params):
    module, run = registry.load("models", name), Run(np.random.default_rng(1))
    made = module.Params(**{module.STEPS: 10, **params})
    return module.fit(made, Task("regression"), module.prepare(made, Task("regression"), rows, None, run), run)


def test_xgboost_weighs_queries_by_the_mean_of_their_rows():
    rows = searches()
    alike = replace(rows, w=np.repeat(rows.w.reshape(-1, 8).mean(axis=1), 8))
    one, two, none = (fitted("xgboost", r, objective="rank:ndcg") for r in (rows, alike, replace(rows, w=np.ones(240))))
    assert one.model == two.model != none.model
    assert one.notes == ("XGBoost weighs whole queries: a query counts the mean weight of its rows",) and not two.notes


@pytest.mark.parametrize("objective", ["YetiRank", "PairLogit", "YetiRankPairwise", "PairLogitPairwise"])
def test_catboost_weighs_queries_where_it_goes_by_pairs(objective):
    """Half the queries are ordered by the first column, the others, of next to no weight, by the second."""
    rows = searches(80)
    x, even = rows.blocks[0].x, np.arange(640) // 8 % 2 == 0
    y = np.digitize(np.where(even, x[:, 0], x[:, 1]), [-1, 0, 1]).astype(np.float64)
    w = np.where(even, 1, 1e-3) * np.tile([0.5, 1.5], 320)
    made = fitted("catboost", replace(rows, y=y, w=w), objective=objective, n_estimators=30)
    said = made.predict(replace(rows, y=None)).mean[:, 0]
    assert np.corrcoef(said, x[:, 0])[0, 1] > 0.8 and abs(np.corrcoef(said, x[:, 1])[0, 1]) < 0.3
    assert "a query counts the mean weight of its rows" in made.notes[0]


@pytest.mark.parametrize("objective", ["QueryRMSE", "QuerySoftMax"])
def test_catboost_weighs_rows_where_it_goes_by_rows(objective):
    rows = searches(80)
    x, even = rows.blocks[0].x, np.arange(640) % 2 == 0
    y = np.digitize(np.where(even, x[:, 0], x[:, 1]), [-1, 0, 1]).astype(np.float64)
    made = fitted("catboost", replace(rows, y=y, w=np.where(even, 1, 1e-3)), objective=objective, n_estimators=30)
    said = made.predict(replace(rows, y=None)).mean[:, 0]
    assert np.corrcoef(said, x[:, 0])[0, 1] > 0.8 and abs(np.corrcoef(said, x[:, 1])[0, 1]) < 0.3
    assert not made.notes


def test_parameters_of_catboost_stand_behind_the_name():
    plain, mode = (fitted("catboost", searches(), objective=o) for o in ("YetiRank", "YetiRank:mode=NDCG;top=5"))
    assert plain.model != mode.model and plain.objective == mode.objective == "yetirank"
    with pytest.raises(FitError, match="CatBoost refuses"):
        fitted("catboost", searches(), objective="YetiRank:mode=NDGC")


def test_trees_of_pairwise_losses_are_symmetric():
    module = registry.load("models", "catboost")
    params = module.Params(objective="YetiRankPairwise", grow="Depthwise")
    with pytest.raises(RecipeError, match="grows symmetric trees alone"):
        module.check(params, Task("regression"))
    assert {"grow", "colsample", "onehot"} <= module.Params(objective="PairLogitPairwise").idle(Task("regression"))
    assert "grow" not in module.Params(objective="PairLogit").idle(Task("regression"))


def test_lightgbm_weighs_rows():
    rows = searches()
    alike = replace(rows, w=np.repeat(rows.w.reshape(-1, 8).mean(axis=1), 8))
    assert fitted("lightgbm", rows, objective="lambdarank").model != fitted("lightgbm", alike, objective="lambdarank").model  # fmt: skip


@pytest.mark.parametrize(
    ("name", "objective", "free"),
    [
        ("lightgbm", "lambdarank", {"label_gain": list(range(61))}),
        ("lightgbm", "lambdarank", {"label_gain": ",".join(map(str, range(61)))}),
        ("xgboost", "rank:ndcg", {"ndcg_exp_gain": False}),
    ],
)
def test_great_grades_want_gains(name, objective, free):
    rows = searches(grades=60)
    rows = replace(rows, y=np.asarray(rows.y) * 60 / np.asarray(rows.y).max() // 1)
    with pytest.raises(DataError, match="whole numbers from 0 to 30") as caught:
        fitted(name, rows, objective=objective)
    assert "give gains" in caught.value.problems[0].next
    said = fitted(name, rows, objective=objective, **free).predict(replace(rows, y=None)).mean[:, 0]
    assert np.corrcoef(said, np.asarray(rows.y))[0, 1] > 0.5


def test_gains_are_of_lambdarank_alone():
    with pytest.raises(RecipeError, match="lambdarank alone goes by label_gain"):
        fitted("lightgbm", searches(), objective="rank_xendcg", label_gain=[0, 1, 2, 3, 4])
    with pytest.raises(DataError, match="whole numbers from 0 to 1") as caught:
        fitted("xgboost", searches(), objective="rank:map")
    assert "gains" not in caught.value.problems[0].next


@pytest.mark.parametrize(
    ("name", "native", "kit_name"),
    [("xgboost", "rank:pairwise", "pairwise"), ("xgboost", "rank:ndcg", "lambdarank"), ("lightgbm", "xendcg", "rank_xendcg"), ("catboost", "QueryRMSE", "query_rmse"), ("catboost", "PairLogit", "pairwise"), ("catboost", "YetiRank", "yetirank")],
)  # fmt: skip
def test_names_of_the_library_are_names_of_kit(name, native, kit_name):
    assert fitted(name, searches(), objective=native).model == fitted(name, searches(), objective=kit_name).model
    module = registry.load("models", name)
    assert module.ranks(module.Params(objective=native)) and not module.ranks(module.Params())
