"""What the OOFs behind submissions tell of the noise of their scores; of several targets, of that of their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, paired, pool
from kit.paired import Jackknife, Spread
from kit.pool import Pool
from kit.store import Store
from kit.types import Floats

About = Mapping[str, Any]
"""What the JSON of a submission says."""


@dataclass(frozen=True)
class Sampled:
    """Submissions (K,) beside their OOFs: `spread` of the scores of the `n` rows all of them were scored on, `n_test`
    rows of test, what averaging fold models may give beyond the OOF (K,), and whose own scores weigh rows
    `otherwise`."""

    spread: Spread
    n: float
    n_test: int
    averaging: Floats
    otherwise: tuple[str, ...]


def source_key(about: About) -> str | None:
    """Return the key of the OOF that a submission of one target shows."""
    sources = about.get("sources")
    key = sources.get(about.get("from")) if isinstance(sources, Mapping) else None
    return None if key is None else str(key)


def shows(about: About) -> tuple[tuple[str, ...], ...]:
    """Return the columns of each target of a submission of several, none of a submission of one."""
    return tuple(columns for columns, _ in _parts(about))


def keys(about: About) -> list[str]:
    """Return the key of the OOF of each target that a submission shows, "None" where it is not known."""
    return [str(source_key(part)) for _, part in _parts(about)] or [str(source_key(about))]


def sampled(found: Sequence[About], where: Mapping[str, Path], store: Store) -> Sampled:
    """Return what the OOFs of submissions of the same targets tell of their scores; `where`: key of one -> its folder.

    Targets of the same rows are left out of the mean together, block by block, for their errors go together; those of
    different rows are taken to err apart.

    Raises:
        DataError: the OOFs are of other rows or another target, or one is damaged.
    """
    targets = zip(*([archive.read(where[key]) for key in keys(about)] for about in found), strict=True)
    sides = [pool.gather(kept, str(found[0]["metric"]), store) for kept in targets]
    jacks = [paired.jackknife(side.truth, side.said) for side in sides]
    spread, n = _of_mean(sides, jacks)
    offset = np.mean([_averaging(*each) for each in zip(sides, jacks, strict=True)], axis=0)
    return Sampled(
        spread,
        n,
        max([len(k.test_ids) for side in sides for k in side.kept if k.test_ids is not None], default=0),
        offset - offset.min(),
        tuple(name for side in sides for name in side.otherwise),
    )


def _averaging(side: Pool, found: Jackknife) -> list[float]:
    """Return by how much each rmse may gain on test because fold models are averaged there; 0 for other metrics."""
    gains = []
    for kept, score in zip(side.kept, found.scores, strict=True):
        known = kept.card.get("metric") == "rmse" and score > 0
        gains.append(archive.fold_variance(kept) / (2 * score) if known else 0.0)
    return gains


def _parts(about: About) -> list[tuple[tuple[str, ...], About]]:
    """Return columns and JSON of each target of a submission of several, by columns: merged parts have numbers."""
    parts = (about.get("parts") or {}).values()
    return sorted(((tuple((part.get("layout") or {}).get("header", ())), part) for part in parts), key=lambda p: p[0])


def _of_mean(sides: Sequence[Pool], found: Sequence[Jackknife]) -> tuple[Spread, float]:
    """Return the spread of the mean over the targets, and the rows behind it."""
    scores = np.mean([jack.scores for jack in found], axis=0)
    if all(side.ids.equals(sides[0].ids) for side in sides):
        left_out = np.mean([jack.left_out for jack in found], axis=0)
        return replace(found[0], scores=scores, left_out=left_out).spread(), len(sides[0].ids)
    own = [jack.spread() for jack in found]
    noise = np.array([np.trace(each.covariance) for each in own])
    rows = np.array([len(side.ids) for side in sides], float)
    n = float(noise @ rows / noise.sum()) if noise.sum() > 0 else float(rows.mean())
    covariance = np.sum([each.covariance for each in own], axis=0) / len(own) ** 2
    return Spread(scores, covariance, min(each.dof for each in own)), n
