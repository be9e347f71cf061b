"""lb blend: a blend that past leaderboard scores ask for, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit import archive, guessing, ledger, pool, quiz, table
from kit.archive import positions
from kit.canon import digest_file
from kit.errors import DataError, KitError
from kit.logbook import PUBLIC_SHARE, Entry, entries
from kit.sampling import shows, source_key
from kit.store import Store
from kit.submission import place
from kit.types import Floats
from kit.wishing import check_name

if TYPE_CHECKING:
    import polars as pl

SQUARED = ("rmse", "rmsle")
"""Metrics whose scores tell mean squares; rmsle does so of logarithms."""

FEWEST = 3
"""Submissions with scores and OOFs below which there is nothing to be learnt."""

MOST = 200
"""Submissions, the best, that are looked at: to guess each from all others takes the fourth power of their number."""

LEAST = 1e-50
"""A score below has no square, and is no root of one."""

CHECKED = 5
"""Submissions from which scores left out must be guessed better than by the mean of the others: of three others chance
makes a mean as good as any guess."""


@dataclass(frozen=True)
class Board:
    """Submissions that scored on a board and can be read: predictions of the test rows side by side.

    Shape: test (K, t), rmse (K,), step (K,) the rounding of the board. `frame`: the csv of the best one. `left_out`:
    which scored submissions are not among them, and why.
    """

    entries: tuple[Entry, ...]
    metric: str
    frame: pl.DataFrame
    test: Floats
    rmse: Floats
    step: Floats
    rows: float
    left_out: tuple[str, ...] = ()


def lb_blend(
    *, board: str = "public", share: float = PUBLIC_SHARE, name: str = "lb", root: str | Path = "."
) -> dict[str, Any]:
    """Blend past submissions by what they scored on a board; write the blend as a submission, return what it is.

    It is refused unless the scores differ from what the OOFs let expect by more than noise: without a shift the OOF
    blend is better, for it rests on more rows. `share`: of the test rows behind the public board.

    Raises:
        DataError: too few scores, a metric that is no mean square, or no shift; with the numbers.
    """
    check_name(name)
    if board not in ledger.BOARDS:
        raise DataError("unknown board", got=board, allowed=ledger.BOARDS)
    base = Path(root).resolve()
    seen = read(board, share, base)
    told = _check(seen)
    side, pooled = _oofs(seen, base, told)
    scores = quiz.Scores(
        test=seen.test[side],
        rmse=seen.rmse[side],
        step=seen.step[side],
        rows=seen.rows,
        oof=np.stack([_scale(seen.metric, p[:, 0]) for p in pooled.preds]),
        y=_scale(seen.metric, pooled.truth.y),
        weights=np.empty(0),
        averaged=np.array([archive.fold_variance(k) if seen.metric == "rmse" else 0.0 for k in pooled.kept]),
    )
    scores = quiz.with_weights(scores)
    verdict = quiz.judge(scores)
    among = [seen.entries[i] for i in side]
    if not verdict.shifted:
        raise _no_shift(among, scores, verdict)
    made = verdict.blend(scores.test, scores.weights)
    about = _about(among, scores, verdict, board, share, seen.metric)
    path = place(Store(base), base, name, write(seen.frame, _unscale(seen.metric, made)), about)
    return {"submission": str(path), **about, "left_out": list(seen.left_out)}


def read(board: str, share: float, root: Path) -> Board:
    """Return the submissions that scored on a board, on the rows of the best of them.

    Raises:
        DataError: there are none, or their metric is not known or no mean square.
    """
    found = [e for e in entries(root) if board in e.scores and e.path is not None]
    if not found:
        raise DataError(f"no submission has a {board} score", next="kit lb add 0007 2.055 --board " + board)
    if any(shows(e.about) for e in found):
        rule, advice = "the score of several targets is no mean square", "kit lb final says which to select"
        raise DataError(rule, got="a mean over targets", allowed="submissions of one target", next=advice)
    metrics = {str(e.about["metric"]) for e in found if e.about.get("metric")}
    if len(metrics) != 1 or not metrics <= set(SQUARED):
        got = ", ".join(sorted(metrics)) or "no metric: none of them was made by a recipe"
        raise DataError("leaderboard scores can be blended by squared loss only", got=got, allowed=SQUARED)
    metric = metrics.pop()
    found.sort(key=lambda e: (e.scores[board], e.number))
    left_out = [f"{len(found) - MOST} of {len(found)}, whose scores are behind"] if len(found) > MOST else []
    found = found[:MOST]
    lines = ledger.read(root / "submissions")
    frame, kept, test = None, [], []
    for each in found:
        # What was altered is not what scored.
        same = digest_file(Path(str(each.path))) == each.about.get("sha256")
        frame = table.read_text(Path(str(each.path))) if frame is None and same else frame
        values = None if frame is None or not same else values_of(frame, Path(str(each.path)))
        if values is None:
            left_out.append(f"{each.number:04d} {'is of other rows or columns' if same else 'was altered'}")
        else:
            kept.append(each)
            test.append(_scale(metric, values))
    if frame is None or not kept:
        raise DataError(f"no submission with a {board} score is as it was", got=", ".join(left_out))
    return Board(
        tuple(kept),
        metric,
        frame,
        np.stack(test),
        np.array([e.scores[board] for e in kept]),
        np.array([10.0 ** -ledger.digits(lines, e.number, board) for e in kept]),
        max(2.0, len(frame) * (share if board == "public" else 1 - share)),
        tuple(left_out),
    )


def values_of(frame: pl.DataFrame, path: Path) -> Floats | None:
    """Return (t,) the values of a submission in the order of another's ids, None where it cannot be read so."""
    import polars as pl

    try:
        other = table.read_text(path)
    except DataError:
        return None
    if other.columns != frame.columns or other.width != 2:
        return None
    order = positions(frame.to_series(0), other.to_series(0))
    values = other.to_series(1).cast(pl.Float64, strict=False).to_numpy()
    if (order < 0).any() or len(other) != len(frame) or not np.isfinite(values).all():
        return None
    return np.asarray(values[order], np.float64)


def write(frame: pl.DataFrame, values: Floats) -> bytes:
    """Return the csv of values in the layout of a submission."""
    import polars as pl

    return frame.with_columns(pl.Series(frame.columns[1], values.astype(np.float32))).write_csv().encode()


def _check(seen: Board) -> str:
    """Return how well scores are guessed from each other, in words; raise where files and scores do not fit."""
    if len(seen.entries) < FEWEST:
        got = "; ".join([f"{len(seen.entries)} that can be read side by side", *seen.left_out])
        raise DataError("too few submissions have scores", got=got, allowed=f"{FEWEST} or more", next="kit lb add")
    if wrong := [f"{e.number:04d}: {r:g}" for e, r in zip(seen.entries, seen.rmse, strict=True) if r < LEAST]:
        advice = "kit lb add NUMBER SCORE corrects a score"
        raise DataError(f"a {seen.metric} is above 0", got=", ".join(wrong), next=advice)
    guessed, mean = guessing.left_out(seen.test, seen.rmse, seen.step, seen.rows)
    told = f"scores left out are guessed from the others to {guessed:.3g}, their mean is off by {mean:.3g}"
    if len(seen.entries) >= CHECKED and guessed >= mean:
        advice = "are they of one board and of this metric? kit log shows what was written down"
        raise DataError("the scores do not fit the files", got=told, next=advice)
    return told


def _oofs(seen: Board, root: Path, told: str) -> tuple[list[int], pool.Pool]:
    """Return which submissions have OOFs of the same rows, and those OOFs."""
    where = archive.index(root)
    side = [i for i, e in enumerate(seen.entries) if source_key(e.about) in where]
    kept = [archive.read(where[str(source_key(seen.entries[i].about))]) for i in side]
    try:
        if len(side) < FEWEST:
            raise DataError("too few")
        pooled = pool.gather(kept, seen.metric, Store(root))
        if pooled.otherwise:
            names = ", ".join([pooled.kept[0].name, *pooled.otherwise])
            raise DataError("other weights", got=f"rows count otherwise in the scores of some: {names}")
        return side, pooled
    except KitError as error:
        reason = error.problems[0].got or f"{len(side)} of {len(seen.entries)} submissions have an OOF here"
        raise DataError(
            "without the OOFs of the submissions a shift cannot be told from what blending gains anyway",
            got=f"{reason}; {told}",
            allowed=f"{FEWEST} or more with OOFs of the same rows",
            next="kit import the OOFs behind them, or blend by CV",
        ) from error


def _no_shift(among: Sequence[Entry], scores: quiz.Scores, verdict: quiz.Verdict) -> DataError:
    pairs = [
        f"{e.number:04d} {got:.5g} (expected {want:.5g})"
        for e, got, want in zip(among, scores.rmse, verdict.expected, strict=True)
    ]
    return DataError(
        "the scores show no shift that noise does not explain: the OOF blend stays the better one",
        got=f"p {verdict.p:.2g}; " + ", ".join(pairs[:6]) + (", ..." if len(pairs) > 6 else ""),
        allowed=f"p below {quiz.SHIFTED}",
        next="kit blend; or more scores of submissions that differ, one of them the blend plus a constant",
    )


def _about(
    among: Sequence[Entry], scores: quiz.Scores, verdict: quiz.Verdict, board: str, share: float, metric: str
) -> dict[str, Any]:
    numbers = [f"{e.number:04d}" for e in among]
    cv = float(np.sqrt(np.mean((verdict.blend(scores.oof, scores.weights) - scores.y) ** 2)))
    return {
        "recipe": among[0].about.get("recipe"),
        "from": "lb blend",
        "metric": metric,
        "score": cv,
        "weights": dict(zip(numbers, verdict.weights.tolist(), strict=True)),
        "sources": {n: digest_file(Path(str(e.path))) for n, e in zip(numbers, among, strict=True)},
        "lb": {
            "board": board,
            "share": share,
            "p": verdict.p,
            "tau": verdict.tau,
            "level": verdict.level,
            "stretch": verdict.stretch,
            "oof_weights": dict(zip(numbers, scores.weights.tolist(), strict=True)),
            "scores": dict(zip(numbers, scores.rmse.tolist(), strict=True)),
            "expected": dict(zip(numbers, verdict.expected.tolist(), strict=True)),
            "before": verdict.before,
            "after": verdict.after,
        },
    }


def again(about: Mapping[str, Any], frame: pl.DataFrame, paths: Mapping[str, Path]) -> bytes:
    """Return the csv of a leaderboard blend from what its JSON says and the files of its sources."""
    lb, metric = about["lb"], str(about["metric"])
    test = np.stack([_scale(metric, np.asarray(values_of(frame, paths[n]))) for n in about["weights"]])
    weights = np.array(list(about["weights"].values()))
    verdict = quiz.Verdict(0.0, weights, 0.0, weights, float(lb["level"]), float(lb["stretch"]), 0.0, 0.0)
    made = verdict.blend(test, np.array(list(lb["oof_weights"].values())))
    return write(frame, _unscale(metric, made))


def _scale(metric: str, values: NDArray[np.floating]) -> Floats:
    """Return values on the scale whose squares the metric means."""
    wide = np.asarray(values, np.float64)
    return np.log1p(np.maximum(wide, 0)) if metric == "rmsle" else wide


def _unscale(metric: str, values: Floats) -> Floats:
    return np.expm1(values) if metric == "rmsle" else values
