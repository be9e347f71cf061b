"""Runs judge recipes on sets of the judge line's shape that they were not made on, cut from English sentence pairs.

python benchmarks/judge_cuts.py [--seeds 0 1] [--names best published ...] [--root DIR] [--out FILE]

Cuts of the labelled pairs of stsb_en (its training file; no truth is read). Test: 1300 pairs as they are. Training:
`skewed` has the label histogram of judge_sts, `even` as many pairs drawn blindly. A pair's key (`metric_name`) is its
topic: one of eight clusters of its words, named by the three that tell it from the others. `against`: RMSE over that of
best.yaml on the same skewed cut, with the 95 % interval of the ratio (pairs drawn anew 2000 times, both scored on the
same). `even/best` is best.yaml itself, unchanged, trained on unskewed labels: what skew costs is 1 over its ratio.
`promised` is the score under the test scores that best.yaml estimates, `from` and `to` its 90 % interval, and `kept`
whether that holds the RMSE.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

import judge
import numpy as np
import pandas as pd
import polars as pl
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from kit import archive, counts
from kit.leeway import Leeway

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
N_TEST, TOPICS, DRAWS = 1300, 8, 2000
NAMES = ("best", "published", "negatives_lgbm", "second_xgboost", "vectors_lgbm", "similarity_lgbm")


def pairs() -> pd.DataFrame:
    """Return the labelled pairs as the recipes want them, each with its topic."""
    frame = pd.read_csv(SHARED / "stsb_en" / "train.csv.gz")
    texts = frame["sentence1"] + " " + frame["sentence2"]
    reader = TfidfVectorizer(stop_words="english", min_df=5, sublinear_tf=True)
    x = reader.fit_transform(texts)
    told = normalize(TruncatedSVD(50, random_state=0).fit_transform(x))
    topic = KMeans(TOPICS, n_init=3, random_state=0).fit_predict(told)
    words, overall = reader.get_feature_names_out(), np.asarray(x.mean(axis=0))[0]
    named = {
        t: " ".join(words[np.argsort(overall - np.asarray(x[topic == t].mean(axis=0))[0])[:3]]) for t in range(TOPICS)
    }
    keys = {"ID": frame["id"], "metric_name": [named[t] for t in topic], "pair_id": frame["pair_id"]}
    return pd.DataFrame(
        {**keys, "user_prompt": frame["sentence1"], "response": frame["sentence2"], "score": 2 * frame["score"]}
    )


def picked(score: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows whose scores have the histogram of judge_sts' training scores, as many as there are."""
    wanted = pd.read_csv(SHARED / "judge_sts" / "train.csv.gz")["score"].to_numpy()
    edges = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9.6, 10.01])
    share = np.histogram(wanted, edges)[0] / len(wanted)
    of = np.searchsorted(edges, score, side="right") - 1
    n = int(np.min(np.bincount(of, minlength=len(share))[share > 0] / share[share > 0]))
    rows = [rng.permutation(np.flatnonzero(of == b))[: round(n * share[b])] for b in range(len(share))]
    return rng.permutation(np.concatenate(rows))


def cut(frame: pd.DataFrame, seed: int, root: Path) -> dict[str, Path]:
    """Write the skewed and the even training set of a cut beside one test set, and return their folders."""
    rng = np.random.default_rng([seed, 2026])
    rows = rng.permutation(len(frame))
    test, pool = frame.iloc[rows[:N_TEST]], frame.iloc[rows[N_TEST:]]
    skewed = picked(pool["score"].to_numpy(), rng)
    folders = {}
    for kind, at in (("skewed", skewed), ("even", rng.permutation(len(pool))[: len(skewed)])):
        folders[kind] = root / f"cut{seed}" / kind
        folders[kind].mkdir(parents=True, exist_ok=True)
        pool.iloc[at].to_csv(folders[kind] / "train.csv", index=False)
        test.drop(columns="score").to_csv(folders[kind] / "test.csv", index=False)
        test[["ID"]].assign(score=0.0).to_csv(folders[kind] / "sample_submission.csv", index=False)
    return folders


def lines(frame: pd.DataFrame, seed: int, names: list[str], root: Path) -> Iterator[dict[str, object]]:
    """Yield a line per recipe run on a cut."""
    folders = cut(frame, seed, root)
    rows, truth = len(pd.read_csv(folders["skewed"] / "train.csv")), frame.set_index("ID")["score"]
    base, says = None, dict[str, archive.Kept]()
    draws = np.random.default_rng(seed).multinomial(N_TEST, np.full(N_TEST, 1 / N_TEST), DRAWS)
    for kind, name in (("skewed", "best"), ("even", "best"), *(("skewed", n) for n in names if n != "best")):
        kept = judge.ran(name, folders[kind], root, [f"name={name}_{kind}_{seed}"])
        ids = pl.read_csv(folders[kind] / "test.csv")["ID"]
        pred = kept.kept.test[archive.positions(ids, kept.kept.test_ids), 0]
        y = truth[ids.to_list()].to_numpy()
        loss = (pred - y) ** 2
        base = loss if base is None else base
        first = says.setdefault(kind, kept.kept)  # best.yaml comes before all others
        ratio = np.sqrt((draws @ loss) / (draws @ base))
        low, high = np.quantile(ratio, [0.025, 0.975])
        yield {
            **{"seed": seed, "rows": rows, "train": kind, "recipe": name, "rmse": f"{np.sqrt(loss.mean()):.4f}"},
            **{"bias": f"{(pred - y).mean():.3f}", "against": f"{np.sqrt(loss.mean() / base.mean()):.3f}"},
            **{"low": f"{low:.3f}", "high": f"{high:.3f}", "fit_seconds": f"{kept.seconds:.0f}"},
            **promise(kept, first, float(np.sqrt(loss.mean()))),
        }


def promise(run: judge.Ran, says: archive.Kept, rmse: float) -> dict[str, object]:
    """Return what is promised of a run under the test scores that `says` estimates, and whether it came true."""
    told = judge.promised(run, says, counts.rows(says)[0], Leeway.told(says.card["evaluate"], says.codes()))
    low, high = (float(str(told[end])) for end in ("low", "high"))
    return {"promised": told["estimate"], "from": low, "to": high, "kept": low <= rmse <= high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--names", nargs="*", default=list(NAMES))
    parser.add_argument("--root", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    root, frame = args.root or Path(tempfile.mkdtemp(prefix="kit-judge-cuts-")), pairs()
    made: list[dict[str, object]] = []
    for seed in args.seeds:
        for line in lines(frame, seed, args.names, root):
            made.append(line)
            print(line, flush=True)
            if args.out is not None:
                with args.out.open("w", newline="", encoding="utf-8") as stream:
                    writer = csv.DictWriter(stream, list(line), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(made)


if __name__ == "__main__":
    main()
