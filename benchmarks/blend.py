"""How fast blends are, and how much memory they take.

python benchmarks/blend.py [climb|table|wide ...] [--out benchmarks/blend.csv]

climb: 100 OOFs x 200,000 rows, 100 steps, by rmse, logloss (9 classes) and auc: kit's hill_climb beside a plain climber
       that scores every source at every step, and beside AutoGluon's EnsembleSelection: the real one where
       autogluon.core can be imported (the line says so under `autogluon`), else written anew after its algorithm (a
       running mean, scores rounded to 6 digits after the first step, ties to used sources). The two are given FEW
       steps and scaled to 100, for a step costs the same at any length; kit's time is the median of TIMES climbs.
table: 60 OOFs x 750,000 rows, 5 folds: mean, rank_mean, nnls, ridge, hill_climb and shrunk, each with its nested score.
wide:  350 OOFs x 1,000,000 rows float32, the same without rank_mean.

Seconds are CPU seconds of one process (OMP_NUM_THREADS=2), with wall seconds beside; peak memory is ru_maxrss.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np

from kit import registry
from kit.canon import stream
from kit.contracts import Context
from kit.crossfit import BlendSpec
from kit.design import Use
from kit.oof import Oof
from kit.panel import Panel
from kit.stackers import hill_climb
from kit.types import Pred, Task

FEW = {"rmse": 5, "logloss": 2, "auc": 2}
STEPS, TIMES = 100, 3
TASKS = {
    "rmse": Task("regression"),
    "logloss": Task("multiclass", "softmax", tuple(range(9))),
    "auc": Task("binary", "logloss", (0, 1), 1),
}


def pool(metric: str, sources: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return z (S, n, m) float32 of sources with shared and own errors, and y (n,)."""
    rng = np.random.default_rng(seed)
    task = TASKS[metric]
    m = task.n_out
    if metric == "rmse":
        y = rng.normal(size=n)
    else:
        y = rng.integers(0, 9, n).astype(float) if m > 1 else (rng.random(n) < 0.2).astype(float)
    hot = (y[:, None] == np.arange(m)) if m > 1 else y[:, None]
    shared = rng.normal(size=(4, n, m)).astype(np.float32)
    z = np.empty((sources, n, m), np.float32)
    for s in range(sources):
        mix = rng.dirichlet(np.ones(4)).astype(np.float32)
        error = np.tensordot(mix, shared, 1) + rng.uniform(0.3, 1.0) * rng.normal(size=(n, m)).astype(np.float32)
        raw = 2.0 * hot + error if metric != "rmse" else hot + 0.7 * error
        if metric == "auc":
            raw = 1 / (1 + np.exp(1 - raw))
        elif m > 1:
            raw = np.exp(raw)
            raw /= raw.sum(axis=1, keepdims=True)
        z[s] = raw
    return z, y


def plain(loss: Callable[[np.ndarray], float], z: np.ndarray, steps: int) -> list[int]:
    """Return the picks of the textbook climber."""
    total, picks = np.zeros(z.shape[1:]), []
    for k in range(steps):
        scores = [loss((total + one) / (k + 1)) for one in z]
        picks.append(int(np.argmin(scores)))
        total += z[picks[-1]]
    return picks


def ensemble_selection(loss: Callable[[np.ndarray], float], z: np.ndarray, steps: int) -> list[int]:
    """Return the picks of AutoGluon's greedy selection."""
    mean, picks, rng = np.zeros(z.shape[1:]), [], np.random.RandomState(0)
    candidate = np.zeros_like(mean)
    for k in range(steps):
        if k:
            mean = mean * ((k - 1) / k) + z[picks[-1]] / k
        kept = mean * (k / (k + 1))
        scores = np.empty(len(z))
        for s, one in enumerate(z):
            candidate[:] = kept + one / (k + 1)
            if z.shape[2] > 1:
                candidate /= candidate.sum(axis=1)[:, None]
            scores[s] = loss(candidate)
        scores = np.round(scores, 6) if k else scores
        best = np.flatnonzero(np.isclose(scores, scores.min(), atol=0, rtol=1e-12))
        used = [s for s in best if s in picks]
        picks.append(int(rng.choice(used or best)))
    return picks


def autogluon(metric: str, y: np.ndarray, z: np.ndarray, steps: int) -> list[int]:
    """Return the picks of AutoGluon's own EnsembleSelection.

    Raises:
        ImportError: autogluon.core is not there.
    """
    from autogluon.core.metrics import log_loss, roc_auc, root_mean_squared_error
    from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

    judge = {"rmse": root_mean_squared_error, "logloss": log_loss, "auc": roc_auc}[metric]
    problem = {"rmse": "regression", "logloss": "multiclass", "auc": "binary"}[metric]
    climber = EnsembleSelection(steps, problem, judge)
    climber.use_best = False
    preds = [one if one.shape[1] > 1 else one[:, 0] for one in z]
    climber.fit(preds, y if metric == "rmse" else y.astype(int))
    return [int(pick) for pick in climber.indices_]


def has_autogluon() -> str:
    """Return the version of autogluon.core, or nothing."""
    try:
        autogluon("rmse", np.arange(4.0), np.ones((2, 4, 1)), 1)
    except ImportError:
        return ""
    return version("autogluon.core")


def clock(work: Callable[[], object]) -> tuple[float, float, object]:
    cpu, wall = time.process_time(), time.perf_counter()
    got = work()
    return time.process_time() - cpu, time.perf_counter() - wall, got


def climb() -> list[dict[str, object]]:
    lines, real = [], has_autogluon()
    for metric, task in TASKS.items():
        z, y = pool(metric, 100, 200_000)
        v, judge = np.ones(len(y)), registry.metric(metric)

        def loss(mean: np.ndarray, judge: object = judge, task: Task = task, y: np.ndarray = y) -> float:
            return judge.sign * judge.score(task, y, Pred(mean), np.ones(len(y)))

        ctx = Context(task, judge, stream(0, "blend"), tuple(map(str, range(100))))

        def fit(steps: int, ctx: Context = ctx, z: np.ndarray = z, y: np.ndarray = y, v: np.ndarray = v) -> np.ndarray:
            return hill_climb.fit(hill_climb.Params(steps=steps), ctx, z, y, v).weights

        runs = [clock(lambda fit=fit: fit(STEPS)) for _ in range(TIMES)]
        cpu, wall = (float(np.median([run[i] for run in runs])) for i in (0, 1))
        score = loss(np.tensordot(runs[0][2], z, 1))
        line = {"what": f"climb {metric}", "kit_s": round(cpu, 3), "kit_wall_s": round(wall, 3), "kit_score": score}
        line["autogluon"] = real or "written out"
        few = FEW[metric]
        line["kit_score_few"] = loss(np.tensordot(fit(few), z, 1))
        others = {"plain": partial(plain, loss), "autogluon": partial(autogluon, metric, y)}
        others |= {} if real else {"autogluon": partial(ensemble_selection, loss)}
        for name, other in others.items():
            took, took_wall, picks = clock(lambda other=other, z=z, few=few: other(z, few))
            line |= {
                f"{name}_s": round(took * STEPS / few, 1),
                f"{name}_ratio": round(took * STEPS / few / cpu, 1),
                f"{name}_wall_ratio": round(took_wall * STEPS / few / wall, 1),
                f"{name}_score_few": loss(z[picks].mean(axis=0, dtype=float)),
            }
        lines.append(line)
        print(line, flush=True)
    return lines


def table(n_sources: int, n: int, uses: tuple[str, ...]) -> list[dict[str, object]]:
    from kit.standings import standings, trial, truth_of

    z, y = wide_pool(n_sources, n)
    fold = (np.random.default_rng(1).permutation(n) % 5).astype(np.int16)[None]
    test = np.zeros((1, 0, 1), np.float32)
    task = TASKS["rmse"]
    side = Panel(task, [Oof(fold, y, one[None], test) for one in z], np.ones(n), None)
    names = tuple(f"s{i}" for i in range(n_sources))
    lines, trials = [], []
    began = time.process_time(), time.perf_counter()
    for use in uses:
        params = registry.load("stackers", use).Params()
        spec = BlendSpec(Use("stackers", use, params), "rmse", task, 0, names)
        cpu, wall, made = clock(lambda spec=spec: trial(spec, side))
        trials.append(made)
        lines.append({"what": f"{n_sources} x {n} {use}", "kit_s": round(cpu, 2), "kit_wall_s": round(wall, 2)})
        print(lines[-1], flush=True)
    cpu, wall, found = clock(lambda: standings(trials, truth_of(side, "rmse")))
    lines.append({"what": f"{n_sources} x {n} errors of scores", "kit_s": round(cpu, 2), "kit_wall_s": round(wall, 2)})
    scores = {line.use: line.nested for line in found}
    for line in lines[:-1]:
        line["kit_score"] = scores[str(line["what"]).rsplit(" ", 1)[1]]
    took = time.process_time() - began[0], time.perf_counter() - began[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines.append(
        {
            "what": f"{n_sources} x {n} all",
            "kit_s": round(took[0], 1),
            "kit_wall_s": round(took[1], 1),
            "peak_gib": round(peak, 2),
        }
    )
    print(lines[-1], flush=True)
    return lines


def wide_pool(n_sources: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return z (S, n, 1) float32 and y (n,), made source by source so that nothing else is held."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=n)
    shared = rng.normal(size=(4, n)).astype(np.float32)
    z = np.empty((n_sources, n, 1), np.float32)
    for s in range(n_sources):
        mix = rng.dirichlet(np.ones(4)).astype(np.float32)
        z[s, :, 0] = y + 0.7 * (mix @ shared) + rng.uniform(0.3, 1.0) * rng.standard_normal(n, np.float32)
    return z, y


PARTS: dict[str, Callable[[], list[dict[str, object]]]] = {
    "climb": climb,
    "table": lambda: table(60, 750_000, ("mean", "rank_mean", "nnls", "ridge", "hill_climb", "shrunk")),
    "wide": lambda: table(350, 1_000_000, ("mean", "nnls", "ridge", "hill_climb", "shrunk")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines: list[dict[str, object]] = []
    if len(given.parts) == 1:
        lines = PARTS[given.parts[0]]()
    else:
        for part in given.parts:  # each in a process of its own, for the peak of memory is of the whole life of one
            subprocess.run(
                [sys.executable, __file__, part, *(["--out", str(given.out)] if given.out else [])], check=True
            )
        return
    if given.out:
        names = ["what", "kit_s", "kit_wall_s", "kit_score", "plain_s", "plain_ratio", "plain_wall_ratio"]
        names += ["plain_score_few", "autogluon_s", "autogluon_ratio", "autogluon_wall_ratio", "autogluon_score_few"]
        names += ["kit_score_few", "autogluon", "peak_gib"]
        known = list(csv.DictReader(given.out.open())) if given.out.exists() else []
        kept = [line for line in known if line["what"] not in {str(one["what"]) for one in lines}]
        with given.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows([*kept, *lines])


if __name__ == "__main__":
    main()
