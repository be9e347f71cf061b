"""Metrics that are a mean over groups of rows: `spearman by era`. Scoring weights bring along the groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from kit.errors import DataError, RecipeError
from kit.rowgroups import Groups, Weights, codes_of
from kit.types import Array, Floats, Ints, Pred, Task

WORD, ROWS, COMMA = " by ", " (rows)", ", "


@dataclass(frozen=True)
class By:
    """The columns whose values make the groups, and whether a group counts as its rows do instead of as one."""

    columns: tuple[str, ...]
    rows: bool = False

    @property
    def text(self) -> str:
        """The columns as one name."""
        return COMMA.join(self.columns)


def split(name: str) -> tuple[str, By | None]:
    """Return the metric within a group and the groups that a metric's full name says; (name, None) of a plain one.

    >>> split("spearman by era (rows)"), split("rmse")
    (('spearman', By(columns=('era',), rows=True)), ('rmse', None))
    """
    at = name.find(".py" + WORD) + 3 if ".py" + WORD in name else name.find(WORD)
    if at < 0 or name.endswith(".py"):  # a path may have the word in it
        return name, None
    text = name[at + len(WORD) :]
    return name[:at], By(tuple(text.removesuffix(ROWS).split(COMMA)), text.endswith(ROWS))


def joined(base: str, by: By) -> str:
    """Return the full name of a metric within groups."""
    return f"{base}{WORD}{by.text}{ROWS if by.rows else ''}"


@dataclass(frozen=True)
class Each:
    """Score of each group (G,), NaN where it is not defined; how much it counts; its code."""

    score: Floats
    weight: Floats
    code: Ints

    def mean(self, but: Array | None = None) -> float:
        """Return the mean over the groups that have a score, without those in `but` (G,) bool; NaN of none."""
        some = np.isfinite(self.score) & (True if but is None else ~but)
        return float(np.average(self.score[some], weights=self.weight[some])) if some.any() else float("nan")


@dataclass(frozen=True)
class Within:
    """A metric within groups. `name`: in full; `plain`, `fast`: the module's `score` and `by_group`, if it has one."""

    name: str
    by: By
    plain: Callable[[Task, Floats, Pred, Floats], float]
    fast: Callable[[Task, Floats, Pred, Groups], Floats] | None = None

    def groups(self, v: Floats) -> Groups:
        """Return the groups that weights (n,) bring along.

        Raises:
            RecipeError: they bring none of these columns.
        """
        if self.by.text not in codes_of(v):
            raise RecipeError(
                f"{self.name} needs the groups of the rows, which are not known here",
                got=f"groups of {'; '.join(codes_of(v))}" if codes_of(v) else "rows without groups",
                allowed="results of a recipe whose metric names them",
                next="run the recipe with this metric (or name it with --recipe), or choose a metric without `by`",
            )
        return cast(Weights, v).groups(self.by.text)

    def each(self, task: Task, y: Floats, pred: Pred, v: Floats) -> Each:
        """Return the score of each group that counts. Shape: y, v (n,); pred.mean (n, m)."""
        groups = self.groups(v)
        ordered = groups.kept("y", y, lambda: y[groups.order])
        said = Pred(pred.mean[groups.order], None if pred.std is None else pred.std[groups.order])
        if self.fast is not None and len(groups.code):
            with np.errstate(invalid="ignore", divide="ignore"):
                score = np.asarray(self.fast(task, ordered, said, groups), np.float64)
        else:
            score = self._slowly(task, ordered, said, groups)
        return Each(score, groups.weight if self.by.rows else np.ones(len(score)), groups.code)

    def _slowly(self, task: Task, y: Floats, pred: Pred, groups: Groups) -> Floats:
        """Return the same for a metric that knows one group only."""
        score, ends = np.full(len(groups.code), np.nan), np.append(groups.starts[1:], len(y))
        why = ""
        for g, (a, b) in enumerate(zip(groups.starts, ends, strict=True)):
            try:
                std = None if pred.std is None else pred.std[a:b]
                score[g] = self.plain(task, y[a:b], Pred(pred.mean[a:b], std), groups.v[a:b])
            except DataError as error:
                why = error.problems[0].rule
        if why and not np.isfinite(score).any():
            raise DataError(why, got=f"in each of {len(score)} groups of {self.by.text}")
        return score

    def score(self, task: Task, y: Floats, pred: Pred, v: Floats) -> float:
        """Return the mean over the groups.

        Raises:
            DataError: no group has a score.
        """
        each = self.each(task, y, pred, v)
        if not np.isfinite(each.score).any():
            rule, advice = f"no group has a score of {self.name}", "check the groups, or use a metric without `by`"
            raise DataError(rule, got=f"{len(each.score)} groups of {self.by.text}", next=advice)
        return each.mean()


def unit_of(within: Within | None, v: Floats, group: Ints | None) -> Ints | None:
    """Return (n,) which rows belong together: those of a group of the metric, or of a group of the data that holds
    such groups whole.

    Shape: v (n,), group (n,) or None.
    """
    return group if within is None else unit_in(within, v, group)


def unit_in(within: Within, v: Floats, group: Ints | None) -> Ints:
    """Return the same of a metric within groups."""
    within.groups(v)
    codes = codes_of(v)[within.by.text]
    if group is None:
        return codes
    pairs = np.unique(np.stack([codes, group]), axis=1)
    return group if pairs.shape[1] == len(np.unique(codes)) else codes


def blocks_of(each: Each, codes: Ints, block: Ints) -> Ints:
    """Return (G,) the block that each group lies in; block (n,) holds groups whole, codes (n,) are of the rows."""
    found, first = np.unique(codes, return_index=True)
    return np.asarray(block[first][np.searchsorted(found, each.code)])


def whole_groups(within: Within, v: Floats, most: int, rng: np.random.Generator) -> Ints:
    """Return the places of the rows, ascending, of random groups of at most so many rows together; one at least."""
    within.groups(v)
    code = np.unique(codes_of(v)[within.by.text], return_inverse=True)[1]
    drawn = rng.permutation(int(code.max()) + 1)
    n_taken = max(1, int((np.cumsum(np.bincount(code)[drawn]) <= most).sum()))
    return np.flatnonzero(np.isin(code, drawn[:n_taken]))


def fault(by: Any) -> str:
    """Return what is wrong with columns as they are declared, "" where nothing is."""
    names = [by] if isinstance(by, str) else by
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        return "`by` names a column, or a list of columns"
    if any(COMMA in n or n.endswith(ROWS) or n != n.strip() for n in names):
        return f"a column of `by` has no '{COMMA.strip()} ' in its name, and does not end in '{ROWS}': rename it"
    return "" if len(set(names)) == len(names) else "`by` names a column twice"


def shares(within: Within | None, v: Floats) -> Floats:
    """Return (n,) what each row counts in the score: its weight, in groups that count alike its share of the group."""
    plain = np.asarray(v, np.float64)
    if within is None or within.by.rows:
        return plain
    groups, share = within.groups(v), np.zeros(len(v))
    share[groups.order] = groups.v / groups.weight[groups.of]
    return share
