"""`kit tune` beside the usual objective: scikit-learn wrappers in cross_val_score, TPE, nothing reused, nothing pruned.

Same rows, same 5 folds, same ranges, one thread, 50 trials, interleaved trial by trial in one process; time is CPU
time of the process, for the machine is shared. The usual objective has no stop rows, so it searches the number of
rounds as one more dimension (20 .. --rounds, logarithmic). Each score is the mean of the five folds' metric.

Columns: kit = `kit tune` as it is, rounds chosen on stop rows (up to --rounds) and a refit on all; same = the rounds
searched as the usual objective does, without stop rows, so that a complete trial is the same work; plain = kit without
the known good starts; none, wilcoxon, median = plain with another pruner (--full).

    python benchmarks/tune.py --out benchmarks/tune.csv     cases that stand in the file are left as they are
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import polars as pl
import yaml

from kit._tune import desk as desks
from kit._tune import studies
from kit._tune.project import Options, Project
from kit._tune.storages import Place
from kit.opening import open_recipe
from kit.search import Dimension

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = ("california_housing", "adult_census")
BOOSTERS = ("lightgbm", "xgboost", "catboost")
ARMS = ("usual", "kit", "same", "plain")
EXTRA = ("none", "wilcoxon", "median")
FOLDS = 5
SCORING = {
    **{"rmse": "neg_root_mean_squared_error", "mae": "neg_mean_absolute_error"},
    **{"auc": "roc_auc", "logloss": "neg_log_loss"},
}
ABSOLUTE = {"lightgbm": "regression_l1", "xgboost": "reg:absoluteerror", "catboost": "MAE"}
NATIVE = {
    "lightgbm": {
        **{"leaves": "num_leaves", "min_leaf": "min_child_samples", "subsample": "subsample"},
        **{
            "colsample": "colsample_bytree",
            "l1": "reg_alpha",
            "l2": "reg_lambda",
            "min_category": "min_data_per_group",
        },
        **{"onehot": "max_cat_to_onehot"},
    },
    "xgboost": {
        **{"depth": "max_depth", "leaves": "max_leaves", "grow": "grow_policy", "min_weight": "min_child_weight"},
        **{"colsample_level": "colsample_bylevel", "colsample_node": "colsample_bynode"},
        **{"l1": "reg_alpha", "l2": "reg_lambda", "onehot": "max_cat_to_onehot"},
    },
    "catboost": {
        **{"grow": "grow_policy", "colsample": "rsm", "l2": "l2_leaf_reg", "leaf_steps": "leaf_estimation_iterations"},
        **{"onehot": "one_hot_max_size", "model_size": "model_size_reg", "ctr_complexity": "max_ctr_complexity"},
    },
}
"""kit's names -> the wrappers', where they differ."""


@dataclass
class Curve:
    """How a study went: after each trial the CPU seconds, the row-rounds and the best score so far (lower = better)."""

    seconds: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)

    def add(self, seconds: float, rounds: float, loss: float | None) -> None:
        before = self.best[-1] if self.best else float("inf")
        self.seconds.append((self.seconds[-1] if self.seconds else 0.0) + seconds)
        self.rounds.append((self.rounds[-1] if self.rounds else 0.0) + rounds)
        self.best.append(min(before, float("inf") if loss is None else loss))

    def reached(self, target: float) -> tuple[float, float] | None:
        """Return the seconds and row-rounds after which the best score was `target` or better."""
        for seconds, rounds, best in zip(self.seconds, self.rounds, self.best, strict=True):
            if best <= target:
                return seconds, rounds
        return None


@dataclass(frozen=True)
class Case:
    """A set cut down to some rows, with its folds in a column."""

    name: str
    folder: Path
    meta: dict[str, Any]
    frame: pl.DataFrame
    seed: int


def case_of(name: str, rows: int, seed: int, root: Path) -> Case:
    meta = json.loads((DATA / name / "meta.json").read_text("utf-8"))
    frame = pl.read_csv(DATA / name / "train.csv.gz", infer_schema_length=None)
    rng = np.random.default_rng(seed)
    frame = frame[np.sort(rng.permutation(len(frame))[:rows])]
    fold = rng.permutation(np.arange(len(frame)) % FOLDS)
    if meta["task"] != "regression":
        order = np.argsort(frame[meta["target"]].to_numpy(), kind="stable")
        fold = np.empty(len(frame), np.int64)
        fold[rng.permutation(order)] = np.arange(len(frame)) % FOLDS
    frame = frame.with_columns(pl.Series("fold_", fold))
    folder = root / f"{name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_csv(folder / "train.csv")
    return Case(name, folder, meta, frame, seed)


# -- the usual objective


class Usual:
    """Fits the library's scikit-learn wrapper in cross_val_score, trial after trial."""

    def __init__(self, case: Case, use: str, dimensions: tuple[Dimension, ...], rounds: int) -> None:
        import optuna
        import pandas as pd

        self.case, self.use, self.rounds = case, use, rounds
        rounds_range = Dimension("n_estimators", 20, rounds, log=True, integer=True)
        self.ranges = studies.distributions((*dimensions, rounds_range))
        self.study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=case.seed))
        meta = case.meta
        frame = case.frame.drop([meta["target"], meta["id_column"], "fold_"]).to_pandas()
        words = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
        for column in words:
            text = frame[column].astype("string").fillna("missing").astype(str)
            frame[column] = text if use == "catboost" else text.astype("category")
        self.x, self.words = frame, words
        y = case.frame[meta["target"]].to_numpy()
        self.y = y if meta["task"] == "regression" else np.unique(y, return_inverse=True)[1]

    def step(self) -> tuple[float, float | None]:
        """Return the row-rounds and the loss of one trial."""
        from sklearn.model_selection import PredefinedSplit, cross_val_score

        trial = self.study.ask(self.ranges)
        split = PredefinedSplit(self.case.frame["fold_"].to_numpy())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, scoring = self._model(dict(trial.params)), SCORING[self.case.meta["metric"]]
            words = {"cat_features": self.words} if self.use == "catboost" else None
            found = cross_val_score(model, self.x, self.y, cv=split, scoring=scoring, params=words)
        loss = -float(found.mean())
        self.study.tell(trial, loss)
        return trial.params["n_estimators"] * len(self.y) * (FOLDS - 1), loss

    def _model(self, params: dict[str, Any]) -> Any:
        named = {NATIVE[self.use].get(k, k): v for k, v in params.items()}
        if self.case.meta["metric"] == "mae":
            named["loss_function" if self.use == "catboost" else "objective"] = ABSOLUTE[self.use]
        regression = self.case.meta["task"] == "regression"
        if self.use == "lightgbm":
            import lightgbm as lgb

            make = lgb.LGBMRegressor if regression else lgb.LGBMClassifier
            return make(**named, subsample_freq=1, n_jobs=1, verbosity=-1, random_state=0, force_col_wise=True)
        if self.use == "xgboost":
            import xgboost as xgb

            make = xgb.XGBRegressor if regression else xgb.XGBClassifier
            return make(**named, tree_method="hist", enable_categorical=True, n_jobs=1, random_state=0, verbosity=0)
        import catboost as cb

        make = cb.CatBoostRegressor if regression else cb.CatBoostClassifier
        fixed = {"bootstrap_type": "Bernoulli", "boosting_type": "Plain", "thread_count": 1, "logging_level": "Silent"}
        return make(**named, **fixed, allow_writing_files=False, random_seed=0)


# -- kit


class Kit:
    """One worker of `kit tune`, in this process."""

    def __init__(self, case: Case, use: str, rounds: int, arm: str, trials: int) -> None:
        meta = case.meta
        data = {"train": "train.csv", "id": meta["id_column"], "target": meta["target"]}
        model: dict[str, Any] = {"use": use, "params": {"n_estimators": rounds}}
        ranges: dict[str, Any] = {}
        if arm == "same":
            model = {"use": use, "stop": "fixed"}
            ranges = {"n_estimators": {"low": 20, "high": rounds, "log": True}}
        split = {"use": "column", "column": "fold_"}
        recipe: dict[str, Any] = {"name": "t", "data": data, "metric": meta["metric"], "split": split}
        recipe |= {"seed": case.seed, "models": {"m": model}, "tune": {"models": {"m": {"ranges": ranges}}}}
        path = case.folder / f"{use}-{arm}.yaml"
        path.write_text(yaml.safe_dump(recipe), "utf-8")
        pruner: Any = arm if arm in EXTRA else "blocks"
        options = Options(trials, None, 1, "tpe", pruner, meta["metric"], None, None, False, None, False)
        opened = open_recipe(path, root=case.folder / f"{use}-{arm}", no_tuned=True)
        project = Project(opened, opened.recipe.models[0], options, opened.facts, opened.plan)
        project.folder.mkdir(parents=True, exist_ok=True)
        place = Place("", str(project.folder / "m.journal"), "t/m")
        self.job = replace(project.job(place, None, case.folder / "stop"))
        study = studies.open_study(place, self.job.better, project.tie())
        starts = project.starts() if arm in ("kit", "same") else project.starts()[:1]
        if arm == "same":
            starts = [studies.Start(s.label, {**s.settings, "n_estimators": rounds}) for s in starts]
        studies.enqueue(study, starts, project.dimensions, project.defaults())
        self.desk = desks.Desk(type(self.job).from_json(self.job.to_json()), 0)
        self.dimensions, self.n, self.refits = project.dimensions, len(case.frame), arm != "same"

    def step(self) -> tuple[float, float | None]:
        """Return the row-rounds and the loss of one trial; None where it was given up."""
        trial = self.desk._ask()
        assert trial is not None
        self.desk.carry_out(trial)
        told = self.desk._frozen(trial.number)
        assert told.state.name in ("COMPLETE", "PRUNED"), told.user_attrs
        sign = self.desk.bench.goal.metric.sign
        # Rounds on 4 of 5 parts of the learning rows, then on all of them: a fair mean of both.
        share = (FOLDS - 1) / FOLDS * ((2 * FOLDS - 1) / (2 * FOLDS) if self.refits else 1.0)
        rounds = told.user_attrs["rounds"] * self.n * share
        done = told.state.name == "COMPLETE"
        return rounds, sign * float(np.mean(told.user_attrs["fold_scores"])) if done else None


def one(name: str, use: str, seed: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a line per arm for one set, booster and seed."""
    case = case_of(name, args.rows, seed, Path(args.root))
    arms = tuple(dict.fromkeys(("usual", "kit", *args.arms, *(EXTRA if seed in args.full else ()))))
    workers: dict[str, Any] = {arm: Kit(case, use, args.rounds, arm, args.trials) for arm in arms if arm != "usual"}
    workers["usual"] = Usual(case, use, workers["kit"].dimensions, args.rounds)
    curves = {arm: Curve() for arm in arms}
    for _ in range(args.trials):
        for arm in arms:
            began = time.process_time()
            rounds, loss = workers[arm].step()
            curves[arm].add(time.process_time() - began, rounds, loss)
    target = curves["usual"].best[-1]
    usual = curves["usual"].reached(target)
    assert usual is not None
    lines = []
    for arm in arms:
        reached = curves[arm].reached(target)
        lines.append(
            {
                **{"set": name, "booster": use, "seed": seed, "arm": arm, "target": f"{target:.6g}"},
                "seconds": f"{curves[arm].seconds[-1]:.1f}",
                "row_rounds": f"{curves[arm].rounds[-1]:.3g}",
                "best": f"{curves[arm].best[-1]:.6g}",
                "seconds_to_target": "" if reached is None else f"{reached[0]:.2f}",
                "rounds_to_target": "" if reached is None else f"{reached[1]:.3g}",
                "ratio_first": _ratio(usual[0], reached),
                "ratio_50": _ratio(curves["usual"].seconds[-1], reached),
            }
        )
        print(lines[-1], flush=True)
    return lines


def _ratio(usual: float, reached: tuple[float, float] | None) -> str:
    return "0" if reached is None else f"{usual / reached[0]:.2f}"


def main() -> None:
    """Measure, write the lines, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="/tmp/kit-tune")
    parser.add_argument("--out", required=True)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--full", type=int, nargs="*", default=[0], help="Seeds for which all pruners are measured.")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), help="Beside usual and kit, which are always there.")
    parser.add_argument("--boosters", nargs="*", default=list(BOOSTERS))
    args = parser.parse_args()
    lines: list[dict[str, Any]] = _read(Path(args.out))
    done = {(line["set"], line["booster"], int(line["seed"])) for line in lines}
    for seed in args.seeds:
        for name in SETS:
            for use in args.boosters:
                if (name, use, seed) not in done:
                    lines += one(name, use, seed, args)
                    _write(Path(args.out), lines)
    _medians(lines, lambda line: line["ratio_first"], "to reach the usual objective's best, against when it did")
    _medians(lines, lambda line: line["ratio_50"], "to reach the usual objective's best, against its 50 trials")


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of cases that were measured before: a long run goes on where it ended."""
    if not path.is_file():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)


def _medians(lines: list[dict[str, Any]], value: Callable[[dict[str, Any]], str], what: str) -> None:
    print(f"median ratio of CPU time {what} (0 = never)")
    for arm in (*ARMS, *EXTRA):
        mine = [float(value(line)) for line in lines if line["arm"] == arm]
        if mine:
            print(f"  {arm:<9} {statistics.median(mine):6.2f}  of {len(mine)}; reached {sum(m > 0 for m in mine)}")


if __name__ == "__main__":
    main()
