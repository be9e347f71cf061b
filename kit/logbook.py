"""log and lb add: every submission with what it was made of, its estimate and its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, boards, ledger, registry, sampling, sidecar, table
from kit.errors import DataError, KitError, writing
from kit.store import Store
from kit.submission import NUMBERED, line_of, lock, nested_of, number_of, place
from kit.types import Floats

MOST = 30
"""Scored submissions, the latest, that a board is judged by: of these the noise is known well (200 blocks of rows)."""

PUBLIC_SHARE = 0.3
"""Share of the test rows behind the public board where nobody says it: Kaggle's is mostly 20 to 35 %."""


@dataclass(frozen=True)
class Entry:
    """A submission: `path` of its csv (None = gone), `about` = its JSON or what the ledger kept of it."""

    number: int
    path: Path | None
    about: Mapping[str, Any]
    scores: Mapping[str, float]

    @property
    def estimate(self) -> float | None:
        """The nested estimate where it is known, else the OOF score."""
        nested = nested_of(self.about)
        return self.about.get("score") if nested is None else nested


def entries(root: Path) -> list[Entry]:
    """Return all submissions by number: what the folder holds, and what only the ledger still knows.

    Raises:
        DataError: a file cannot be read, or two submissions have one number.
    """
    folder = root / "submissions"
    lines = ledger.read(folder)
    told = ledger.scores(lines)
    found: dict[int, Entry] = {}
    for line in lines:
        about: dict[str, Any] = {"recipe": line.recipe or None, "from": line.source, "metric": line.metric or None}
        about |= {"score": float(line.cv) if line.cv else None, "sha256": line.sha256, "gone": True}
        about |= {"nested": float(line.nested) if line.nested else None}
        if line.event == "submitted" or line.number not in found:
            found[line.number] = Entry(line.number, None, about, told.get(line.number, {}))
    here: dict[int, tuple[str, object]] = {}
    for path in sorted(folder.glob("*.json")):
        if NUMBERED.match(path.name):
            number, csv = number_of(path.name), path.with_suffix(".csv")
            about = sidecar.read(path)
            if number in here and here[number][1] != about.get("sha256"):
                rule, advice = (
                    "two submissions have one number",
                    "move one of them away; kit lb add FILE.csv numbers it",
                )
                raise DataError(rule, place=str(folder), got=f"{here[number][0]} and {path.name}", next=advice)
            here[number] = path.name, about.get("sha256")
            found[number] = Entry(number, csv if csv.is_file() else None, about, told.get(number, {}))
    return [found[number] for number in sorted(found)]


def entry(number: str, root: Path) -> Entry:
    """Return one submission.

    Raises:
        DataError: there is none of this number.
    """
    wanted, known = number_of(number), entries(root)
    for each in known:
        if each.number == wanted:
            return each
    allowed = [f"{e.number:04d}" for e in known] or "none yet"
    raise DataError("there is no such submission", got=number, allowed=allowed, next="kit log lists them")


def log(root: str | Path = ".", *, share: float = PUBLIC_SHARE) -> dict[str, Any]:
    """Return all submissions, and for each board how its scores stand to the estimates.

    `share`: of the test rows that the public board is counted on.
    """
    base = Path(root).resolve()
    found = entries(base)
    return {
        "submissions": [_shown(e) for e in found],
        "boards": {board: found_ for board in ledger.BOARDS if (found_ := _board(found, board, base, share))},
    }


def lb_add(
    number: str | int, score: str | float, *, board: str = "public", note: str = "", root: str | Path = "."
) -> dict[str, Any]:
    """Write a leaderboard score into the ledger and return its submission. `number` may be a csv made elsewhere.

    A second score of one board corrects the first; both lines stay. The score is kept as it is written: its digits
    tell how the board rounds.

    Raises:
        DataError: there is no such submission, or the score is none, or none that its metric can have.
    """
    base = Path(root).resolve()
    text = str(score).strip()
    if not ledger.is_score(text):
        raise DataError("a score must be a number", got=text, allowed="a number as the leaderboard shows it")
    if board not in ledger.BOARDS:
        raise DataError("unknown board", got=board, allowed=ledger.BOARDS)
    path = Path(str(number))
    foreign = path.suffix == ".csv" and path.is_file() and path.resolve().parent != base / "submissions"
    known = _take_in(path, base) if foreign else entry(str(number), base)
    _check_range(known.about.get("metric"), text)
    if known.scores.get(board) != float(text):
        with writing(str(base / "submissions")), lock(Store(base)):
            line = ledger.Line(known.number, "score", board, text, note=note)
            ledger.append(base / "submissions", *_begun(base), line)
    return _shown(entry(str(known.number), base))


def _check_range(name: str | None, text: str) -> None:
    """Raise DataError for a score that the metric cannot have; what a file of one's own can is not known."""
    if name is None or not registry.has("metrics", name):
        return
    low, high = getattr(registry.load("metrics", name), "RANGE", (None, None))
    if (low is None or float(text) >= low) and (high is None or float(text) <= high):
        return
    allowed = f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
    advice = "kit log shows the number and the metric of each submission; write the score as the leaderboard shows it"
    raise DataError(f"{name} has no such score", got=text, allowed=allowed, next=advice)


def _begun(root: Path) -> list[ledger.Line]:
    """Return what a ledger begins with: the submissions there are. It is kept from the first score on."""
    folder = root / "submissions"
    if ledger.read(folder):
        return []
    names = [(f"{each.number:04d}" if each.path is None else each.path.name, each) for each in entries(root)]
    return [line_of(folder / name, each.about) for name, each in names]


def _take_in(path: Path, root: Path) -> Entry:
    """Give a csv that was made elsewhere a number of its own; one that cannot be read is refused."""
    about: dict[str, Any] = {
        "recipe": None,
        "from": path.name,
        "metric": None,
        "score": None,
        "weights": None,
        "sources": {},
    }
    table.read_text(path)
    return entry(place(Store(root), root, path.stem, path.read_bytes(), about).name, root)


def _shown(each: Entry) -> dict[str, Any]:
    about = each.about
    return {
        "number": f"{each.number:04d}",
        "file": None if each.path is None else each.path.name,
        "recipe": about.get("recipe"),
        "from": about.get("from"),
        "sources": dict(about.get("sources") or {}),
        "weights": about.get("weights"),
        "models": dict(about.get("models") or about.get("weights") or {}),
        "metric": about.get("metric"),
        "cv": about.get("score"),
        "nested": nested_of(about),
        **{board: each.scores.get(board) for board in ledger.BOARDS},
    }


# -- estimates against a board


def _board(found: Sequence[Entry], board: str, root: Path, share: float) -> dict[str, Any] | None:
    """Return how a board stands to the estimates, or None where it has no scores."""
    scored = [e for e in found if board in e.scores]
    if not scored:
        return None
    last = scored[-1].about
    alike = [e for e in scored if sampling.shows(e.about) == sampling.shows(last)]
    both = [e for e in alike if e.estimate is not None and e.about.get("metric") == last.get("metric")]
    of, both = len(both), both[-MOST:]
    cv, lb = np.array([e.estimate for e in both], float), np.array([e.scores[board] for e in both], float)
    noise, dof = noise_of(both, board, root, share) if both else (None, 0)
    found_ = boards.agreement(cv, lb, noise, dof)
    plain = {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in asdict(found_).items()}
    return {**plain, "of": of, "submissions": [f"{e.number:04d}" for e in both], "verdict": found_.verdict}


def noise_of(both: Sequence[Entry], board: str, root: Path, share: float) -> tuple[Floats | None, int]:
    """Return the covariance (K, K) of board score minus estimate under no shift, and its degrees of freedom.

    In it are the rows of the OOF, the rows behind the board, its rounding, and what averaging fold models may give
    beyond the OOF; None where the OOF of a submission is gone, rows count otherwise in the score of another, or the
    metric is a file of one's own, which is not run here.
    """
    where, told = archive.index(root), [e.about for e in both]
    here = all(key in where for about in told for key in sampling.keys(about))
    if not here or not registry.has("metrics", str(told[0]["metric"])):
        return None, 0
    try:
        found = sampling.sampled(told, where, Store(root))
    except KitError:
        return None, 0
    if found.otherwise:
        return None, 0
    rows = max(1.0, found.n_test * (share if board == "public" else 1 - share))
    own = np.diag(steps(both, board, root) ** 2 / 12 + found.averaging**2)
    return found.spread.covariance * (1 + found.n / rows) + own, found.spread.dof


def steps(found: Sequence[Entry], board: str, root: Path) -> Floats:
    """Return (K,) the step that a board rounds the score of each submission to, 0 where it has none."""
    lines = ledger.read(root / "submissions")
    return np.array([10.0 ** -ledger.digits(lines, e.number, board) if board in e.scores else 0.0 for e in found])
