"""Whether the default blend, its interval and its verdicts hold on rows that nobody has seen.

python benchmarks/pools.py                                   # the pools, once
python benchmarks/resplits.py [--from 0] [--to 20] [--out benchmarks/resplits.csv]

For each pool: regret of best, mean, hill_climb, nnls, ridge and shrunk on the test part to the best of {best,
hill_climb, nnls, ridge}; coverage and Winkler score of the 90 % interval beside that of the plain OOF score; and 6
sources, added to a random base of 5 to 24, whose verdict is compared with their paired gain on the test part.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from kit import registry
from kit.crossfit import BlendSpec, applied, blended, fitted, tests_of
from kit.design import Use
from kit.difficulty import signs
from kit.estimate import NORMAL, estimate
from kit.members import members
from kit.oof import Oof, average
from kit.paired import Truth, spread
from kit.panel import Panel
from kit.standings import Trial, trial, truth_of
from kit.types import Pred, Task

POOLS = Path(__file__).resolve().parents[1] / "build" / "pools"
USES = ("best", "mean", "hill_climb", "nnls", "ridge", "shrunk")
RIVALS = ("best", "hill_climb", "nnls", "ridge")
ADDED = 6


def load(path: Path) -> tuple[Panel, str, np.ndarray, np.ndarray | None]:
    """Return the panel, its metric, y and the groups of the test part."""
    d = np.load(path)
    kind, classes = str(d["kind"]), int(d["classes"])
    task = Task("regression")
    if kind == "binary":
        task = Task("binary", "logloss", (0, 1), 1)
    elif kind == "multiclass":
        task = Task("multiclass", "softmax", tuple(range(classes)))
    code = {n: np.unique(d[n], return_inverse=True)[1] if n in d else None for n in ("group", "group_test")}
    fold, shown = d["fold"].astype(np.int16)[None], "value" if kind == "regression" else "proba"
    oofs = [Oof(fold, d["y"], z[None], t, kind=shown) for z, t in zip(d["oof"], d["test"], strict=True)]
    return Panel(task, oofs, np.ones(len(d["y"])), code["group"]), str(d["metric"]), d["y_test"], code["group_test"]


def spec_of(use: str, metric: str, side: Panel) -> BlendSpec:
    params = registry.load("stackers", use).Params()
    names = tuple(f"s{i}" for i in range(len(side)))
    return BlendSpec(Use("stackers", use, params), metric, side.task, 0, names)


def tested(spec: BlendSpec, side: Panel) -> np.ndarray:
    """Return what the blend predicts for the test part, (t, m)."""
    return average(tests_of(spec, fitted(spec, side), side.sources)[0], None).mean


def regrets(side: Panel, metric: str, y: np.ndarray) -> dict[str, float]:
    """Return for each stacker how far, in per cent, it is behind the best rival on the test part."""
    judge = registry.metric(metric)
    losses = {}
    for use in USES:
        pred = Pred(tested(spec_of(use, metric, side), side))
        losses[use] = judge.sign * judge.score(side.task, y, pred, np.ones(len(y)))
    best = min(losses[use] for use in RIVALS)
    return {f"regret_{use}": 100 * (loss - best) / abs(best) for use, loss in losses.items()}


def interval(side: Panel, metric: str, y: np.ndarray) -> dict[str, float]:
    """Return whether the interval holds, its Winkler score, and the same of the plain OOF score's."""
    spec = spec_of("shrunk", metric, side)
    made = blended(spec, side)
    own, truth = trial(spec, side, made), truth_of(side, metric)
    known = signs(side, made.full, own.plain, made.oof.test, metric)
    worth = estimate(truth, own.nested, own.plain, made.oof.test, known, int(side.fold.max()) + 1)
    real = registry.metric(metric).score(side.task, y, Pred(made.oof.test_mean().mean), np.ones(len(y)))
    half = NORMAL * np.sqrt(spread(truth, [own.plain]).covariance[0, 0] * (1 + len(own.plain) / len(y)))
    ends = {"kit": (worth.low, worth.high), "plain": (worth.plain - half, worth.plain + half)}
    out: dict[str, float] = {}
    for name, (low, high) in ends.items():
        out[f"covered_{name}"] = float(low <= real <= high)
        out[f"winkler_{name}"] = (high - low + 20 * (max(low - real, 0) + max(real - high, 0))) / abs(real)
    return out


def additions(side: Panel, metric: str, y: np.ndarray, group: np.ndarray | None, seed: int) -> dict[str, float]:
    """Return counts of additions: judged to add, of those that hurt; that truly help, of those judged to add."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(side))
    n_base = int(rng.integers(5, 25))
    base, there = order[:n_base], Truth(side.task, metric, y, np.ones(len(y)), group)
    sign = registry.metric(metric).sign
    counts = dict.fromkeys(("adds", "adds_hurt", "help", "help_adds"), 0.0)
    before = tested(spec_of("shrunk", metric, side.of(base)), side.of(base))
    for source in order[n_base : n_base + ADDED]:
        part = side.of(np.append(base, source))
        spec = spec_of("shrunk", metric, part)
        full = fitted(spec, part)
        plain = applied(spec, full, part, None, part.rows(None)).mean
        own = Trial("shrunk", Pred(plain), Pred(plain), full)  # a verdict does not look at nested predictions
        verdict = members(spec, part, truth_of(part, metric), own, [len(part) - 1])[0].verdict
        found = spread(there, [before, tested(spec, part)])
        gain, se = sign * (found.scores[0] - found.scores[1]), found.of_difference(0, 1)
        counts["adds"] += verdict == "adds"
        counts["adds_hurt"] += verdict == "adds" and gain < -2 * se
        counts["help"] += gain > 2 * se > 0
        counts["help_adds"] += verdict == "adds" and gain > 2 * se > 0
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--to", dest="last", type=int, default=23)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines: list[dict[str, object]] = []
    for path in sorted(POOLS.glob("*.npz"), key=lambda p: (p.stem[-2:], p.stem)):
        name, split = path.stem[:-3], int(path.stem[-2:])
        if not given.first <= split <= given.last or (given.sets and name not in given.sets):
            continue
        side, metric, y, group = load(path)
        found = {**regrets(side, metric, y), **interval(side, metric, y), **additions(side, metric, y, group, split)}
        lines.append({"set": name, "split": split, "metric": metric, **found})
        print(name, split, {k: round(v, 3) for k, v in found.items()}, flush=True)
        if given.out:
            with given.out.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(lines[0]))
                writer.writeheader()
                writer.writerows(lines)


if __name__ == "__main__":
    main()
