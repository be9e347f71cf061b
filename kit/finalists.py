"""lb final: which submissions to select for the private leaderboard, by estimates and public scores together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, finals, registry
from kit.errors import DataError
from kit.logbook import MOST, PUBLIC_SHARE, Entry, entries, steps
from kit.sampling import Sampled, keys, sampled, shows
from kit.store import Store
from kit.types import Floats


def lb_final(*, count: int = 2, share: float = PUBLIC_SHARE, root: str | Path = ".") -> dict[str, Any]:
    """Return which `count` submissions to select, the best expected one first, and what speaks for each.

    `share`: of the test rows that the public board is counted on. Submissions without an OOF here are left out and
    named; of more than 30 those are looked at that stand first by their estimate or on the public board.

    Raises:
        DataError: there are fewer than two submissions whose OOF is here, or these are of other rows; their metric is a
            file of one's own.
    """
    base = Path(root).resolve()
    found = entries(base)
    where = archive.index(base)
    here = [e for e in found if e.estimate is not None and all(key in where for key in keys(e.about))]
    # Beside submissions of several targets those of one are parts of such, which no board takes.
    last = next((e for e in reversed(here) if shows(e.about)), here[-1] if here else None)
    metric, targets = ("", ()) if last is None else (str(last.about["metric"]), shows(last.about))
    usable = _once([e for e in here if e.about["metric"] == metric and shows(e.about) == targets])
    if len(usable) < max(2, count):
        rule, got = f"{max(2, count)} different submissions whose OOFs are here are needed", f"{len(usable)} of them"
        raise DataError(rule, got=got, next="kit import brings in OOFs made elsewhere; kit log lists all submissions")
    if not registry.has("metrics", metric):
        rule, advice = "submissions are judged by a metric of kit's", "kit log shows what they scored"
        raise DataError(rule, got=f"{metric}, a file of its own, which is not run here", next=advice)
    sign = 1.0 if registry.metric(metric).better == "lower" else -1.0
    judged = _foremost(usable, sign)
    told = sampled([e.about for e in judged], where, Store(base))
    evidence = _evidence(judged, told, steps(judged, "public", base), sign, share)
    belief = finals.believe(evidence)
    spread = np.sqrt(np.diag(belief.covariance))
    left_out = [f"{e.number:04d}" for e in found if e not in usable]
    return {
        "metric": metric,
        "of": len(usable),
        "judged": len(judged),
        "with_public": int(np.isfinite(evidence.public).sum()),
        "level": sign * belief.level,
        "shift": belief.shift,
        "finals": [
            {**_shown(judged[p.at]), "expected": sign * float(belief.mean[p.at]), "se": float(spread[p.at])}
            | {"beats_first": p.beats, "gain": p.gain}
            for p in finals.pick(belief, count)
        ],
        "left_out": left_out,
        "otherwise": sorted(set(told.otherwise)),
    }


def _once(found: Sequence[Entry]) -> list[Entry]:
    """Return the submissions, of equal files the one with a public score, else the first."""
    kept: dict[str, Entry] = {}
    for entry in found:
        digest = str(entry.about.get("sha256"))
        if digest not in kept or ("public" in entry.scores and "public" not in kept[digest].scores):
            kept[digest] = entry
    return sorted(kept.values(), key=lambda e: e.number)


def _foremost(found: Sequence[Entry], sign: float) -> list[Entry]:
    """Return the submissions that stand first by estimate or public score, at most MOST, in their order."""
    estimates = np.array([sign * float(e.estimate or 0.0) for e in found])
    public = np.array([sign * e.scores.get("public", sign * np.inf) for e in found])
    place = np.minimum(*(np.argsort(np.argsort(values, kind="stable")) for values in (estimates, public)))
    chosen = np.argsort(place, kind="stable")[:MOST]
    return [found[i] for i in np.sort(chosen)]


def _evidence(judged: Sequence[Entry], found: Sampled, step: Floats, sign: float, share: float) -> finals.Evidence:
    """Return what is known of the submissions before the private board, scores as losses; `step` (K,): its rounding."""
    return finals.Evidence(
        estimate=sign * np.array([float(e.estimate or 0.0) for e in judged]),
        sampling=found.spread.covariance,
        own=found.averaging**2,
        public=sign * np.array([e.scores.get("public", np.nan) for e in judged], float),
        rounding=step**2 / 12,
        n=found.n,
        n_public=max(1.0, found.n_test * share),
        n_private=max(1.0, found.n_test * (1 - share)),
    )


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "number": f"{entry.number:04d}",
        "file": None if entry.path is None else entry.path.name,
        "recipe": entry.about.get("recipe"),
        "from": entry.about.get("from"),
        "estimate": entry.estimate,
        "public": entry.scores.get("public"),
    }
