"""Which two submissions to select: what `kit lb final` says beside the rules people go by, in simulation.

Competitions are those of leaderboard.py: K submissions, their OOFs, scores on a public part of the test rows. The
private rmse of the better one of two, over that of the best submission there is: of `kit`; of the two best by CV; the
best by CV and the best on the public board; the two best on the public board.

    python benchmarks/finals.py [--reps 100] [--out benchmarks/finals.csv]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import leaderboard
import numpy as np
import sets

from kit import finals, paired
from kit.types import Task

SHIFTS = ((None, 0.0), ("level", 0.3), ("size", 0.3), ("signal", 0.4), ("broken", 0.1), ("broken", 0.5))
SIZES = ((600, 12), (3000, 12), (20_000, 12), (600, 30))
"""(test rows, submissions); 30 % of the rows are public."""
LEARNT = 1000
WAYS = ("kit", "cv_cv", "cv_public", "public_public")


def once(seed: list[int], k: int, t: int, shift: str | None, size: float) -> list[float]:
    """Return for each way the private rmse of the better one of its two, over the best of all."""
    rng = np.random.default_rng(seed)
    w = leaderboard.world(rng, k, t, shift, size)
    rows = rng.choice(len(w.y), LEARNT, replace=False)
    y, oof = w.y[rows], w.oof[:, rows]
    public = np.zeros(t, bool)
    public[rng.choice(t, int(leaderboard.PUBLIC * t), replace=False)] = True
    loss = np.sqrt(((w.test[:, public] - w.y_test[public]) ** 2).mean(axis=1)).round(leaderboard.DIGITS)
    private = np.sqrt(((w.test[:, ~public] - w.y_test[~public]) ** 2).mean(axis=1))
    truth = paired.Truth(Task("regression"), "rmse", y, np.ones(len(y)))
    found = paired.spread(truth, [x[:, None].astype(np.float32) for x in oof])
    none = np.zeros(k)
    known = finals.Evidence(
        found.scores,
        found.covariance,
        none,
        loss,
        none + 10.0 ** (-2 * leaderboard.DIGITS) / 12,
        len(y),
        public.sum(),
        (~public).sum(),
    )
    by_cv, by_public = np.argsort(found.scores), np.argsort(loss)
    other = by_public[0] if by_public[0] != by_cv[0] else by_public[1]
    picked = [p.at for p in finals.pick(finals.believe(known), 2)]
    pairs = [picked, by_cv[:2], [by_cv[0], other], by_public[:2]]
    return [float(private[np.asarray(pair)].min() / private.min()) for pair in pairs]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reps", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = []
    for t, k in SIZES:
        for shift, size in SHIFTS:
            made = np.array([once([t, k, rep], k, t, shift, size) for rep in range(options.reps)])
            line: dict[str, object] = {"test_rows": t, "submissions": k, "shift": shift or "none", "size": size}
            line |= {way: round(float(v), 5) for way, v in zip(WAYS, made.mean(axis=0), strict=True)}
            gap = made[:, 0] - made[:, 2]
            line |= {"kit_minus_cv_public": round(float(gap.mean()), 5)}
            line |= {"se": round(float(gap.std() / np.sqrt(options.reps)), 5)}
            lines.append(line)
            print(line, flush=True)
    if options.out:
        sets.save(lines, options.out)


if __name__ == "__main__":
    main()
