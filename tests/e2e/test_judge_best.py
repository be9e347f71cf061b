"""recipes/judge/best.yaml on sentence pairs made here: planned, run in small, nearer to the truth than what it beats."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_judge_recipes import WORDS, needs_minilm, needs_texts

BEST = Path(__file__).parents[2] / "recipes" / "judge" / "best.yaml"
PLAIN = "  plain: {use: lightgbm, features: [own, pair], params: {n_estimators: 100}, stop: fixed}\n"


def pairs(seed: int, n: int, skewed: bool) -> tuple[pl.DataFrame, np.ndarray]:
    """Return rows of n pairs, two languages each, and their scores: about so many words of ten does a response keep."""
    rng = np.random.default_rng(seed)
    rows, scores = [], []
    for i in range(n):
        score = rng.uniform(8, 10) if skewed and rng.random() < 0.9 else rng.uniform(0, 10)
        numbers = rng.integers(0, 60, 10)
        for language in rng.permutation(["de", "en", "fr"])[:2].tolist():
            kept = score + rng.normal(0, 2.5)
            other = np.where(np.arange(10) < kept, numbers, rng.integers(60, 120, 10))
            said = [" ".join(f"{WORDS[k % 9]}{language}{k}" for k in words) for words in (numbers, other)]
            rows.append((language, f"{seed}-{i}", *said))
            scores.append(round(score, 1))
    names = ["language", "pair_id", "user_prompt", "response"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(ID=pl.int_range(len(rows)) + seed * 10_000)
    return frame, np.array(scores)


@pytest.fixture
def best(toy):
    """The recipe, training pairs that are mostly good and test pairs of every kind, and the truth of these."""
    folder = toy.folder / "data"
    folder.mkdir()
    train, score = pairs(1, 400, skewed=True)
    train.with_columns(score=pl.Series(score)).write_csv(folder / "train.csv")
    test, truth = pairs(2, 150, skewed=False)
    test.write_csv(folder / "test.csv")
    test.select("ID", score=pl.lit(9.0)).write_csv(folder / "sample_submission.csv")
    shutil.copy(BEST, toy.folder)
    return toy, truth


@needs_minilm
def test_it_says_how_it_is_run_and_is_planned(best):
    toy, _ = best
    text = BEST.read_text("utf-8")
    assert text.startswith("# ") and "--set data.folder=../shared/data/judge_sts" in text.partition("name:")[0]
    stages = toy.plan(recipe="best.yaml")
    assert sum(stage["name"].startswith("fit ") for stage in stages) == 10
    assert all(stage["state"] in ("run", "reuse") for stage in stages)


@needs_texts
def test_it_finds_low_scores_that_training_hardly_shows(best):
    """Against LightGBM on the same columns, which collapses to the high scores."""
    import textmodel

    toy, truth = best
    text = (toy.folder / "best.yaml").read_text("utf-8")
    toy.write(text.replace("model: minilm", f"model: {textmodel.folder()}").replace("models:\n", "models:\n" + PLAIN))
    done = toy.run()
    assert done.stages["failed"] == 0
    error = {}
    for name in ("match", "final", "plain"):
        pred = toy.oof(name, "test", recipe="judge_best")["pred"].to_numpy()
        error[name] = float(np.sqrt(np.mean((pred - truth) ** 2)))
    assert max(error["match"], error["final"]) < 0.92 * error["plain"]
    assert pl.read_csv(done.json["submission"])["score"].is_between(0, 10).all()
    about = toy.card("final", recipe="judge_best")["evaluate"]
    assert about["transductive"] is True and about["test_shares"][-1] < 0.4 < about["train_shares"][-1]
