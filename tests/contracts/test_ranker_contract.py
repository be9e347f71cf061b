"""The battery every learner must pass for each objective by which it orders the rows of a query."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import worlds
from worlds import SEED, K, World, check_blind

from kit import registry
from kit.canon import stream
from kit.contracts import Run
from kit.design import Designs, Use, build
from kit.errors import DataError
from kit.models._ranking import RANKINGS
from kit.types import Design, Floats, Folds, Ints

CASES = [
    (name, objective)
    for name in registry.names("models")
    if hasattr(registry.load("models", name), "ranks")
    for objective in RANKINGS
    if registry.load("models", name).ranks(registry.load("models", name).Params(objective=objective))
]


def world(ranking: str) -> World:
    """Return the world of a ranking objective, a regression: of grades from 0 to 4, or of 0 and 1."""
    return _world("squared", RANKINGS[ranking].most)


@cache
def _world(objective: str, most: float) -> World:
    """Return a world of 30 queries, in no order among the rows, whole in each fold; y are grades from 0."""
    w = worlds.world(objective, n=300)
    query = np.random.default_rng(5).integers(0, 30, len(w.train)) * 7
    y = np.asarray(w.train.y)
    if objective == "squared":
        y = np.digitize(y, np.quantile(y, [0.3, 0.55, 0.75, 0.9])).astype(np.float64)
        y = (y > 2).astype(np.float64) if most == 1 else y
    use = worlds.plug("splits", "group", folds=3)
    train = replace(w.train, y=y, query=query, group=query)
    made = registry.load("splits", "group").assign(use.params, w.task, train, stream(SEED, "split", 0))
    return World(w.task, train, w.test, Folds(made.held[None].astype(np.int16), 3))


def ranker(name: str, objective: str, steps: int = worlds.FEW) -> Use:
    return worlds.plug("models", name, objective=objective, **{registry.load("models", name).STEPS: steps})


def spec_of(name: str, objective: str, task: str = "squared", stop: str = "refit"):
    return replace(worlds.fit_spec(ranker(name, objective), task, stop), split=worlds.plug("splits", "group", folds=3))


def designs_of(w: World) -> tuple[Designs, Design, Ints]:
    """Return fold K's designs, the last 40 learning rows being stop rows, the held rows' design and their queries."""
    learning, held = worlds.parts(w, K)
    cut = np.arange(len(learning))
    made = build(
        worlds.design_spec(K), w.task, learning.take(cut[:-40]), learning.take(cut[-40:]), worlds.everything(w)
    )
    assert held.query is not None
    return made, made.of(held.blind()), held.query


def fitted(use: Use, w: World, made: Designs):
    run, module = Run(np.random.default_rng(3)), worlds.module_of(use)
    return module.fit(use.params, w.task, module.prepare(use.params, w.task, made.train, made.stop, run), run)


def ordered(y: Floats, score: Floats, query: Ints) -> float:
    """Return the share of the pairs of a query whose rows differ in y that a score puts right."""
    a, b = np.nonzero((query[:, None] == query) & (y[:, None] > y))
    return float(np.mean(score[a] > score[b]))


@pytest.mark.parametrize("stop", ["cut", "refit", "fixed"])
@pytest.mark.parametrize(("name", "objective"), CASES)
def test_held_rows_are_out_of_reach_of_rankers(name: str, objective: str, stop: str) -> None:
    check_blind(spec_of(name, objective, stop=stop), world(objective))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_threads_do_not_change_a_bit_of_rankers(name: str, objective: str) -> None:
    one, two = (worlds.run_fold(spec_of(name, objective), world(objective), threads=t) for t in (1, 2))
    assert worlds.same(one.held, two.held) and worlds.same(one.test, two.test)
    assert one.curve.tobytes() == two.curve.tobytes() and len(one.curve)


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_it_orders_held_rows_and_tells_values_of_the_target(name: str, objective: str) -> None:
    w = world(objective)
    made, held, query = designs_of(w)
    _, rows = worlds.parts(w, K)
    pred = fitted(ranker(name, objective, 40), w, made).predict(held)
    assert ordered(np.asarray(rows.y), pred.mean[:, 0], query) > 0.7
    assert abs(pred.mean.mean() - np.asarray(made.train.y).mean()) < 0.5
    assert 0.4 < pred.mean.std() / np.asarray(made.train.y).std() < 2


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_scores_of_a_binary_target_lie_between_0_and_1(name: str, objective: str) -> None:
    w = _world("logloss", 1)
    made, held, query = designs_of(w)
    _, rows = worlds.parts(w, K)
    pred = fitted(ranker(name, objective, 40), w, made).predict(held).mean[:, 0]
    assert pred.min() > 0 and pred.max() < 1 and ordered(np.asarray(rows.y), pred, query) > 0.7


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_where_queries_stand_among_the_rows_is_no_matter(name: str, objective: str) -> None:
    """Rows that stand query by query, in their order, give the same model: they are what the library is handed."""
    w = world(objective)
    made, held, _ = designs_of(w)
    query = made.train.query
    assert query is not None and made.train.y is not None
    order = np.argsort(query, kind="stable")
    assert not np.array_equal(order, np.arange(len(order)))
    train = Design(
        tuple(replace(b, x=b.x[order]) for b in made.train.blocks),
        made.train.y[order],
        made.train.w[order],
        made.train.v[order],
        query[order],
    )
    use = ranker(name, objective)
    moved = fitted(use, w, replace(made, train=train))
    assert worlds.same(moved.predict(held), fitted(use, w, made).predict(held))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_which_rows_are_of_a_query_matters(name: str, objective: str) -> None:
    w = world(objective)
    made, held, _ = designs_of(w)
    assert made.train.query is not None
    other = replace(made, train=replace(made.train, query=np.roll(made.train.query, 1)))
    use = ranker(name, objective)
    assert not worlds.same(fitted(use, w, other).predict(held), fitted(use, w, made).predict(held))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_saved_ranker_predicts_the_same_bits(name: str, objective: str, tmp_path: Path) -> None:
    w = world(objective)
    made, held, _ = designs_of(w)
    model = fitted(ranker(name, objective), w, made)
    gain = model.importance()
    assert gain.shape == (held.n_columns,) and (gain >= 0).all() and gain.sum() > 0
    model.save(tmp_path)
    assert worlds.same(registry.load("models", name).load(tmp_path).predict(held), model.predict(held))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_rows_of_no_query_and_queries_of_one_grade(name: str, objective: str) -> None:
    w = world(objective)
    made, held, _ = designs_of(w)
    with pytest.raises(DataError, match="needs the queries of the rows"):
        fitted(ranker(name, objective), w, replace(made, train=replace(made.train, query=None)))
    alone = replace(made.train, query=np.arange(len(made.train)))
    flat = fitted(ranker(name, objective), w, replace(made, train=alone)).predict(held).mean
    assert len(np.unique(flat)) == 1


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_what_is_no_grade_is_refused(name: str, objective: str) -> None:
    w, rule = world(objective), RANKINGS[objective]
    made, _, _ = designs_of(w)
    assert made.train.y is not None
    wrong = {"half": 0.5 if rule.whole else None, "negative": -1.0 if rule.positive else None}
    wrong["large"] = rule.most + 1 if np.isfinite(rule.most) else None
    for value in filter(None, wrong.values()):
        y = made.train.y.copy()
        y[3] = value
        with pytest.raises(DataError, match=f"the objective {objective} needs") as caught:
            fitted(ranker(name, objective), w, replace(made, train=replace(made.train, y=y)))
        assert caught.value.problems[0].next and f"such as {value:g}" in caught.value.problems[0].got
