"""What the audit finds of planted faults, and how often it accuses sources that are sound.

python benchmarks/pools.py                  # the real pools, once; without them their part is skipped
python benchmarks/audit.py [--seeds 4] [--out benchmarks/audit.csv]

clean:   20 pools, two of each of ten real sets, 38 honest sources each: alarms (findings of severity error or warning).
file:    faults of files, imported by `import_oof` beside a recipe: refused with the reason, or found by the audit.
numbers: faults that the arrays tell for certain, planted into the pools of tests/unit/planted.py (three kinds of task).
score:   large score faults, planted there and, where no model has to be fitted again, into the clean pools as well.
unknown: faults that no file tells; they count as found where the audit says that it cannot know, and accuses nobody.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import os
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl

import kit
from kit.auditing import Suspect, findings
from kit.errors import KitError
from kit.paired import Truth
from kit.types import Task

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "unit"))
planted = importlib.import_module("planted")

POOLS = HERE.parent / "build" / "pools"
HONEST = 38
"""Sources of a pool that are honest: what follows are the copies and spoilt ones of pools.py."""
PER_SET = 2


@dataclass
class Line:
    """A line of the table: of `trials` plantings so many `found`; `accused`: findings against sound sources."""

    trials: int = 0
    found: int = 0
    accused: int = 0


Table = dict[tuple[str, str, str], Line]


def count(table: Table, key: tuple[str, str, str], caught: bool, accused: int) -> None:
    line = table[key]
    line.trials, line.found, line.accused = line.trials + 1, line.found + caught, line.accused + accused


# -- real pools


def clean(path: Path) -> tuple[Truth, list[Suspect]]:
    """Return the honest sources of a pool and what they are scored against."""
    d = np.load(path)
    kind, classes = str(d["kind"]), int(d["classes"])
    task = Task("regression")
    if kind != "regression":
        several = Task("multiclass", "softmax", tuple(range(classes)))
        task = Task("binary", "logloss", (0, 1), 1) if kind == "binary" else several
    group = np.unique(d["group"], return_inverse=True)[1] if "group" in d else None
    truth = Truth(task, str(d["metric"]), d["y"], np.ones(len(d["y"])), group)
    fold, oof, test = d["fold"].astype(np.int16), d["oof"][:HONEST], d["test"][:HONEST].mean(axis=1)
    return truth, [Suspect(f"s{i}", oof[i], fold, test[i], True) for i in range(HONEST)]


def spoiled(truth: Truth, sources: list[Suspect], seed: int) -> Iterator[planted.Fault]:
    """Yield large score faults that need no fit, planted into the source of median loss."""
    rng, m = np.random.default_rng(seed), sources[0].pred.shape[1]
    y = truth.y[:, None] if m == 1 else (truth.y[:, None] == np.arange(m)).astype(float)
    loss = [((s.pred - y) ** 2).mean() for s in sources]
    at = int(np.argsort(loss)[len(loss) // 2])
    base, n = sources[at], len(truth.y)

    def fault(name: str, bad: Suspect, *expected: str) -> planted.Fault:
        rest = [s for i, s in enumerate(sources) if i != at]
        return planted.Fault(name, truth, [*rest, replace(bad, name="bad")], frozenset(expected))

    for share in (0.3, 0.5):
        leaky = ((1 - share) * base.pred + share * y).astype(np.float32)
        yield fault(f"target in the OOF, {share:.0%}", replace(base, pred=leaky), "leak", "too_good")
    held = np.flatnonzero(base.fold == 1)
    failed, mixed = base.pred.copy(), base.pred.copy()
    failed[held], mixed[held] = y.mean(axis=0), mixed[rng.permutation(held)]
    yield fault("a fold's model failed", replace(base, pred=failed), "fold_outlier")
    yield fault("rows of one fold in another order", replace(base, pred=mixed), "fold_outlier")
    yield fault("off by one", replace(base, pred=np.roll(base.pred, 1, axis=0)), "shifted")
    late = np.r_[base.pred[: n // 2], np.roll(base.pred[n // 2 :], 1, axis=0)]
    yield fault("off by one from the middle on", replace(base, pred=late), "shifted")
    yield fault("rows shuffled", replace(base, pred=base.pred[rng.permutation(n)]), "shuffled")
    yield fault(
        "rows in the order of the folds",
        replace(base, pred=base.pred[np.argsort(base.fold, kind="stable")]),
        "shuffled",
    )
    yield fault("test rows shuffled", replace(base, test=base.test[rng.permutation(len(base.test))]), "shuffled_test")
    yield fault("test off by one", replace(base, test=np.roll(base.test, -1, axis=0)), "shifted_test")
    yield fault(
        "test predictions of another source", replace(base, test=sources[at - 1].test), "test_copied", "oof_copied"
    )
    if truth.task.kind == "regression":
        yield fault("test on twice the scale", replace(base, test=2 * base.test), "test_spread", "test_shift")
        yield fault("test moved", replace(base, test=base.test + 2 * y.std()), "test_shift")
        yield fault("another sign", replace(base, pred=-base.pred, test=-base.test), "inverted")
    elif m == 1:
        yield fault("P of the other class", replace(base, pred=1 - base.pred, test=1 - base.test), "inverted")
    else:
        turn = np.roll(np.arange(m), 1)
        yield fault(
            "classes in another order", replace(base, pred=base.pred[:, turn], test=base.test[:, turn]), "class_order"
        )


def real(table: Table) -> None:
    paths = sorted(POOLS.glob("*.npz"))
    if not paths:
        print("no pools: python benchmarks/pools.py makes them from ../shared/data; this part is skipped")
        return
    by_set = defaultdict(list)
    for path in paths:
        by_set[path.stem.rpartition("-")[0]].append(path)
    for name, found in by_set.items():
        for seed, path in enumerate(found[:PER_SET]):
            truth, sources = clean(path)
            alarms = [f for f in findings(truth, sources) if f.severity in ("error", "warning")]
            count(table, ("clean", name, truth.task.kind), not alarms, len(alarms))
            for fault in spoiled(truth, sources, seed):
                said = findings(fault.truth, fault.sources)
                count(
                    table,
                    ("score, real pools", fault.name, truth.task.kind),
                    fault.caught(said),
                    len(fault.accused(said)),
                )


# -- made-up pools


def made_up(table: Table, seeds: int) -> None:
    for kind in planted.KINDS:
        for seed in range(seeds):
            world = planted.world(kind, seed)
            sources = planted.pool(world)
            alarms = [f for f in findings(world.truth, sources) if f.severity in ("error", "warning")]
            count(table, ("clean, made up", "honest models", kind), not alarms, len(alarms))
            for part, faults in (("numbers", planted.array_faults), ("score", planted.score_faults)):
                for fault in faults(world, sources):
                    said = findings(fault.truth, fault.sources)
                    count(table, (part, fault.name, kind), fault.caught(said), len(fault.accused(said)))
            for fault in planted.hidden_faults(world, sources):
                said = findings(fault.truth, fault.sources)
                told = [f.severity for f in said if f.source == "bad" and f.check in fault.expected] == ["unknown"]
                count(table, ("unknown", fault.name, kind), told, len(fault.accused(said)))


# -- files

RECIPE = """\
data: {{train: train.csv, test: test.csv, id: id, target: y}}
metric: {metric}
split: {{use: {split}, folds: 4{groups}}}
models: {{a: {{use: sklearn, params: {{estimator: {estimator}}}}}}}
"""


def competition(folder: Path, kind: str) -> dict[str, pl.DataFrame]:
    """Write a competition and its recipe; return an honest OOF and test file of it."""
    rng = np.random.default_rng(3)
    x, t = rng.normal(size=(400, 3)), rng.normal(size=(150, 3))
    z = x[:, 0] + 0.5 * x[:, 1] + 0.4 * rng.normal(size=400)
    y = np.exp(z) if kind == "regression" else np.array(["a", "b", "c"])[np.digitize(z, [-0.7, 0.7])]
    names = ("x0", "x1", "x2")
    group = np.arange(400) // 4
    train = pl.DataFrame({"id": np.arange(400) + 1000, **dict(zip(names, x.T, strict=True)), "g": group, "y": y})
    test = pl.DataFrame({"id": np.arange(150) + 9000, **dict(zip(names, t.T, strict=True)), "g": np.arange(150) + 500})
    train.write_csv(folder / "train.csv")
    test.write_csv(folder / "test.csv")
    told = {"metric": "rmse", "split": "group", "groups": ", groups: g", "estimator": "Ridge"}
    if kind != "regression":
        told = {"metric": "logloss", "split": "stratified", "groups": "", "estimator": "LogisticRegression"}
    (folder / "r.yaml").write_text(RECIPE.format(**told))
    kit.run(folder / "r.yaml", root=folder, jobs=1)
    kept = folder / "oof" / "r" / "a"
    return {n: pl.read_parquet(kept / f"{n}.parquet") for n in ("oof", "test", "folds")}


def file_faults(kind: str, good: dict[str, pl.DataFrame], folder: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield faults of files: what they are called, and what `import_oof` is given."""
    oof, test = good["oof"], good["test"]
    preds = [c for c in oof.columns if c.startswith("pred")]
    p, keys = pl.col(preds[0]), oof["id"]
    yield "ids of other data", {"oof": oof.with_columns(pl.col("id") + 50_000)}
    yield "an id is missing", {"oof": oof.slice(1)}
    yield "an id stands twice", {"oof": pl.concat([oof, oof.head(1)])}
    yield "test ids of other rows", {"test": test.with_columns(pl.col("id") + 1)}
    yield "another target", {"oof": oof.with_columns(y=pl.col("y").reverse())}
    yield "a row too few, no ids", {"oof": oof.slice(1).select(preds)}
    yield "the test file in place of the OOF", {"oof": test.select(preds)}
    yield "a hole", {"oof": oof.with_columns(pl.when(keys == 1003).then(None).otherwise(p).alias(preds[0]))}
    yield (
        "an infinity",
        {"oof": oof.with_columns(pl.when(keys == 1003).then(float("inf")).otherwise(p).alias(preds[0]))},
    )
    yield (
        "a hole in test",
        {"test": test.with_columns(pl.when(test["id"] == 9003).then(None).otherwise(p).alias(preds[0]))},
    )
    yield "words for numbers", {"oof": oof.with_columns(pl.lit("high").alias(preds[0]))}
    yield "constant", {"oof": oof.with_columns(pl.lit(1 / len(preds)).alias(n) for n in preds)}
    folds = folder / f"{kind}.csv"
    good["folds"].slice(1).write_csv(folds)
    yield "a row has no fold", {"oof": oof.drop("fold"), "folds": str(folds)}
    yield "a copy of a result that is there", {}
    yield "folds of another seed", {"oof": oof.with_columns(fold=np.arange(400) % 4)}
    yield "folds that nobody knows", {"oof": oof.drop("fold")}
    if kind == "regression":
        yield "the target in logs", {"oof": oof.with_columns(pl.col("y").log1p(), pl.col("pred").clip(0).log1p())}
        yield "groups torn between folds", {"oof": oof.with_columns(fold=np.arange(400) % 4)}
        return
    yield "a class is lacking", {"oof": oof.drop(preds[2])}
    yield "labels for probabilities", {"oof": oof.select("id", "fold", "y", pred=pl.col("y"))}
    yield "probabilities that do not sum", {"oof": oof.with_columns(p * 0.8)}
    yield "percentages", {"oof": oof.with_columns(pl.col(n) * 100 for n in preds)}
    turned = oof.rename(dict(zip(preds, [*preds[1:], preds[0]], strict=True)))
    yield "classes in another order", {"oof": turned}


CHECKS = {
    "a copy of a result that is there": "duplicate",
    "folds of another seed": "other_folds",
    "folds that nobody knows": "folds",
    "groups torn between folds": "groups",
}
"""Faults that do not keep a file out: the check of the audit that tells of them. All others are to be refused."""


def files(table: Table) -> None:
    for kind in ("regression", "multiclass"):
        with tempfile.TemporaryDirectory() as temp:
            folder = Path(temp)
            good = competition(folder, kind)
            for i, (name, changed) in enumerate(file_faults(kind, good, folder)):
                given = {"oof": good["oof"], "test": good["test"], **changed}
                source = given.pop("oof")
                part = "unknown, files" if name == "folds that nobody knows" else "file"
                try:
                    card = kit.import_oof(source, name=f"m{i}", recipe=folder / "r.yaml", root=folder, **given)
                    caught = CHECKS.get(name) in {f["check"] for f in card["audit"]}
                except KitError:
                    caught = name not in CHECKS
                count(table, (part, name, kind), caught, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    table: Table = defaultdict(Line)
    for part in (files, lambda t: made_up(t, given.seeds), real):
        part(table)
    rows = [("part", "fault", "task", "trials", "found", "accused")]
    rows += [(*key, line.trials, line.found, line.accused) for key, line in table.items()]
    if given.out:
        with given.out.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    parts = dict.fromkeys(key[0] for key in table)
    for part in parts:
        mine = {key: line for key, line in table.items() if key[0] == part}
        trials, found = (sum(getattr(line, n) for line in mine.values()) for n in ("trials", "found"))
        accused, kinds = sum(line.accused for line in mine.values()), len({key[1] for key in mine})
        print(f"{part}: {kinds} kinds, {found} of {trials} found, {accused} findings against sound sources")
        for key, line in mine.items():
            if line.found < line.trials or line.accused:
                print(f"   {key[1]} ({key[2]}): {line.found} of {line.trials}, {line.accused} accused")


if __name__ == "__main__":
    main()
