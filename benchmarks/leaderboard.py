"""What blends by leaderboard scores are worth: in simulation, and on the scored submissions of a real competition.

python benchmarks/leaderboard.py [--reps 40] [--out benchmarks/leaderboard.csv]

simulation: K submissions weigh six signals of y differently and add noise of their own; their scores are those of a
    public part of t test rows, rounded to 4 digits. Without a shift the test rows are as the training rows; with one
    the level of y moves (no score tells unless, as in `told`, one submission is another plus a constant), its size
    shrinks, a signal loses its weight, or half of the submissions break. rmse on the private rows of: the blend by
    OOF, what `kit lb blend` gives (the OOF blend where it refuses), the same without the refusal, and blends by scores
    alone as in methods 4.7: centred at the best, with a small and with a large ridge.
real: ../shared/data/llm_judge: the score of each submission, left out, guessed from scores and files of the others,
    beside their mean.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl

from kit import guessing, quiz

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "llm_judge"
TRUE = np.array([1, 0.6, 0.5, 0.4, 0.3, 0.2])
"""Weights of the six signals in y."""
LEARNT, PUBLIC, DIGITS = 5000, 0.3, 4
SHIFTS = ((None, 0.0), ("level", 0.1), ("level", 0.3), ("told", 0.3), ("size", 0.3), ("signal", 0.8), ("broken", 0.5))
SIZES = ((2000, 12), (20_000, 12), (2000, 30))
"""(test rows, submissions)."""


@dataclass(frozen=True)
class World:
    """Shape: oof (K, n), y (n,), test (K, t), y_test (t,)."""

    oof: np.ndarray
    y: np.ndarray
    test: np.ndarray
    y_test: np.ndarray


def world(rng: np.random.Generator, k: int, t: int, shift: str | None, size: float) -> World:
    """Return a competition of LEARNT training and t test rows with k submissions."""
    n = LEARNT
    signals = rng.normal(size=(n + t, 6))
    y = signals @ TRUE + 0.8 * rng.normal(size=n + t)
    weights = TRUE * np.clip(rng.normal(0.85, 0.25, size=(k, 6)), 0, 1.3)
    x = weights @ signals.T + rng.normal(size=(k, n + t)) * rng.uniform(0.1, 0.4, size=(k, 1))
    if shift in ("level", "told"):
        y[n:] += size
    if shift == "told":
        x[1] = x[0] + 0.5
    if shift == "size":
        y[n:] *= 1 - size
    elif shift == "signal":
        y[n:] -= size * TRUE[1] * signals[n:, 1]
    elif shift == "broken":
        bad = rng.choice(k, k // 2, replace=False)
        x[bad, n:] += size * rng.normal(size=(len(bad), 1))
    return World(x[:, :n], y[:n], x[:, n:], y[n:])


def scores_of(w: World, public: np.ndarray) -> quiz.Scores:
    k = len(w.test)
    rmse = np.round(np.sqrt(((w.test[:, public] - w.y_test[public]) ** 2).mean(axis=1)), DIGITS)
    blank = np.zeros(k)
    step = np.full(k, 10.0**-DIGITS)
    return quiz.with_weights(quiz.Scores(w.test, rmse, step, float(public.sum()), w.oof, w.y, np.empty(0), blank))


def by_scores_alone(scores: quiz.Scores, ridge: float) -> np.ndarray:
    """Return (t,) the centred blend of methods 4.7. Source: Toescher, Jahrer & Bell 2009, section 7."""
    x, r = scores.test, scores.rmse
    best = int(np.argmin(r))
    d = np.delete(x - x[best], best, axis=0)
    g = 0.5 * ((d**2).mean(axis=1) + r[best] ** 2 - np.delete(r, best) ** 2)
    gram = d @ d.T / x.shape[1]
    return x[best] + np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), g) @ d


COLUMNS = ("oof", "kit", "unguarded", "scores_alone", "scores_alone_ridge", "best_single")


def once(rng: np.random.Generator, k: int, t: int, shift: str | None, size: float) -> tuple[list[float], bool]:
    """Return the private rmse of each way, and whether `kit lb blend` did not refuse."""
    w = world(rng, k, t, shift, size)
    public = np.zeros(t, bool)
    public[rng.choice(t, int(PUBLIC * t), replace=False)] = True
    scores = scores_of(w, public)
    verdict = quiz.judge(scores)
    centre, made = scores.weights @ w.test, verdict.blend(w.test, scores.weights)
    ways = [centre, made if verdict.shifted else centre, made]
    ways += [by_scores_alone(scores, 1e-6), by_scores_alone(scores, 0.1), w.test[int(np.argmin(scores.rmse))]]
    return [float(np.sqrt(((p - w.y_test)[~public] ** 2).mean())) for p in ways], verdict.shifted


def simulated(reps: int) -> list[list[object]]:
    lines: list[list[object]] = []
    for t, k in SIZES:
        for shift, size in SHIFTS:
            made = [once(np.random.default_rng([t, k, r]), k, t, shift, size) for r in range(reps)]
            rmse = np.array([m[0] for m in made])
            gain = rmse[:, 1] - rmse[:, 0]
            se = gain.std() / np.sqrt(reps)
            used = float(np.mean([m[1] for m in made]))
            means = [round(float(v), 5) for v in rmse.mean(axis=0)]
            worst = round(float(gain.max()), 5)
            lines.append([shift or "none", size, t, k, used, *means, round(gain.mean(), 5), round(se, 5), worst])
            print(
                f"t {t} K {k} {shift or 'none':6} {size}: used {used:.2f}, "
                + ", ".join(f"{n} {v:.4f}" for n, v in zip(COLUMNS, means, strict=True))
                + f"; kit - oof {gain.mean():+.4f} +- {2 * se:.4f}, worst {worst:+.4f}",
                flush=True,
            )
    return lines


def real() -> list[list[object]]:
    """Return what scores left out are guessed as, for the submissions whose score is known."""
    if not (REAL / "index.json").is_file():
        print(f"no {REAL.name} under ../shared/data: the real submissions are skipped")
        return []
    listed = json.loads((REAL / "index.json").read_text("utf-8"))["submissions"]
    known = [(s, s["stated_rmse"] or s["candidate_rmse"]) for s in listed]
    files = [(s, score) for s, score in known if score]
    frames = [pl.read_csv(REAL / s["file"]).sort("ID") for s, _ in files]
    test = np.array([f["score"].cast(pl.Float64).to_numpy() for f in frames])
    rmse = np.array([score for _, score in files])
    digits = [len(str(score).partition(".")[2]) for _, score in files]
    step, rows = 10.0 ** -np.array(digits, float), 0.3 * test.shape[1]
    lines: list[list[object]] = []
    for i, (s, score) in enumerate(files):
        rest = np.arange(len(files)) != i
        guessed = guessing.guess(test[rest], rmse[rest], step[rest], rows, test[i])
        board = s["board"] or s["candidate_board"]
        lines.append([Path(s["file"]).stem, board, score, round(guessed, 4), round(float(rmse[rest].mean()), 4)])
    off, mean_off = guessing.left_out(test, rmse, step, rows)
    print(f"{len(listed)} submissions, {len(files)} with a score; left out they are guessed to {off:.3f} rmse, "
          f"the mean of the others is off by {mean_off:.3f}")  # fmt: skip
    for line in lines:
        print("  ", *line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=40)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    left_out, lines = real(), simulated(given.reps)
    if given.out:
        with given.out.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            header = ["shift", "size", "test_rows", "submissions", "used", *COLUMNS]
            writer.writerows([[*header, "kit_minus_oof", "se", "worst"], *lines, []])
            writer.writerows([["submission", "board", "score", "guessed", "mean_of_others"], *left_out])


if __name__ == "__main__":
    main()
