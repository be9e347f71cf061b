"""Learners that order the rows of a query: what they take for y, what they are stopped on, what their scores mean.

A score says which row of a query comes first, and nothing else: each library, and each fit, has a scale of its own.
So that fold models and seeds can be averaged, a fit's scores are shifted and stretched by what it says of the learning
rows: within queries they have the standard deviation of the target there, around its mean; of a binary target one of 1
around the share of the positive class, in log odds. The order stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

import numpy as np

from kit.errors import DataError
from kit.rowgroups import Groups
from kit.types import Bools, Floats, Floats32, Ints, Task

PROBED = 20_000
"""Most learning rows, of whole queries, by which scores are placed."""
GAINS = 30
"""The greatest grade where no gains are given: 2^grade - 1 of greater ones leaves all others without weight."""
WIDEST = 15.0
"""Most log odds of a score either side of the mean: beyond, float32 would make rows equal near 1."""


@dataclass(frozen=True)
class Ranking:
    """What is known of a ranking objective. `whole`: y is a grade, a whole number; `most`: the greatest; `positive`: y
    is at least 0."""

    whole: bool = True
    most: float = np.inf
    positive: bool = True


RANKINGS: Mapping[str, Ranking] = {
    "lambdarank": Ranking(most=GAINS),
    "rank_xendcg": Ranking(most=GAINS),
    "rank_map": Ranking(most=1),
    "pairwise": Ranking(whole=False, positive=False),
    "pairlogit_pairwise": Ranking(whole=False, positive=False),
    "yetirank": Ranking(whole=False, most=GAINS),
    "yetirank_pairwise": Ranking(whole=False, most=GAINS),
    "query_rmse": Ranking(whole=False, positive=False),
    "query_softmax": Ranking(whole=False),
}
"""Ranking objectives by kit's names."""


class Ranked(Protocol):
    """Rows of queries that stand one after the other. Shape: y, weight (n,); sizes (G,) the rows of each query."""

    @property
    def y(self) -> Floats:
        """The grades."""

    @property
    def weight(self) -> Floats:
        """What rows count."""

    @property
    def sizes(self) -> Ints | None:
        """The rows of each query, None where rows are of no query."""


def check_grades(name: str, y: Floats, gains: Sequence[float] | None = None) -> None:
    """Return nothing: an objective takes every y (n,). `gains`: what each grade is worth, where that is given.

    Raises:
        DataError: it does not.
    """
    rule = RANKINGS[name]
    greatest = rule.most if gains is None else len(gains) - 1
    wrong: Bools = (y != np.round(y)) & rule.whole | (y < 0) & rule.positive | (y > greatest)
    if not wrong.any():
        return
    kind = "grades of relevance, whole numbers" if rule.whole else "relevances"
    bounds = "from 0" + (f" to {greatest:g}" if np.isfinite(greatest) else "")
    advice = "leave out augmenters that make such rows, bring the target to grades, or train for another objective"
    if (y[wrong] > greatest).all() and greatest > 1:
        advice = "bring the target to fewer grades, or give gains, which lambdarank takes (see docs/learners.md)"
    got = f"{int(wrong.sum())} of {len(y)} rows are not, such as {y[np.argmax(wrong)]:g}"
    raise DataError(f"the objective {name} needs {kind} {bounds}", got=got, allowed=bounds, next=advice)


def refuse() -> NoReturn:
    """Raise DataError: nobody told which rows are those of a query."""
    rule, advice = "a ranking objective needs the queries of the rows", "metric: {ndcg@10: {by: <column>}}"
    raise DataError(rule, got="rows without queries", next=advice)


def grouped(rows: Ranked) -> Groups:
    """Return the rows by query.

    Raises:
        DataError: they are of no query.
    """
    if rows.sizes is None:
        refuse()
    starts = np.concatenate([[0], np.cumsum(rows.sizes)[:-1]]).astype(np.int64)
    of = np.repeat(np.arange(len(rows.sizes)), rows.sizes)
    weight = np.add.reduceat(rows.weight, starts)
    return Groups(np.arange(len(of)), of, starts, np.arange(len(starts)), rows.weight, weight)


def teaches(rows: Ranked) -> bool:
    """Return whether a query has rows of different y."""
    groups = grouped(rows)
    return bool((np.maximum.reduceat(rows.y, groups.starts) > np.minimum.reduceat(rows.y, groups.starts)).any())


@dataclass(frozen=True)
class Stop:
    """The stop rows of a ranker, by query, with what does not change from step to step.

    Shape: gain (n,) what a row adds at the first place; best (G,) the most a query can add, NaN where that
    is nothing; worst (n,) the rows, less relevant ones first, as ties are taken.
    """

    groups: Groups
    gain: Floats
    best: Floats
    worst: Ints

    @classmethod
    def of(cls, rows: Ranked, gains: Sequence[float] | None = None) -> Stop:
        """Return it of stop rows.

        `gains`: what each grade is worth, from 0; None: 2^grade - 1, or y itself where it is no grade.

        Raises:
            DataError: no query has rows of different y.
        """
        groups, y = grouped(rows), rows.y
        if gains is not None:
            worth = np.asarray(gains, np.float64)[y.astype(np.int64)]
        elif (y == np.round(y)).all() and y.min() >= 0 and y.max() <= GAINS:
            worth = 2.0**y - 1
        else:
            worth = y - min(0.0, float(y.min()))
        gain = rows.weight * worth
        best = groups.total(gain[groups.rising(-gain)] * _discount(groups))
        even = np.maximum.reduceat(gain, groups.starts) == np.minimum.reduceat(gain, groups.starts)
        best = np.where(even, np.nan, best)
        if not np.isfinite(best).any():
            rule, advice = "no query of the stop rows has rows of different relevance", "stop: fixed, or fewer folds"
            raise DataError(rule, got=f"{len(best)} queries of {len(y)} rows", next=advice)
        return cls(groups, gain, best, np.lexsort((rows.weight, y)))

    def loss(self, score: Floats | Floats32) -> float:
        """Return 1 - the mean NDCG over all places of the queries that can be won; ties in their worst order.

        Source: Burges et al. 2005, Learning to rank using gradient descent.
        """
        known = np.isfinite(self.best)
        order = self.groups.rising(-np.asarray(score, np.float32), self.worst)
        found = self.groups.total(self.gain[order] * _discount(self.groups))
        return float(1 - np.mean(found[known] / self.best[known]))


def _discount(groups: Groups) -> Floats:
    """Return (n,) what a place counts: 1 / log2(1 + place), from 1 in each query."""
    place = np.arange(len(groups.of)) - groups.starts[groups.of]
    return np.asarray(1 / np.log2(2.0 + place))


def probed(sizes: Ints) -> tuple[slice | Ints, Ints]:
    """Return the places of the rows of evenly spread queries, at most PROBED rows or one query, and their sizes."""
    if sizes.sum() <= PROBED:
        return slice(None), sizes
    n_taken = max(1, int(len(sizes) * PROBED / sizes.sum()))
    taken = np.unique((np.arange(n_taken) + 0.5) * len(sizes) / n_taken).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    at = np.concatenate([np.arange(starts[q], starts[q + 1]) for q in taken])
    return at, sizes[taken]


def placing(task: Task, raw: Floats, rows: Ranked) -> tuple[float, ...]:
    """Return how scores are shifted and stretched, as `placed` takes it: their mean and deviation within queries on the
    probed learning rows, what these become, and 1 where that is in log odds."""
    groups = grouped(rows)
    centre = float(np.average(raw, weights=rows.weight))
    scale, mean = within(raw, groups), float(np.average(rows.y, weights=rows.weight))
    if task.kind == "binary":
        share = min(max(mean, 1e-6), 1 - 1e-6)
        return centre, scale or 1.0, float(np.log(share / (1 - share))), 1.0, 1.0
    return centre, scale or 1.0, mean, within(rows.y, groups) or 1.0, 0.0


def within(values: Floats, groups: Groups) -> float:
    """Return the standard deviation of values (n,) within groups, in which they stand one after the other."""
    off = values - groups.mean(values)[groups.of]
    return float(np.sqrt(np.average(off**2, weights=groups.v)))


def placed(raw: Floats, by: Sequence[float]) -> Floats:
    """Return scores of any shape as they are handed on, of a binary target between 0 and 1; `by`: as `placing` says."""
    centre, scale, middle, spread, odds = by
    z = (raw - centre) / scale * spread
    if not odds:
        return np.asarray(middle + z)
    # Drawn in towards WIDEST: between 4 and -4 that changes next to nothing.
    return np.asarray(1 / (1 + np.exp(-(middle + WIDEST * np.tanh(z / WIDEST)))))
