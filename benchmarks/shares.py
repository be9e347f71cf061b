"""How often 90 % intervals under an estimated test distribution hold the truth, with and without the shares' leeway.

python benchmarks/shares.py [--sets NAME ...] [--seeds 10 11] [--out benchmarks/shares.csv]

Cuts from train.csv.gz alone; truth.csv.gz is not read. 30 % of the rows (groups whole) are held out as they are; of the
others a row stays with a probability that grows with the rank of its label, exp(a (rank - 1)), and never falls below
a floor: in judge_sts it is flat up to 7 of 10 and grows steeply above. Two models are fitted by 5 folds, the shares of
the held-out rows estimated from their unlabelled predictions in five ways, and either model's RMSE and MAE there
promised by `kit.estimate`. `labels and columns`: held-out rows are picked by a mix of columns besides, which is no
label shift. Winkler score: the interval's width and 20 times what it misses by, over the true score; less is better.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import sets

from kit import estimate, evaluate, leeway, registry
from kit.contracts import Run
from kit.errors import KitError
from kit.evaluate import By, Was
from kit.oof import Oof
from kit.paired import Truth
from kit.types import Array, Block, Design, Floats, Ints, Pred, Task

SETS = (
    *("stsb_en", "california_housing", "ps_s3e14_blueberry", "book_price_text", "nlswork_wage_panel"),
    *("bike_sharing_hourly", "ames_house_prices"),
)
LOGS = ("book_price_text", "bike_sharing_hourly", "ames_house_prices")
TASK = Task("regression")
FOLDS, MOST_LEARN, MOST_TEST, LEAST_LEARN = 5, 1500, 1200, 200
LAWS = {4.0: 0.1, 7.0: 0.04, 10.0: 0.015}
"""Steepness of the law that keeps rows, and its floor."""

MODELS = {
    "inverse": ("inverse", {"density": "uniform"}),
    "lgbm": ("lightgbm", {"n_estimators": 80, "learning_rate": 0.08, "num_leaves": 15}),
}
WAYS: tuple[tuple[str, str, By, Was], ...] = (
    ("inverse by sigma", "inverse", "sigma", "uniform"),
    ("lgbm, one std, by sigma", "lgbm", "sigma", "rows"),
    ("lgbm by counts", "lgbm", "counts", "rows"),
    ("inverse by both", "inverse", "both", "uniform"),
    ("lgbm, one std, by both", "lgbm", "both", "rows"),
)


@dataclass(frozen=True)
class Cut:
    """Learning rows with picked labels, and held-out ones as they are; `mix` (t,) of columns, standardised."""

    learn: Block
    y: Floats
    fold: Ints
    group: Ints | None
    test: Block
    truth: Floats
    mix: Floats


@lru_cache(maxsize=1)
def numbers(name: str) -> tuple[dict[str, str], pd.DataFrame, Array]:
    """Return what is told of a set, its rows, and the numbers that models see: texts reduced, levels counted."""
    meta = json.loads((sets.DATA / name / "meta.json").read_text("utf-8"))
    frame = told = pd.read_csv(sets.DATA / name / "train.csv.gz")
    if name in sets.TEXTS:
        told = sets._with_text_numbers(frame, sets.TEXTS[name]).drop(columns=[*sets.TEXTS[name]])
    roles = {meta["target"], meta["id_column"], meta.get("group_column"), "pair_id", "language"}
    columns = []
    for column in (told[c] for c in told if c not in roles):
        if pd.api.types.is_numeric_dtype(column):
            columns.append(column.to_numpy(np.float64))
        elif column.nunique() <= 200:
            columns.append(column.map(column.value_counts()).to_numpy(np.float64))
    return meta, frame, np.stack(columns, axis=1).astype(np.float32)


def cut(name: str, steep: float, seed: int) -> Cut | None:
    """Return a cut of a set, None where too few rows would be left to learn from."""
    meta, frame, x = numbers(name)
    rng = np.random.default_rng(seed)
    y = frame[meta["target"]].to_numpy(np.float64)
    y = np.log1p(y) if name in LOGS else y
    grouped = "group_column" in meta
    unit = np.unique(frame[meta["group_column"]], return_inverse=True)[1] if grouped else np.arange(len(frame))
    held = (rng.permutation(unit.max() + 1) < 0.3 * unit.max())[unit]
    rank = (np.argsort(np.argsort(y + 1e-9 * rng.random(len(y)))) + 0.5) / len(y)
    kept = ~held & (rng.random(len(y)) < np.maximum(np.exp(steep * (rank - 1)), LAWS[steep]))
    learn = rng.permutation(np.flatnonzero(kept))[:MOST_LEARN]
    test = rng.permutation(np.flatnonzero(held))[: 2 * MOST_TEST]
    if len(learn) < LEAST_LEARN:
        return None
    units = np.unique(unit[learn], return_inverse=True)[1]
    fold = (rng.permutation(units.max() + 1) % FOLDS)[units]
    scaled = np.nan_to_num((x[test] - np.nanmean(x[test], axis=0)) / (np.nanstd(x[test], axis=0) + 1e-9))
    mix = np.clip(scaled, -3, 3).astype(np.float64) @ rng.normal(size=x.shape[1])
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    blocks = (Block(names, x[learn]), Block(names, x[test]))
    group = units if grouped else None
    return Cut(blocks[0], y[learn], fold, group, blocks[1], y[test], (mix - mix.mean()) / mix.std())


def fitted(made: Cut, use: str, params: dict[str, object], seed: int) -> Oof:
    """Return the OOF of a learner on a cut."""
    module = registry.load("models", use)
    asked, n, t = module.Params(**params), len(made.y), len(made.truth)
    pred, std = np.full((1, n, 1), np.nan, np.float32), np.full((1, n), np.nan, np.float32)
    test, test_std = np.empty((FOLDS, t, 1), np.float32), np.full((FOLDS, t), np.nan, np.float32)
    for k in range(FOLDS):
        held, run = made.fold == k, Run(np.random.default_rng([seed, k]), steps=params.get("n_estimators"))
        train = _design(made.learn, ~held, made.y)
        model = module.fit(asked, TASK, module.prepare(asked, TASK, train, None, run), run)
        for to, to_std, place, design in (
            (pred[0], std[0], held, _design(made.learn, held, None)),
            (test[k], test_std[k], np.ones(t, bool), _design(made.test, np.ones(t, bool), None)),
        ):
            found = model.predict(design)
            to[place] = found.mean
            to_std[place] = np.nan if found.std is None else found.std
    if np.isnan(std).any():
        level = np.sqrt(np.mean((made.y - pred[0, :, 0]) ** 2))
        std[:], test_std[:] = level, level
    return Oof(made.fold.astype(np.int16)[None], made.y, pred, test, std, test_std)


def _design(block: Block, rows: Array, y: Floats | None) -> Design:
    ones = np.ones(int(rows.sum()))
    return Design((Block(block.names, block.x[rows]),), None if y is None else y[rows], ones, ones)


def measured(name: str, steep: float, seed: int) -> Iterator[dict[str, object]]:
    """Yield a line per shift, way of estimating, scored model and metric."""
    made = cut(name, steep, seed)
    if made is None:
        return
    oofs = {model: fitted(made, *what, seed) for model, what in MODELS.items()}
    picked = np.random.default_rng(seed + 1).random(len(made.truth)) < 1 / (1 + np.exp(-1.5 * made.mix))
    for shift, rows in (("labels", np.arange(len(made.truth))), ("labels and columns", np.flatnonzero(picked))):
        at = rows[:MOST_TEST]
        here = {m: replace(o, test=o.test[:, at], test_std=o.test_std[:, at]) for m, o in oofs.items()}
        for way in WAYS:
            about = {"set": name, "steep": steep, "seed": seed, "rows": len(made.y), "shift": shift, "way": way[0]}
            yield from ({**about, **line} for line in _promises(made, here, way, made.truth[at]))


def _promises(
    made: Cut, oofs: dict[str, Oof], way: tuple[str, str, By, Was], truth: Floats
) -> Iterator[dict[str, object]]:
    oof, by, was = oofs[way[1]], way[2], way[3]
    bins, ones = evaluate.regular(TASK, made.y, 10), np.ones(len(made.y))
    try:
        found = evaluate.estimate(TASK, oof, bins, ones, by, was)
    except KitError:
        return
    spread = leeway.covariance(TASK, oof, leeway.Sample(bins, ones, made.group), found, by, was)
    there = evaluate.declared(bins, found.shares, ones)
    doubt = leeway.Leeway(there.bins.of, there.test, leeway.joined(bins, there.bins, spread))
    for scored, metric in ((scored, metric) for scored in oofs for metric in ("rmse", "mae")):
        known = Truth(TASK, metric, made.y, there.ratio, made.group)
        pred, layers = oofs[scored].pooled().mean, oofs[scored].test
        old, new = (estimate.estimate(known, pred, pred, layers, doubt=given) for given in (None, doubt))
        real = registry.metric(metric).score(TASK, truth, Pred(oofs[scored].test_mean().mean), np.ones(len(truth)))
        line = {"scored": scored, "metric": metric, "effective": round(evaluate.effective(there.ratio))}
        line |= {"unexplained": round(found.distance, 3), "expected": f"{new.expected:.5g}", "real": f"{real:.5g}"}
        for told, e in (("old", old), ("new", new)):
            half = (e.high - e.low) / 2
            miss = max(0.0, abs(real - e.expected) - half)
            line |= {f"{told}_half": round(half / real, 4), f"{told}_held": int(miss == 0)}
            line |= {f"{told}_winkler": round((2 * half + 20 * miss) / real, 4)}
        yield line


def told(title: str, lines: Sequence[dict[str, object]]) -> None:
    """Print what the intervals of some lines are worth."""
    means = {
        key: np.mean([float(str(line[key])) for line in lines])
        for key in (f"{which}_{what}" for which in ("old", "new") for what in ("held", "half", "winkler"))
    }
    shown = "  ".join(
        f"{which}: held {means[f'{which}_held']:.1%}, half {means[f'{which}_half']:.1%}, Winkler "
        f"{means[f'{which}_winkler']:.3f}"
        for which in ("old", "new")
    )
    print(f"{title:32}{len(lines):>5}  {shown}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[10, 11])
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    lines: list[dict[str, object]] = []
    for name in args.sets:
        for steep in LAWS:
            for seed in args.seeds:
                lines += measured(name, steep, seed)
        print(f"{name}: {len(lines)} lines", flush=True)
        if args.out is not None and lines:
            with args.out.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(lines)
    told("all", lines)
    for key in ("shift", "way", "steep", "metric", "set"):
        for value in dict.fromkeys(line[key] for line in lines):
            told(f"{key} {value}", [line for line in lines if line[key] == value])
    cuts = {(line["set"], line["steep"], line["seed"]) for line in lines}
    print(f"{len(cuts)} cuts")


if __name__ == "__main__":
    main()
