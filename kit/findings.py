"""What a person should look at in the data before anything is fitted: the findings of `kit check`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kit import ahead, asked, cutting, deciding, doubles, parted, signals
from kit.canon import stream
from kit.cutting import UNSEEN
from kit.facts import Facts
from kit.folding import folds_of
from kit.recipe import Recipe
from kit.spelling import spelt
from kit.store import Store
from kit.types import Array, Ints
from kit.wording import listed, plural

SAMPLE = 20_000
"""Rows of train and of test that single columns are judged by."""
GIVES_AWAY = 0.9
"""A column that explains so much of the target alone, out of fold, is not of this world. Of the columns of 16 real
competitions the best explains 0.79."""
APART = 0.1
"""Distance of train and test from which a column is told of."""
KEPT = 0.9
"""Share of a column's distinct numbers that 32-bit floats must keep apart."""
CONSTANT = 0.999
"""A column is near-constant where one value has so large a share."""

IDLE = {
    "date": "features: dates (parts, cycles, differences)",
    "text": "features: tfidf, text_stats; columns: embed",
    "vector": "features: vector",
    "category": "features: category",
    "numeric": "features: numeric",
}
"""Kind -> features that take it, for columns that no model reads."""

Severity = Literal["warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing to look at: the column ("" = the data as a whole), what was seen, and what can be done."""

    severity: Severity
    column: str
    what: str
    next: str = ""


def find(recipe: Recipe, facts: Facts, store: Store, used: Collection[str]) -> list[Finding]:
    """Return the findings, warnings first; `used`: the columns that a model of the recipe reads."""
    looked = _Looked(recipe, facts, store, used)
    looks = (_told, _roles, _folds, _extra, _doubles, _columns, _order)
    found = [finding for look in looks for finding in look(looked)]
    return sorted(dict.fromkeys(found), key=lambda f: f.severity != "warning")


class _Looked:
    """The stored data, opened once."""

    def __init__(self, recipe: Recipe, facts: Facts, store: Store, used: Collection[str]) -> None:
        self.recipe, self.facts, self.header, self.used = recipe, facts, facts.header, used
        self.table, self.rows = store.open(facts.table_key), store.open(facts.rows_key)
        self.folds = store.open(facts.folds_key)
        self.n, self.t = facts.n_train, facts.n_test
        self.y = self.rows.array("y")
        rng = stream(recipe.seed, "check")
        self.train = np.sort(rng.permutation(self.n)[:SAMPLE])
        self.test = self.n + np.sort(rng.permutation(self.t)[:SAMPLE])
        held = folds_of(self.folds).held[0][self.train].astype(np.int64)
        # With one fold, or rows that are never held, there is nothing to cross-fit over: halves do.
        self.fold = held if held.min(initial=0) >= 0 and held.max(initial=0) > 0 else np.arange(len(held)) % 2
        # Ranges of few rows would be told apart by chance.
        fewest = min(len(self.train), len(self.test)) if self.t else len(self.train)
        self.bins = int(np.clip(np.sqrt(fewest), 8, signals.BINS))
        self.targets = signals.as_targets(self.y[self.train], facts.task)

    def x(self, name: str) -> Array:
        """Return a column of all rows, mapped into memory."""
        return self.table.array(f"x/{name}", mmap=True)

    def of_test(self, x: Array) -> Array:
        """Return the values of the test rows (t,) of a column of all rows."""
        return x[self.n : self.n + self.t]

    def features(self) -> list[str]:
        """Return the columns that a bare feature name takes, or could take: that of times too, where it is of dates."""
        times = [name for name in self.times() if self.header[name].kind == "date"]
        return [*(name for name in self.facts.free if self.header[name].kind != "key"), *times]

    def times(self) -> list[str]:
        """Return the column of times, if train and test have it."""
        name = self.recipe.data.time
        return [name] if name is not None and name in self.header and name not in self.facts.lacking else []


def _told(looked: _Looked) -> Iterator[Finding]:
    """Yield what was noted when the data were read, the targets encoded and the folds made."""
    siblings = {*looked.recipe.data.together} - {looked.recipe.data.target}
    for column, what, next in [*looked.table.meta["notes"], *looked.rows.meta["notes"]]:
        if column not in siblings:  # the table is that of all
            yield Finding("warning" if " in train but " in what or "no value" in what else "note", column, what, next)
    for what, next in looked.folds.meta.get("notes", []):
        yield Finding("warning", looked.recipe.data.target, what, next)
    for what, next in deciding.notes(looked.recipe, looked.facts.task, looked.rows.array("y")):
        yield Finding("note", looked.recipe.data.target, what, next)


def _roles(looked: _Looked) -> Iterator[Finding]:
    data, meta = looked.recipe.data, looked.table.meta
    for name in meta["missing_in_test"]:
        if name not in asked.with_role(looked.recipe).union(asked.metric_columns(looked.recipe)):
            yield Finding("warning", name, "the test file lacks it, so it is no feature", "check the test file")
    if meta["only_in_test"]:
        yield Finding("note", "", f"only the test file has {listed(meta['only_in_test'][:5])}", "they are not used")
    keys = [name for name in looked.facts.free if looked.header[name].kind == "key"]
    idle = [name for name in (*looked.features(), *keys) if name not in looked.used]
    for kind, advice in IDLE.items():
        names = [name for name in idle if looked.header[name].kind == kind]
        if names:
            yield Finding(
                "note", names[0] if len(names) == 1 else "", f"no model reads the {kind} {_columns_of(names)}", advice
            )
    for name in (name for name in idle if looked.header[name].kind == "key"):
        # Codes such as A-0017 would all be missing as numbers.
        other = "numeric" if meta["header"][name]["form"]["family"] == "numbers" else "category"
        what = f"kinds: {{{spelt(name)}: {other}}}"
        advice = f"data.id: {spelt(name)} if it names the rows; else {what}"
        if data.id is not None:
            advice = f"name it in a feature to use it, or say what it is: {what}"
        yield Finding("note", name, "is different in every row, a key: bare feature names leave it out", advice)


def _columns_of(names: Sequence[str]) -> str:
    shown = listed([*names[:5], f"{len(names) - 5} more"] if len(names) > 5 else names)
    return f"column{'s' if len(names) > 1 else ''} {shown}"


def _folds(looked: _Looked) -> Iterator[Finding]:
    """Yield that the folds do not do what the roles of columns ask for."""
    data, split, held = looked.recipe.data, looked.recipe.split.use, folds_of(looked.folds).held[0]
    of_metric = parted.findings(looked.recipe, looked.facts.task, looked.rows, held, looked.used)
    yield from (Finding(*said) for said in of_metric)
    if data.groups is not None and split != "time":
        torn = np.unique(np.stack([group := looked.rows.array("group"), held]), axis=1)[0]
        share = float(np.isin(group, torn[1:][torn[1:] == torn[:-1]]).mean())
        if share:
            what = f"rows of one group stand in several folds ({share:.0%} of all rows): learners know the others of it"
            yield Finding("warning", data.groups, what, "split: group, if test rows are of other groups")
    if data.time is not None and split not in ("time", "column") and looked.t and f"x/{data.time}" in looked.table:
        when = looked.x(data.time).astype(np.float64)
        share = cutting.later(when[: looked.n], looked.of_test(when))
        if share > 1 - UNSEEN:
            what = f"{share:.0%} of the test rows are later than all training rows, and the folds are cut by chance"
            yield Finding("warning", data.time, what, "split: time holds rows that are later than what is learnt from")
    if data.time is not None and split == "time" and looked.t and f"x/{data.time}" in looked.table:
        yield from _ahead(looked, data.time)


def _ahead(looked: _Looked, time: str) -> Iterator[Finding]:
    """Yield that blocks held by time lie nearer than test, or last otherwise."""
    when, unit = looked.x(time).astype(np.float64), "day" if looked.header[time].kind == "date" else ""
    gap = getattr(looked.recipe.split.params, "gap", 0.0)
    for severity, what, advice in ahead.told(when[: looked.n], looked.of_test(when), folds_of(looked.folds), gap, unit):
        yield Finding(severity, time, what, advice)


def _extra(looked: _Looked) -> Iterator[Finding]:
    for about in looked.table.meta["extra"]:
        dropped = {
            "without a target": about["without_target"],
            "equal to a training or test row": about["duplicates"],
        }
        parts = [f"{count} {why} dropped" for why, count in dropped.items() if count]
        parts += [f"{listed(about['missing'][:5])} missing"] if about["missing"] else []
        parts += [f"{count} values of {c} unreadable" for c, count in about["unreadable"].items()]
        yield Finding(
            "note", "", f"{about['file']}: {plural(about['rows'], 'extra row')}" + "".join(f"; {p}" for p in parts)
        )


def _doubles(looked: _Looked) -> Iterator[Finding]:
    names = list(dict.fromkeys([*looked.features(), *looked.times()]))  # rows of two times are two
    found = doubles.find([looked.x(name)[: looked.n + looked.t] for name in names], looked.n, looked.y)
    for severity, what, advice in found.told(looked.n, looked.t):
        yield Finding(severity, "", what, advice)


def _columns(looked: _Looked) -> Iterator[Finding]:
    for name in looked.facts.free:
        column = looked.header[name]
        if column.kind == "vector":
            continue
        x = looked.x(name)
        coded = column.kind in ("category", "text", "key")
        yield from _spread(name, x[: looked.n], coded)
        if column.kind == "numeric" and name in looked.used:
            yield from _rounded(name, x[looked.train])
        stratum = signals.strata(x[np.concatenate([looked.train, looked.test])], coded, looked.bins)
        here, there = stratum[: len(looked.train)], stratum[len(looked.train) :]
        told = signals.telling(here, looked.targets, looked.fold)
        if told >= GIVES_AWAY:
            advice = f"if it is not known when predicting: data: {{drop: [{spelt(name)}]}}"
            yield Finding("warning", name, f"gives the target away: alone it explains {told:.0%} of it", advice)
        if looked.t and column.kind not in ("text", "key"):
            yield from _apart(name, x, here, there, coded, looked)
        elif looked.recipe.data.groups is None and cutting.are_groups(x[: looked.n], looked.of_test(x), coded=True):
            yield _together(name)


def _spread(name: str, x: Array, coded: bool) -> Iterator[Finding]:
    """Yield that a column (n,) is constant, or nearly."""
    empty = x < 0 if coded else np.isnan(x)
    if empty.all():
        yield Finding("note", name, "holds no value in train", f"data: {{drop: [{spelt(name)}]}}")
        return
    values, counts = np.unique(x[:: max(1, len(x) // 1000)], return_counts=True)
    usual = values[np.argmax(counts)]
    share = float(empty.mean()) if np.isnan(usual) else float((x == usual).mean())
    if share >= CONSTANT:
        what = "is constant" if share == 1 else f"has one value in {share:.2%} of the training rows"
        yield Finding("note", name, what, f"data: {{drop: [{spelt(name)}]}} saves time")


def _rounded(name: str, x: Array) -> Iterator[Finding]:
    """Yield that numbers (n,) fall together in the 32-bit floats that models read."""
    values = np.unique(x[~np.isnan(x)])
    left = len(np.unique(values.astype(np.float32)))
    if left < KEPT * len(values):
        what = f"of {len(values)} distinct numbers {left} are left in a matrix of 32-bit floats"
        advice = f"kinds: {{{spelt(name)}: category}} for names, or columns: an expr that takes off a constant"
        yield Finding("warning", name, what, advice)


def _apart(name: str, x: Array, here: Ints, there: Ints, coded: bool, looked: _Looked) -> Iterator[Finding]:
    """Yield that train and test differ in a column."""
    if coded:
        unseen = cutting.unseen(x[: looked.n], x[looked.test])
        if unseen > UNSEEN:
            advice = "a feature by counts or parts of it carries over; its levels do not"
            advice = _together(name).next if unseen > 1 - UNSEEN else advice
            yield Finding("warning", name, f"{unseen:.0%} of the test rows have levels that training lacks", advice)
            return
    elif cutting.are_groups(x[: looked.n], looked.of_test(x), coded=False):
        yield _together(name)
    elif looked.header[name].kind == "date" and (found := _later(name, x, looked)):
        yield found
        return
    far = signals.distance(here, there, len(looked.facts.free))
    if far > APART:
        a, b = (float((s == 0).mean()) for s in (here, there))
        what = f", missing in {a:.0%} of train and {b:.0%} of test" if abs(a - b) > APART / 2 else ""
        advice = "kit shift says more"
        if looked.recipe.split.use in ("kfold", "stratified"):
            advice += "; if test lies later or elsewhere, split in the same way (split: time, group)"
        yield Finding("warning", name, f"is distributed otherwise in test (distance {far:.2f}){what}", advice)


def _together(name: str) -> Finding:
    """Return that a column seems to name groups that stand on one side only."""
    what = "its values stand in several training rows, and in none of the test"
    advice = f"if rows that share it belong together: split: {{use: group, groups: {spelt(name)}}}"
    return Finding("warning", name, what, advice)


def _later(name: str, x: Array, looked: _Looked) -> Finding | None:
    """Return that test lies later than train by a column of dates, where the folds take no notice of it."""
    share = cutting.later(x[: looked.n], looked.of_test(x))
    if share <= 1 - UNSEEN or looked.recipe.split.use in ("time", "column"):
        return None
    what = f"{share:.0%} of the test rows are later than all training rows"
    advice = f"split: {{use: time, time: {spelt(name)}}} holds rows that are later than what is learnt from"
    return Finding("warning", name, what, advice)


def _order(looked: _Looked) -> Iterator[Finding]:
    """Yield that the target follows the order of the rows in the file."""
    told = signals.telling(signals.strata(looked.train.astype(np.float64), False), looked.targets, looked.fold)
    if told > GIVES_AWAY / 2:
        advice = "if rows are sorted by target, a row number or key gives it away; leave keys out"
        yield Finding(
            "note", "", f"the target follows the order of the training rows ({told:.0%} explained by it)", advice
        )


def as_dicts(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the findings as JSON takes them."""
    return [vars(f) for f in found]
