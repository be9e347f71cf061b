"""`kit tune` beside the usual objective at equal time: what the winner of each scores on rows that neither has seen.

Both get the same CPU seconds (set-up counted), rows, folds, ranges and one thread, in turn in one process (see
`tune.py`). Then each winner predicts test.csv twice: as the average of its five fold models (`folds`: the same use of
both winners, so that the search alone differs) and, for the usual objective, fitted once on all rows (`whole`: what its
users do). The held-out truth is read once per prediction, after all of it; each reading goes to truth_reads.csv.

    python benchmarks/tune_truth.py --out benchmarks/tune_truth.csv [--seconds 40] [--rows 2000]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib
import importlib.util
import itertools
import math
import statistics
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import yaml
from tune import BOOSTERS, DATA, FOLDS, Case, Kit, Usual, case_of

from kit import api
from kit._tune import studies

SETS = (
    *("california_housing", "concrete_strength", "ps_s3e14_blueberry"),
    *("adult_census", "telco_churn", "ps_s3e26_cirrhosis"),
)
READS = Path(__file__).resolve().parent / "truth_reads.csv"
LOWER = ("rmse", "mae", "logloss")


def scorer() -> Any:
    """Return the function that scores a submission, the one all comparisons use."""
    spec = importlib.util.spec_from_file_location("shared_score", DATA.parent / "bench" / "score.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score


def searched(arms: dict[str, Any], spent: dict[str, float], seconds: float) -> dict[str, dict[str, Any]]:
    """Let the arms search in turn until each has used its seconds; return each one's best trial within them."""
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    trials = dict.fromkeys(arms, 0)
    while open_ := [a for a in arms if spent[a] < seconds]:
        arm = min(open_, key=lambda a: spent[a])
        began = time.process_time()
        _, loss = arms[arm].step()
        spent[arm] += time.process_time() - began
        if spent[arm] > seconds and arm in best:
            continue
        trials[arm] += 1
        if loss is not None and (arm not in best or loss < best[arm][0]):
            best[arm] = loss, settings(arms[arm])
    return {arm: {"loss": best[arm][0], "settings": best[arm][1], "trials": trials[arm]} for arm in arms}


def settings(arm: Kit | Usual) -> dict[str, Any]:
    """Return the settings of the trial that was told last."""
    if isinstance(arm, Usual):
        return dict(arm.study.trials[-1].params)
    told = [t for t in arm.desk.study.trials if t.state.is_finished()]
    last = max(told, key=lambda t: t.datetime_complete)
    return studies.settings_of(last.params, last.user_attrs)


def kit_submission(case: Case, use: str, rounds: int, found: dict[str, Any]) -> pd.DataFrame:
    """Return what `kit run` submits with the settings; the fits are there already."""
    recipe = yaml.safe_load((case.folder / f"{use}-kit.yaml").read_text("utf-8"))
    recipe["data"]["test"] = str(DATA / case.name / "test.csv.gz")
    recipe["data"]["sample"] = str(DATA / case.name / "sample_submission.csv")
    recipe["models"]["m"]["params"] = {"n_estimators": rounds, **found}
    path = case.folder / f"{use}-won.yaml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    made = api.run(path, root=case.folder / f"{use}-kit", no_tuned=True, jobs=1)
    assert not made.failures, made.failures
    return pd.read_csv(str(made.submission))


def usual_submissions(arm: Usual, found: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the submission of the average of five fold models, and that of one model fitted on all rows."""
    case, use = arm.case, arm.use
    sample = pd.read_csv(DATA / case.name / "sample_submission.csv")
    test = pd.read_csv(DATA / case.name / "test.csv.gz").set_index(case.meta["id_column"])
    test = test.loc[sample[case.meta["id_column"]], list(arm.x.columns)].reset_index(drop=True)
    x = arm.x.copy()
    for column in arm.words:
        text = test[column].astype("string").fillna("missing").astype(str)
        known = arm.x[column].cat.categories if use != "catboost" else None
        test[column] = text if known is None else pd.Categorical(text.where(text.isin(known)), categories=known)
    fold = case.frame["fold_"].to_numpy()
    rows = {"folds": [fold != k for k in range(FOLDS)], "whole": [np.ones(len(x), bool)]}
    made = {}
    for policy, parts in rows.items():
        pred = np.mean([_predicted(arm, found, x[part], arm.y[part], test) for part in parts], axis=0)
        frame = sample.copy()
        frame[list(frame.columns[1:])] = pred.reshape(len(frame), -1)
        made[policy] = frame
    return made


def _predicted(arm: Usual, found: dict[str, Any], x: pd.DataFrame, y: Any, test: pd.DataFrame) -> Any:
    model = arm._model(found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y, **({"cat_features": arm.words} if arm.use == "catboost" else {}))
        if arm.case.meta["task"] == "regression":
            return model.predict(test)
        proba = model.predict_proba(test)
    return proba[:, 1] if arm.case.meta["task"] == "binary" else proba


def one(name: str, use: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the line of a set and a booster: what both found and what it is worth."""
    case, spent, arms = case_of(name, args.rows, args.seed, Path(args.root)), {}, {}
    importlib.import_module(use)
    began = time.process_time()
    arms["kit"] = Kit(case, use, args.rounds, "kit", 100_000)
    spent["kit"] = time.process_time() - began
    began = time.process_time()
    arms["usual"] = Usual(case, use, arms["kit"].dimensions, args.rounds)
    spent["usual"] = time.process_time() - began
    found = searched(arms, spent, args.seconds)
    made = {"kit": kit_submission(case, use, args.rounds, found["kit"]["settings"])}
    made |= {f"usual_{p}": f for p, f in usual_submissions(arms["usual"], found["usual"]["settings"]).items()}
    line: dict[str, Any] = {"set": name, "booster": use, "metric": case.meta["metric"], "rows": len(case.frame)}
    line |= {f"trials_{arm}": found[arm]["trials"] for arm in ("kit", "usual")}
    line |= {f"cv_{arm}": f"{found[arm]['loss']:.6g}" for arm in ("kit", "usual")}
    score = scorer()
    scores = {arm: score(DATA / name, frame) for arm, frame in made.items()}
    noted(name, use, case.meta["metric"], scores)
    line |= {arm: f"{value:.6g}" for arm, value in scores.items()}
    print(line, flush=True)
    return line


def noted(name: str, use: str, metric: str, scores: dict[str, float]) -> None:
    """Append the readings of the truth."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    today = datetime.date.today().isoformat()
    with READS.open("a", newline="") as stream:
        for arm, value in scores.items():
            said = (today, commit.stdout.strip(), name, f"tune at equal time, {use}, {arm}", metric, value)
            csv.writer(stream, lineterminator="\n").writerow(said)


def error(metric: str, value: str) -> float:
    """Return the score as an error: 1 - AUC where more is better."""
    return float(value) if metric in LOWER else 1 - float(value)


def summary(lines: list[dict[str, Any]]) -> None:
    """Print the mean log ratio of the errors with its 95 % interval, cases as pairs and sets as clusters."""
    for rival in ("usual_folds", "usual_whole"):
        logs = {(x["set"], x["booster"]): _log(x, rival) for x in lines}
        by_set = [statistics.mean(v for (s, _), v in logs.items() if s == name) for name in {s for s, _ in logs}]
        for words, values in (("cases", list(logs.values())), ("sets", by_set)):
            if len(values) < 2:
                continue
            mean, se = statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))
            half = float(_student(len(values) - 1)) * se
            print(
                f"kit / {rival}: error {100 * (math.exp(mean) - 1):+.2f} % "
                f"({100 * (math.exp(mean - half) - 1):+.2f} .. {100 * (math.exp(mean + half) - 1):+.2f}) over "
                f"{len(values)} {words}, lower in {sum(v < 0 for v in values)}"
            )


def _log(line: dict[str, Any], rival: str) -> float:
    return math.log(error(line["metric"], line["kit"]) / error(line["metric"], line[rival]))


def _student(dof: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.975, dof))


def main() -> None:
    """Measure what is not in the file yet, write the lines, print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="/tmp/kit-tune-truth")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    args = parser.parse_args()
    lines: list[dict[str, Any]] = list(csv.DictReader(args.out.open(newline=""))) if args.out.is_file() else []
    done = {(line["set"], line["booster"]) for line in lines}
    for name, use in itertools.product(args.sets, BOOSTERS):
        if (name, use) not in done:
            lines.append(one(name, use, args))
            pl.DataFrame(lines, infer_schema_length=None).write_csv(args.out)
    summary(lines)


if __name__ == "__main__":
    main()
