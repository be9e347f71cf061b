"""Metrics that are a mean over groups of rows: `spearman by era`. Scoring weights bring along the groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from kit.errors import DataError, RecipeError
from kit.types import Array, Floats, Ints, Pred, Task

WORD, ROWS, COMMA = " by ", " (rows)", ", "
PREFIX = "by "
"""What the columns of group codes begin with, in the store and in folds.parquet: `by era`."""


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


class Weights(np.ndarray[tuple[int], np.dtype[np.float64]]):
    """Scoring weights (n,) that know the groups of their rows: what is taken of them takes the groups along.

    Whoever scores has the weights of just those rows in hand. Groups come along by an index, by arithmetic and by a
    copy. By everything else, as sorting or concatenation, they are lost: a metric within groups is an error then, and
    never that of all rows together, or of rows in another order.
    """

    by: Mapping[str, Ints]

    def __array_finalize__(self, obj: Any) -> None:
        """Know no groups: who makes an array of another says whether its rows are the same."""
        self.by: Mapping[str, Ints] = {}
        self._groups: dict[str, Groups] = {}

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """Return weights with the groups where numbers are made row by row, else a plain array."""
        if out is not None:
            options["out"] = tuple(_plain(array) for array in out)
        made = getattr(ufunc, method)(*map(_plain, inputs), **options)
        if out is not None:
            for array in out:
                if isinstance(array, Weights):
                    array._groups = {}
            return out[0]
        alike = method == "__call__" and isinstance(made, np.ndarray) and made.shape == self.shape
        return attach(made, self.by) if alike and made.dtype == np.float64 else made

    def __setitem__(self, index: Any, value: Any) -> None:
        """Change some of the weights."""
        super().__setitem__(index, value)
        self._groups = {}

    def copy(self, order: Any = "C") -> Any:
        """Return a copy with the groups."""
        return attach(super().copy(order), self.by)

    def sort(self, *args: Any, **options: Any) -> None:
        """Sort in place; the groups are lost."""
        super().sort(*args, **options)
        self.by, self._groups = {}, {}

    def __getitem__(self, index: Any) -> Any:
        """Return some of the weights, with the groups of these rows."""
        taken = super().__getitem__(index)
        if isinstance(taken, Weights):
            taken.by = {name: codes[index] for name, codes in self.by.items()} if taken.ndim == 1 else {}
        return taken

    def groups(self, text: str) -> Groups:
        """Return the rows that count by the groups of these columns; made once."""
        if text not in self._groups:
            self._groups[text] = _groups_of(self.by[text], np.asarray(self))
        return self._groups[text]


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, Weights) else array


def attach(v: Floats, codes: Mapping[str, Ints]) -> Floats:
    """Return v (n,) with the groups (n,) of its rows, by the text of their columns; those it has already stay."""
    if not codes:
        return v
    weights = np.asarray(v, np.float64).view(Weights)
    weights.by = {**codes, **codes_of(v)}
    return cast(Floats, weights)


def codes_of(v: Floats) -> Mapping[str, Ints]:
    """Return the groups that weights bring along, by the text of their columns."""
    return v.by if isinstance(v, Weights) else {}


def weights_of(rows: Any, v: Floats | None = None) -> Floats:
    """Return the scoring weights of the stored rows, or `v` instead of them, with the groups stored beside them."""
    codes = {name.removeprefix(PREFIX): rows.array(name) for name in rows.files if name.startswith(PREFIX)}
    return attach(rows.array("v") if v is None else v, codes)


@dataclass(frozen=True)
class Groups:
    """Rows that count, one group after the other.

    Shape: order (n,) the rows; of (n,) the group of each, from 0; starts (G,) where groups begin; code (G,) what they
    are called; v (n,) weights; weight (G,) their sums.
    """

    order: Ints
    of: Ints
    starts: Ints
    code: Ints
    v: Floats
    weight: Floats
    _kept: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    def total(self, x: Array) -> Floats:
        """Return (G,) the sums of x (n,)."""
        return np.asarray(np.add.reduceat(x, self.starts), np.float64)

    def mean(self, x: Array) -> Floats:
        """Return (G,) the weighted means of x (n,)."""
        return self.total(self.v * x) / self.weight

    def sorted(self, *keys: Array) -> Ints:
        """Return (n,) places, groups staying where they are and each rising by the first key, then by the next."""
        return np.asarray(np.lexsort((*reversed(keys), self.of)))

    def rising(self, x: Array, tie: Ints | None = None) -> Ints:
        """Return the same for one key, ties staying in their order, or in that of the places `tie` (n,).

        Of float32 group, number and place fit into one whole number mostly: to sort those is 5 times as fast.
        """
        n = len(self.of)
        low, high = max(1, (n - 1).bit_length()), max(1, (len(self.starts) - 1).bit_length())
        place = np.arange(n)
        if tie is not None:
            place[tie] = np.arange(n)
        if x.dtype != np.float32 or low + 32 + high > 64:
            return self.sorted(x, place)
        bits = (x + np.float32(0)).view(np.int32)  # + 0 makes one of the two zeros
        turned = (bits ^ ((bits >> 31) | np.int32(-(2**31)))).view(np.uint32)
        keys = (self.of.astype(np.uint64) << np.uint64(low + 32)) | (turned.astype(np.uint64) << np.uint64(low))
        keys |= place.astype(np.uint64)
        keys.sort()
        at = (keys & np.uint64((1 << low) - 1)).astype(np.int64)
        return at if tie is None else tie[at]

    def kept(self, name: str, source: Array, make: Callable[[], Array]) -> Array:
        """Return what is made of an array, made once as long as it is the same array: y is while a blend is sought."""
        if name not in self._kept or self._kept[name][0] is not source:
            self._kept[name] = source, make()
        return self._kept[name][1]


def _groups_of(codes: Ints, v: Floats) -> Groups:
    rows = np.flatnonzero(v > 0)
    order = rows[np.argsort(codes[rows], kind="stable")]
    code, starts, size = np.unique(codes[order], return_index=True, return_counts=True)
    of = np.repeat(np.arange(len(code)), size)
    weight = np.add.reduceat(v[order], starts) if len(code) else np.empty(0)
    return Groups(order, of, starts.astype(np.int64), code, v[order], weight)


def one_group(v: Floats) -> Groups:
    """Return the rows that count as a single group."""
    return _groups_of(np.zeros(len(v), np.int64), np.asarray(v, np.float64))


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
