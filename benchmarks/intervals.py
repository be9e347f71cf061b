"""How many rows 90 % intervals hold, on rows held out of train.csv.gz at random, and whether a std makes them better.

python benchmarks/intervals.py [--sets NAME ...] [--rows 2000] [--out benchmarks/intervals.csv]

Per set a quarter of the rows is held out; truth.csv.gz is not read. `by_std`: CV+ in units of the std that
calibrate_std made true; `one_width`: around the same predictions, one width for all rows. Winkler score: width plus 20
times what lies outside by how much; lower is better.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from kit import api, archive, conformal

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    *("concrete_strength", "ps_s3e5_wine_quality", "ames_house_prices", "california_housing"),
    *("ps_s3e14_blueberry", "bike_sharing_hourly"),
)
SHARE = 0.9


def recipe(meta: dict[str, str], seed: int) -> dict[str, object]:
    """Return the recipe of a set: the net, LightGBM with a std from its residuals, both made true."""
    return {
        "name": "intervals",
        "data": {"id": meta["id_column"], "target": meta["target"]},
        "metric": "rmse",
        "split": {"use": "kfold", "folds": 5},
        "seed": seed,
        "models": {
            "net": {"use": "hetero_mlp", "stop": "cut"},
            "lgbm": {"use": "lightgbm", "stop": "cut"},
            "spread": {"use": "lightgbm", "target_transform": "log_residual(lgbm)", "stop": "cut"},
        },
        "blend": {
            "net_true": {"use": "calibrate_std", "from": "net"},
            "lgbm_true": {"use": "calibrate_std", "from": "spread", "curve": "affine"},
        },
    }


def measured(name: str, rows: int, seed: int) -> list[dict[str, object]]:
    """Return a line for each of the two models on a set."""
    meta = json.loads((DATA / name / "meta.json").read_text("utf-8"))
    frame = pl.read_csv(DATA / name / "train.csv.gz", infer_schema_length=None)
    frame = frame[np.sort(np.random.default_rng(seed).permutation(len(frame))[:rows])]
    held = np.random.default_rng(seed + 1).permutation(len(frame)) < len(frame) // 4
    target = meta["target"]
    y = frame[target].to_numpy()[held].astype(np.float64)
    lines = []
    with tempfile.TemporaryDirectory() as temp:
        root = Path(temp)
        api.run(recipe(meta, seed), train=frame.filter(~held), test=frame.filter(held).drop(target), root=root, jobs=1)
        for model in ("net_true", "lgbm_true"):
            api.interval(f"intervals:{model}", coverage=SHARE, output=root / "i.csv", root=root)
            made = pl.read_csv(root / "i.csv")
            by_std = _quality(y, made["lower"].to_numpy(), made["upper"].to_numpy())
            flat = _quality(y, *_one_width(root / "oof" / "intervals" / model, made["pred"].to_numpy()))
            line = {"set": name, "seed": seed, "model": model, "held_out": len(y), "coverage": by_std.coverage}
            line |= {"se": by_std.se, "width": by_std.width, "winkler": by_std.winkler}
            lines.append(line | {"one_width": flat.coverage, "one_width_winkler": flat.winkler})
    return lines


def _one_width(folder: Path, pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = archive.read(folder)
    error = np.abs(kept.codes() - kept.pooled()[:, 0])
    errors = conformal.Errors(np.zeros(len(error), np.int64), error.astype(np.float64), np.ones(len(error)))
    return conformal.around(errors, pred, np.ones(len(pred)), SHARE)


def _quality(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> conformal.Quality:
    return conformal.quality(y, low, high, np.ones(len(y)), SHARE, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    lines = []
    for name in args.sets:
        for seed in range(args.seeds):
            lines += measured(name, args.rows, seed)
            for line in lines[-2:]:
                shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()}
                print(shown, flush=True)
    shares = [float(str(line["coverage"])) for line in lines]
    better = sum(float(str(line["winkler"])) < float(str(line["one_width_winkler"])) for line in lines)
    print(f"mean coverage {np.mean(shares):.3f}; a std made the Winkler score better in {better} of {len(lines)}")
    if args.out is not None:
        with args.out.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, lines[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: round(v, 6) if isinstance(v, float) else v for k, v in line.items()} for line in lines)


if __name__ == "__main__":
    main()
