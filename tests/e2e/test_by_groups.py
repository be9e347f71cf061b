"""A metric that is a mean over groups: it holds in runs, blends, studies and archives, or is refused in words."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
from test_tune import trials, tune, tuned  # noqa: F401 - a fixture

from kit import archive, opening, pool, registry
from kit.errors import KitError
from kit.given import hand_over

RECIPE = """\
data: {train: train.csv, test: test.csv, id: id, target: y, weight: w}
metric: {spearman: {by: era}}
also: [rmse, {rmse: {by: [era, c], weigh: rows}}]
split: {use: kfold, folds: 3, repeats: 2}
features:
  base: [numeric, category]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 12}, stop: fixed}
  b: {use: lightgbm, features: base, params: {n_estimators: 8, leaves: 3}, stop: fixed}
blend:
  mix: {use: hill_climb, from: [a, b]}
"""


@pytest.fixture
def eras(toy):
    """The toy with 10 eras, which test lacks, the last of one value of y; and weights, some of them 0."""
    frame = pd.read_csv(toy.folder / "train.csv")
    frame["era"], frame["w"] = [f"e{i % 10}" for i in range(len(frame))], np.arange(len(frame)) % 3
    frame.loc[frame.era == "e9", "y"] = 0.5
    frame["grade"] = np.clip(frame.y.round(), 0, 3).astype(int)
    frame.to_csv(toy.folder / "train.csv", index=False)
    toy.write(RECIPE.replace("weight: w", "weight: w, drop: [grade]"))
    return toy


def by_hand(toy, pred: pd.Series) -> float:
    """Return the mean over the eras of Spearman's correlation of rows repeated by their weight, by pandas."""
    frame = pd.read_csv(toy.folder / "train.csv").assign(pred=pred.to_numpy(np.float32))
    rows = frame.loc[frame.index.repeat(frame.w)]
    found = {era: part.y.rank().corr(part.pred.rank()) for era, part in rows.groupby("era") if part.y.nunique() > 1}
    assert len(found) == 9
    return float(np.mean(list(found.values())))


def averaged(toy, name: str, recipe: str = "r") -> pd.Series:
    return toy.oof(name, recipe=recipe).to_pandas().groupby("id", sort=True)["pred"].mean()


def test_one_number_everywhere(eras):
    done = eras.kit("run", str(eras.folder / "r.yaml"), "--keep-models")
    assert done.code == 0, done.err
    assert done.out.count("1 of 10 groups are left out") == 1
    for name in ("a", "b", "mix"):
        card = eras.card(name)
        assert card["metric"] == "spearman by era" and card["groups"]["spearman by era"] == [10, 1]
        assert card["score"] == pytest.approx(by_hand(eras, averaged(eras, name)), rel=1e-6)
        assert set(card["also"]) == {"rmse", "rmse by era, c (rows)"}
    checked = eras.kit("check", str(eras.folder / "r.yaml")).out
    assert "mean over 10 groups of 8 to 8 rows (median 8); 1 is left out" in " ".join(checked.split())
    assert "the test file lacks it" not in checked.split("era")[-1]

    folder = eras.root / "oof" / "r" / "a"
    columns = pl.read_parquet(folder / "folds.parquet").columns
    assert "by era" in columns and "by era, c" in columns
    shutil.rmtree(eras.root / ".kit")  # the groups lie beside the OOF
    kept = archive.read(folder)
    truth = pool.truth_of(kept)
    assert truth.score(kept.pooled()) == pytest.approx(eras.card("a")["score"], rel=1e-9)

    blend = eras.kit("blend", "r:a", "r:b", "--name", "again", "--use", "hill_climb")
    assert blend.code == 0, blend.err
    assert eras.card("again", "blends")["score"] == pytest.approx(
        by_hand(eras, averaged(eras, "again", "blends")), rel=1e-6
    )
    listed = eras.kit("ls", "r", "--compare")
    assert listed.code == 0 and "spearman by era" in " ".join(listed.out.split()), listed.out + listed.err

    given = eras.kit("import", str(folder / "oof.parquet"), "--name", "mate", "--recipe", str(eras.folder / "r.yaml"))
    assert given.code == 0, given.err
    assert eras.card("mate")["score"] == pytest.approx(eras.card("a")["score"], rel=1e-9)
    out = eras.folder / "p.csv"
    assert eras.kit("predict", str(eras.folder / "r.yaml"), str(eras.folder / "test.csv"), "-o", str(out)).code == 0

    plain = pl.read_parquet(folder / "folds.parquet").drop("by era")
    plain.write_parquet(folder / "folds.parquet")
    lost = pool.truth_of(archive.read(folder))
    with pytest.raises(KitError, match="needs the groups of the rows"):
        lost.score(kept.pooled())


def test_a_study_is_scored_by_it(eras, tuned):  # noqa: F811
    """Its first trial, the parameters as they are, has the score of the run."""
    eras.edit(("repeats: 2", "repeats: 1"), ("weight: w", "weight: w, drop: [grade]"), text=RECIPE)
    tune(eras, "--model", "a", "--trials", "2")
    eras.run()
    first = next(t for t in trials(eras) if t.number == 0)
    assert first.value is not None
    assert abs(first.value) == pytest.approx(eras.card("a")["score"], rel=1e-6)
    assert eras.card("a")["score"] == pytest.approx(by_hand(eras, averaged(eras, "a")), rel=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("{spearman: {by: era}}", "ndcg@5", "needs `by`"),
        ("{spearman: {by: era}}", "{spearman: {by: eras}}", "did you mean 'era'"),
        ("{spearman: {by: era}}", "{spearman: {by: era, weigh: size}}", "groups weigh equal"),
        ("{spearman: {by: era}}", "{spearman: {by: [era, era]}}", "names a column twice"),
        ("{spearman: {by: era}}", "{spearman: {within: era}}", "a mapping of one name to its groups"),
        ("{spearman: {by: era}}", "{spaerman: {by: era}}", "did you mean 'spearman'"),
        ("{spearman: {by: era}}", "{spearman: {by: y}}", "no column of single values"),
        ("use: hill_climb, from: [a, b]", "use: thresholds, from: a", "seeks what is best over all rows"),
    ],
)
def test_what_cannot_be_is_refused(eras, old, new, match):
    eras.edit((old, new), text=(eras.folder / "r.yaml").read_text())
    done = eras.kit("plan", str(eras.folder / "r.yaml"))
    assert done.code == 2 and match in done.err, done.err


def test_queries_torn_by_the_folds_are_told(eras):
    text = (
        (eras.folder / "r.yaml").read_text().replace("target: y", "target: grade").replace("drop: [grade]", "drop: [y]")
    )
    eras.edit(("{spearman: {by: era}}", "ndcg@3 by era"), text=text)
    told = " ".join(eras.kit("check", str(eras.folder / "r.yaml")).out.split())
    assert "warning: era: the rows of 10 groups stand in several folds" in told
    assert "split: {use: group, groups: era} holds them whole" in told
    eras.edit(("{use: kfold, folds: 3, repeats: 2}", "{use: group, folds: 3, groups: era}"), ("{spearman: {by: era}}", "ndcg@3 by era"), text=text)  # fmt: skip
    assert "stand in several" not in eras.kit("check", str(eras.folder / "r.yaml")).out
    eras.edit(("{spearman: {by: era}}", "ndcg@3 by c"), text=text)
    told = " ".join(eras.kit("check", str(eras.folder / "r.yaml")).out.split())
    assert "c: names queries, and models read it as a feature" in told


def test_groups_are_in_the_key_of_blends_alone(eras):
    """Other groups change what is climbed, and no fit."""
    text = (eras.folder / "r.yaml").read_text()
    fits = {s["name"]: s["key"] for s in eras.plan()}
    eras.edit(("{spearman: {by: era}}", "{spearman: {by: c}}"), text=text)
    changed = {name for name, key in ((s["name"], s["key"]) for s in eras.plan()) if fits.get(name) != key}
    assert changed and not any(name.startswith("fit") for name in changed), changed
    assert any(name.startswith("blend") for name in changed)


@pytest.mark.parametrize("metric", ["{rmse: {by: era}}", "{y: {rmse: {by: era}}, x1: mae}"])
def test_targets_may_each_have_one(eras, metric):
    text = RECIPE.replace("target: y", "targets: [y, x1]").replace("{spearman: {by: era}}", metric)
    path = eras.write(text.replace("also: [rmse, {rmse: {by: [era, c], weigh: rows}}]", "also: []"))
    read = opening.read_recipe(hand_over(path), ["data.target=y"], False)
    assert read.metric == "rmse by era" and registry.metric(read.metric).within is not None
