"""Runs every recipe of recipes/judge on a set with known test scores; estimates first, the truth is read last.

python benchmarks/judge.py [--data ../shared/data/judge_sts] [--only NAME ...] [--root DIR] [--out benchmarks/judge.csv]

Of each recipe: the score its out-of-fold predictions promise under a declared distribution of the test scores, with
standard error and 90 % interval (`--declared`: the recipe that says it, in `evaluate` or by a model with a std), then
what the truth says; `behind` is the distance to the least RMSE with its paired standard error, pairs whole. Every
reading of the truth is appended to benchmarks/truth_reads.csv. `--no-truth` ends before.
A reference from outside: LightGBM on 5000 unskewed scores and the same vectors is said to reach 2.40 on judge_sts.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import subprocess
import tempfile
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

from kit import api, archive, counts, estimate, evaluate, leeway, opening
from kit.archive import Kept
from kit.leeway import Leeway
from kit.oof import Oof
from kit.paired import Truth, spread
from kit.types import Floats, Ints, Task

HERE = Path(__file__).resolve().parent
RECIPES = HERE.parent / "recipes" / "judge"
READS = HERE / "truth_reads.csv"
TASK = Task("regression")
GROUP = "pair_id"


@dataclass(frozen=True)
class Ran:
    """A recipe that was run: what it submits, as kept, and the seconds its fits took."""

    name: str
    kept: Kept
    seconds: float

    @property
    def pred(self) -> np.ndarray:
        """(n, 1) out of fold."""
        return self.kept.pooled()

    def layers(self) -> np.ndarray:
        """Return (K, t, 1) what the fold models say of test."""
        found = archive.layers(self.kept.folder, self.kept.card, self.kept.test_ids)
        return self.kept.test[None] if found is None else found


def ran(name: str, data: Path, root: Path, sets: list[str]) -> Ran:
    """Run a recipe on the set (what is there already is not done again) and return what it made."""
    path = RECIPES / f"{name}.yaml"
    changes = [f"data.folder={data}", *sets]
    result = api.run(path, set=changes, root=root, jobs=1)
    if result.failures:
        raise SystemExit(f"{name}: {result.failures[0]}")
    recipe = opening.read_recipe(path, changes)
    cards = [archive.read_card(root / "oof" / recipe.name / m.name) for m in recipe.models]
    kept = archive.read(root / "oof" / recipe.name / str(recipe.submit))
    return Ran(name, kept, sum(float(card["seconds"]) for card in cards))


def declared(name: str, root: Path, data: Path) -> tuple[Kept, Floats, Leeway | None]:
    """Return an OOF of the recipe, the weights v (n,) of its rows that make them look like the test rows, their leeway.

    Taken from what the recipe declares in `evaluate`; else estimated from its first model with a std, or its last one.
    """
    recipe = opening.read_recipe(RECIPES / f"{name}.yaml", [f"data.folder={data}"])
    folder = root / "oof" / recipe.name
    kept = archive.read(folder / str(recipe.submit))
    v, _ = counts.rows(kept)
    if (v != v[0]).any():
        return kept, v, Leeway.told(kept.card.get("evaluate"), kept.codes())
    each = [archive.read(folder / m.name) for m in recipe.models]
    sure = next((k for k in each if k.std is not None), each[-1])
    std = (None, None) if sure.std is None else (sure.std, sure.test_std[None])
    oof = Oof(sure.fold, sure.codes(), sure.pred, sure.test[None], *std)
    bins, ones, by = evaluate.regular(TASK, oof.y, 10), np.ones(len(oof.y)), "counts" if sure.std is None else "sigma"
    found = evaluate.estimate(TASK, oof, bins, ones, by)
    print(f"shares {np.round(found.shares, 3).tolist()}, {found.distance:.1%} of the predictions unexplained")
    made = evaluate.declared(bins, found.shares, ones)
    spread = leeway.covariance(TASK, oof, leeway.Sample(bins, ones, counts.rows(sure)[1]), found, by, "rows")
    return sure, made.ratio, Leeway(made.bins.of, made.test, leeway.joined(bins, made.bins, spread))


def promised(run: Ran, first: Kept, v: Floats, doubt: Leeway | None) -> dict[str, object]:
    """Return the columns that are known before the truth: plain and declared score, their error and interval."""
    kept = run.kept
    at = archive.positions(kept.ids, first.ids)
    group = counts.rows(kept)[1]
    truth = Truth(TASK, "rmse", kept.codes(), v[at], group)
    plain = Truth(TASK, "rmse", kept.codes(), np.ones(len(at)), group)
    moved = None if doubt is None else replace(doubt, of=doubt.of[at])
    told = estimate.estimate(truth, run.pred, run.pred, run.layers(), doubt=moved)
    return {
        "recipe": run.name,
        "fit_seconds": round(run.seconds, 1),
        "plain_oof": round(plain.score(run.pred), 4),
        "estimate": round(told.expected, 4),
        "se": round(told.se, 4),
        "low": round(told.low, 4),
        "high": round(told.high, 4),
    }


def scored(data: Path, runs: list[Ran], lines: list[dict[str, object]]) -> None:
    """Read the truth, once; add what it says to the lines and say how many pairs the estimates order rightly."""
    truth, test = pl.read_csv(data / "truth.csv.gz"), pl.read_csv(data / "test.csv.gz")
    ids = runs[0].kept.test_ids
    y = truth["score"].to_numpy()[archive.positions(ids, truth["ID"])]
    pairs = test[GROUP].to_numpy()[archive.positions(ids, test["ID"])]
    group: Ints = np.unique(pairs, return_inverse=True)[1]
    preds = [run.kept.test[archive.positions(ids, run.kept.test_ids)] for run in runs]
    found = spread(Truth(TASK, "rmse", y, np.ones(len(y)), group), preds)
    for line, pred, score in zip(lines, preds, found.scores, strict=True):
        line["test_rmse"] = round(float(score), 4)
        line["bias"] = round(float((pred[:, 0] - y).mean()), 4)
        line["spearman"] = round(float(stats.spearmanr(pred[:, 0], y).statistic), 4)
    least = int(np.argmin(found.scores))
    for i, line in enumerate(lines):
        line["behind"] = round(float(found.scores[i] - found.scores[least]), 4)
        line["behind_se"] = round(found.of_difference(i, least), 4)
    _log(data.name, lines)
    apart = [
        (i, j)
        for i, j in combinations(range(len(runs)), 2)
        if abs(found.scores[i] - found.scores[j]) > 2 * found.of_difference(i, j)
    ]
    told = [float(str(line["estimate"])) for line in lines]
    right = sum((told[i] < told[j]) == (found.scores[i] < found.scores[j]) for i, j in apart)
    print(f"pairs of recipes more than 2 paired standard errors apart: {len(apart)}; ordered rightly: {right}")
    for line in lines:
        low, high, score = (float(str(line[k])) for k in ("low", "high", "test_rmse"))
        line["held"] = low <= score <= high


def _log(name: str, lines: list[dict[str, object]]) -> None:
    """Append the readings of the truth."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=HERE
    )
    today = datetime.date.today().isoformat()
    with READS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for line in lines:
            writer.writerow([today, commit.stdout.strip(), name, f"judge/{line['recipe']}", "rmse", line["test_rmse"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "judge_sts")
    parser.add_argument("--only", nargs="*", default=[], help="recipes; all if none is named")
    parser.add_argument("--root", type=Path, default=None, help="where results go and are found again")
    parser.add_argument("--declared", default=None, help="recipe that says what the test scores look like")
    parser.add_argument("--set", nargs="*", default=[], help="further changes of every recipe")
    parser.add_argument("--no-truth", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    names = args.only or sorted(path.stem for path in RECIPES.glob("*.yaml"))
    says = args.declared or ("best" if (RECIPES / "best.yaml").is_file() else "published")
    root = args.root or Path(tempfile.mkdtemp(prefix="kit-judge-"))
    data = args.data.resolve()
    runs = []
    for name in dict.fromkeys([*names, says]):
        runs.append(ran(name, data, root, args.set))
        print(f"{name}: {runs[-1].seconds:.0f} s of fits", flush=True)
    first, v, doubt = declared(says, root, data)
    print(f"declared by {says}: {evaluate.effective(v):.0f} effective of {len(v)} rows", flush=True)
    lines = [promised(run, first, v, doubt) for run in runs]
    if not args.no_truth:
        scored(data, runs, lines)
    lines.sort(key=lambda line: float(str(line.get("test_rmse", line["estimate"]))))
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, tbl_hide_dataframe_shape=True):
        print(pl.DataFrame(lines))
    if args.out is not None:
        pl.DataFrame(lines).write_csv(args.out)


if __name__ == "__main__":
    main()
