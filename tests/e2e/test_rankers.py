"""Models that order the rows of a query: run, blended, tuned, kept, handed out, or refused in words."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_tune import trials, tune, tuned  # noqa: F401 - a fixture

from kit import fitting
from kit.design import build
from kit.fold import handed
from kit.opening import open_recipe
from kit.rows import both

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: grade, groups: query}
metric: {ndcg@5: {by: query}}
also: [rmse, {spearman: {by: query}}]
task: regression
split: {use: group, folds: 3}
seed: 7
features:
  base: [numeric]
augment:
  copies: [{use: oversample}]
  of_reg: [{use: pseudo, source: reg}]
  of_rank: [{use: pseudo, source: rank}]
models:
  rank: {use: lightgbm, features: base, params: {objective: lambdarank, n_estimators: 12, learning_rate: 0.1}}
  reg: {use: lightgbm, features: base, params: {n_estimators: 12, learning_rate: 0.1}}
blend:
  mix: {use: mean, from: [rank, reg]}
  level: {use: isotonic, from: rank}
submit: {from: mix}
"""


def searches(n_queries: int, first: int) -> pd.DataFrame:
    """Return queries of 4 to 11 rows with grades from 0 to 4 within each, shuffled; `off` is of the query alone."""
    rng, parts = np.random.default_rng(first), []
    for q in range(n_queries):
        n = int(rng.integers(4, 12))
        x = rng.normal(size=(n, 3)).round(3)
        value = x[:, 0] + 0.5 * x[:, 1] ** 2 + 0.4 * rng.normal(size=n)
        grade = np.floor(4.999 * (value - value.min()) / np.ptp(value)).astype(int)
        columns = {"query": f"q{first + q:03d}", "x1": x[:, 0], "x2": x[:, 1], "x3": x[:, 2], "off": rng.normal()}
        parts.append(pd.DataFrame({**columns, "grade": grade}))
    made = pd.concat(parts).sample(frac=1, random_state=3).reset_index(drop=True)
    made.insert(0, "id", np.arange(len(made)) + 10_000 * first)
    return made


@pytest.fixture
def shop(toy):
    """A competition of 40 queries; those of test are not told."""
    searches(40, 1).to_csv(toy.folder / "train.csv", index=False)
    searches(8, 500).drop(columns=["grade", "query"]).to_csv(toy.folder / "test.csv", index=False)
    toy.write(RECIPE)
    return toy


def test_from_the_rows_to_new_rows(shop):
    done = shop.kit("run", str(shop.folder / "r.yaml"), "--keep-models", "--set", "models.rank.refit=true")
    assert done.code == 0, done.err
    assert "no rmse for rank, mix: rmse needs values, and these are scores of a ranking" in " ".join(done.out.split())
    card = shop.card("rank")
    assert card["unscaled"] and card["also"]["rmse"] is None and card["score"] > 0.8
    assert shop.card("mix")["unscaled"] and "unscaled" not in shop.card("reg")
    level = shop.card("level")
    assert "unscaled" not in level and level["also"]["rmse"] < 1.4  # a curve over scores tells values

    gain = card["importances"]["permutation"]
    assert gain["x1"] > 0.1 and gain["x1"] > 10 * abs(gain["off"])

    submitted = pd.read_csv(next((shop.root / "submissions").glob("0001*.csv")))
    out = shop.folder / "p.csv"
    assert shop.kit("predict", str(shop.folder / "r.yaml"), str(shop.folder / "test.csv"), "-o", str(out)).code == 0
    np.testing.assert_allclose(pd.read_csv(out)["pred"], submitted["grade"], rtol=1e-6)
    assert (shop.root / "oof/r/rank/models/fold0-seed0/model.txt").is_file()

    again = shop.kit("run", str(shop.folder / "r.yaml"), "--json", "--set", "models.rank.refit=true")
    assert again.stages["run"] == 0
    blend = shop.kit("blend", "r:rank", "r:reg", "--name", "both", "--use", "mean")
    assert blend.code == 0, blend.err
    assert shop.card("both", "blends")["score"] == pytest.approx(shop.card("mix")["score"], rel=1e-9)
    refused = shop.kit("blend", "r:rank", "r:reg", "--name", "no", "--use", "mean", "--metric", "rmse")
    assert refused.code == 2 and "r:rank: scores" in refused.err, refused.err


def test_rankers_of_all_libraries_blend(shop):
    """Row weights that differ within queries are told where a library has weights of queries alone."""
    frame = pd.read_csv(shop.folder / "train.csv")
    frame.assign(w=1 + np.arange(len(frame)) % 3).to_csv(shop.folder / "train.csv", index=False)
    text = RECIPE.replace("groups: query", "groups: query, weight: w")
    text = text.replace("blend:", """\
  xgb: {use: xgboost, features: base, params: {objective: "rank:pairwise", n_estimators: 12}}
  yeti: {use: catboost, features: base, params: {objective: "YetiRank:mode=NDCG", n_estimators: 12}}
  pairs: {use: catboost, features: base, params: {objective: PairLogitPairwise, n_estimators: 12}}
  rows: {use: catboost, features: base, params: {objective: QueryRMSE, n_estimators: 12}}
blend:""").replace("from: [rank, reg]", "from: [rank, reg, xgb, yeti, pairs, rows]")  # fmt: skip
    shop.write(text)
    assert shop.run("--keep-models").stages["failed"] == 0
    for name in ("rank", "xgb", "yeti", "pairs", "rows"):
        card = shop.card(name)
        told = any("a query counts the mean weight of its rows" in note for note in card["notes"])
        assert card["unscaled"] and card["score"] > 0.75 and told == (name not in ("rank", "rows"))
        assert max(card["importances"]["gain"], key=card["importances"]["gain"].get) == "x1"
        assert all(0 < step <= 18 for step in card["best_steps"])
    out = shop.folder / "p.csv"
    assert shop.kit("predict", str(shop.folder / "r.yaml"), str(shop.folder / "test.csv"), "-o", str(out)).code == 0
    submitted = pd.read_csv(next((shop.root / "submissions").glob("0001*.csv")))
    np.testing.assert_allclose(pd.read_csv(out)["pred"], submitted["grade"], rtol=1e-5)


def test_matrices_tell_queries_which_are_whole_in_the_stop_rows(shop):
    shop.run("--set", "models.rank.stop=cut", "--set", "split={use: kfold, folds: 3}")
    out = shop.folder / "matrices"
    done = shop.kit("export", str(shop.folder / "r.yaml"), "--model", "rank", "-o", str(out), "--set", "models.rank.stop=cut", "--set", "split={use: kfold, folds: 3}")  # fmt: skip
    assert done.code == 0, done.err
    learn, stop = (np.load(out / f"{part}_query.npy") for part in ("learn", "stop"))
    assert len(learn) == len(np.load(out / "learn_y.npy")) and len(stop) and not np.isin(stop, learn).any()
    names = pd.read_csv(shop.folder / "train.csv")["query"].to_numpy()
    for part, query in (("learn", learn), ("stop", stop)):
        named = names[np.load(out / f"{part}_row.npy")]
        assert len(set(zip(named, query, strict=True))) == len(set(query)) == len(set(named))


def test_queries_are_in_the_key_of_rankers_alone(shop):
    before = {s["name"]: s["key"] for s in shop.plan()}
    frame = pd.read_csv(shop.folder / "train.csv")
    frame.assign(session=np.arange(len(frame)) // 3).to_csv(shop.folder / "train.csv", index=False)
    shop.edit(("ndcg@5: {by: query}", "ndcg@5: {by: session}"), text=RECIPE)
    changed = {s["name"] for s in shop.plan() if before.get(s["name"]) != s["key"]}
    assert {"fit rank fold 0 seed 0", "oof rank", "blend mix"} <= changed
    assert not {"fit reg fold 0 seed 0", "oof reg"} & changed


def test_a_study_of_a_ranker_begins_with_the_run(shop, tuned):  # noqa: F811
    shop.write(RECIPE)
    tune(shop, "--model", "rank", "--trials", "2")
    shop.run("--no-tuned")
    first = next(t for t in trials(shop, "rank") if t.number == 0)
    assert abs(first.value) == pytest.approx(shop.card("rank")["score"], rel=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("{ndcg@5: {by: query}}\nalso: [rmse, {spearman: {by: query}}]", "rmse", "lambdarank orders the rows of a query, and the metric names none"),
        ("metric: {ndcg@5: {by: query}}", "metric: {rmse: {by: query}}", "lambdarank gives scores without a scale, and the metric needs values"),
        ("learning_rate: 0.1}}\n  reg", "learning_rate: 0.1}, target_transform: rank}\n  reg", "learns the order of the target as it is"),
        ("learning_rate: 0.1}}\n  reg", "learning_rate: 0.1}, augment: of_reg}\n  reg", "takes no pseudo-labels"),
        ("learning_rate: 0.1}}\nblend", "learning_rate: 0.1}, target_transform: residual(rank)}\nblend", "rank predicts scores, which order the rows"),
        ("learning_rate: 0.1}}\nblend", "learning_rate: 0.1}, augment: of_rank}\nblend", "rank predicts scores, which order the rows"),
        ("submit: {from: mix}", "submit: {from: mix}\nevaluate: {estimate: rank}", "a test distribution is estimated from values"),
        ("lambdarank", "lambdamart", "LightGBM has no such objective"),
        ("objective: lambdarank", "objective: lambdarank, eval_at: 3", "eval_at is not yours to set"),
        ("objective: lambdarank", "objective: lambdarank, label_gain: high", "label_gain is a list of numbers"),
    ],
)  # fmt: skip
def test_what_no_ranker_can_be_asked_for_is_refused(shop, old, new, match):
    shop.edit((old, new), text=RECIPE)
    done = shop.kit("plan", str(shop.folder / "r.yaml"))
    assert done.code == 2 and match in " ".join(done.err.split()), done.err


def test_grades_are_whole_and_not_too_great(shop):
    frame = pd.read_csv(shop.folder / "train.csv")
    for change, match in ((0.5, "whole numbers from 0 to 30"), (40, "or give gains, which lambdarank takes")):
        frame.assign(grade=frame["grade"].where(frame.index > 3, frame["grade"] + change)).to_csv(shop.folder / "train.csv", index=False)  # fmt: skip
        done = shop.kit("run", str(shop.folder / "r.yaml"), "--set", "metric=mrr by query")
        assert done.code == 3 and match in " ".join(done.err.split()), done.err
    gains = f"models.rank.params.label_gain={json.dumps(list(range(60)))}"
    done = shop.kit("run", str(shop.folder / "r.yaml"), "--set", gains, "--set", "metric=mrr by query")
    assert done.code == 0, done.err


def test_rows_that_only_teach_and_synthetic_ones_belong_to_queries(shop):
    """An extra row is of the query it names, or of one of its own; a copy of its parent's. None of them is stopped on
    beside rows that are learnt from."""
    more = searches(6, 700)
    more.loc[:4, "query"] = pd.read_csv(shop.folder / "train.csv")["query"].iloc[0]
    more.loc[5:7, "query"] = None
    more.to_csv(shop.folder / "more.csv", index=False)
    text = RECIPE.replace("groups: query}", "extra: [{path: more.csv, as: rows}]}").replace("{use: group, folds: 3}", "{use: kfold, folds: 3}")  # fmt: skip
    shop.write(text.replace("models:\n  rank: {", "models:\n  rank: {augment: copies, ", 1))
    opened = open_recipe(shop.folder / "r.yaml", root=shop.root)
    stage = next(s for s in opened.plan.stages if s.name == "fit rank fold 0 seed 0")
    train, test = fitting.inputs_of(stage, opened.store)
    n = len(pd.read_csv(shop.folder / "train.csv"))
    assert train.query is not None and len(train) == n + len(more)
    names = pd.concat([pd.read_csv(shop.folder / "train.csv"), more])["query"].reset_index(drop=True)
    known = names.notna().to_numpy()
    assert (
        len(set(zip(names[known], train.query[known], strict=True))) == names.nunique() == len(set(train.query[known]))
    )
    assert len(set(train.query[~known])) == 3 and not np.isin(train.query[~known], train.query[known]).any()

    spec, folds = fitting.spec_of(stage, opened.store), fitting.folds_for(stage, opened.store, train)
    made = build(spec.design, spec.task, train, None, both(train, test))
    copies = made.synthetic[0]
    assert len(copies) and copies.query is not None
    place = {row: i for i, row in enumerate(train.row)}
    assert (copies.query == train.query[[place[p] for p in copies.parents[:, 0]]]).all()
    assert made.train.query is not None and (made.train.query == np.concatenate([train.query, copies.query])).all()

    cut = handed(replace(spec, stop="cut"), train, test, folds)
    assert cut.stop is not None and not np.isin(cut.designs.train.query, cut.designs.stop.query).any()
    assert shop.run().stages["failed"] == 0
