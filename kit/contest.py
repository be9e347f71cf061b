"""The files of a competition, and what they alone tell: target, id, a metric that fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit import datafolder, forms, table
from kit.errors import DataError, nearest
from kit.labels import FEW_NUMBERS
from kit.spelling import spelt
from kit.wording import listed, plural

if TYPE_CHECKING:
    import polars as pl

_NAMES_ROWS = re.compile(r"(?:^|[_\s-])id$|(?<=[a-z])I[dD]$|^(?:id|ID)[_\s-]?|^row", re.ASCII)
"""Names of columns that tell one row from another."""
APART = "labels in a file of their own stand in a recipe as join: [{path: labels.csv, on: id}]"
"""What helps where the training rows lack the target."""


class Guess(NamedTuple):
    """What stands in the recipe, "" = left out, and why."""

    value: str
    why: str


@dataclass(frozen=True)
class Files:
    """The rows of a competition's files; the sample as text."""

    paths: Mapping[str, Path]
    train: pl.DataFrame
    test: pl.DataFrame | None
    sample: pl.DataFrame | None


def read(folder: Path, named: Mapping[str, str | None]) -> Files:
    """Return the files in a folder; `named`: those whose names do not begin as their part is called.

    Raises:
        DataError: there is no such folder, or no file of training rows in it.
    """
    if not folder.is_dir():
        advice = "name the folder that holds the competition's files"
        raise DataError("there is no such folder", got=folder, next=advice)
    found = {part: datafolder.in_folder(part, folder, name, "--{part} FILE") for part, name in named.items()}
    found["sample"] = found["sample"] or datafolder.submission_in(folder)
    if found["train"] is None:
        raise datafolder.without_train(folder, "--train FILE")
    paths = {part: path for part, path in found.items() if path is not None}
    train, test = table.read(paths["train"]), table.read(paths["test"]) if "test" in paths else None
    sample = table.read_text(paths["sample"]) if "sample" in paths else None
    return Files(paths, train, test, _id_first(sample, train, test))


def _id_first(sample: pl.DataFrame | None, train: pl.DataFrame, test: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return the sample with the id in front, by its name or, where it has a name of its own, by its values."""
    import polars as pl

    if sample is None or test is None or sample.columns[0] in test.columns:
        return sample
    shared = [c for c in sample.columns if c in test.columns and c in train.columns]
    if sample.columns[0] not in train.columns or not shared:
        names = [c for c in test.columns if c in train.columns and test[c].n_unique() == len(test) == len(sample)]
        ids = [set(test[c].cast(pl.String)) for c in names]
        shared = [c for c in sample.columns if set(sample[c]) in ids]
    return sample.select(*shared[:1], *(c for c in sample.columns if c not in shared[:1]))


def target(files: Files, said: str | None) -> Guess:
    """Return the column to predict."""
    known = files.train.columns
    asked = asked_for(files)
    if said is not None:
        if said not in known:
            rule = "the target is not in the training data"
            raise DataError(rule, got=said, allowed=known, next=nearest(said, known) or APART)
        return Guess(said, "as it was said")
    only = [] if files.test is None else [c for c in known if c not in files.test.columns]
    if asked:
        return Guess(asked[0], "the sample submission asks for it")
    if len(only) == 1:
        return Guess(only[0], "the only training column that the test file lacks")
    why, advice = "no single column can be it", f"name it: --target COLUMN; {APART}"
    raise DataError("the target is not known", got=why, allowed=only or known, next=advice)


def targets(files: Files, target: str) -> Guess:
    """Return the targets, "" where there is one."""
    asked = asked_for(files)
    if len(asked) < 2 or target not in asked:
        return Guess("", "")
    return Guess(f"[{', '.join(map(spelt, asked))}]", "the sample submission asks for them")


def asked_for(files: Files) -> list[str]:
    """Return the training columns that the sample submission asks for; one that test has only for want of others."""
    found = [] if files.sample is None else [c for c in files.sample.columns[1:] if c in files.train.columns]
    lacking = [c for c in found if files.test is not None and c not in files.test.columns]
    return lacking or found[:1]


def unlabelled(files: Files, targets: Sequence[str]) -> Guess:
    """Return what becomes of training rows without a target, "" where each has one."""
    lacking = {name: files.train[name].null_count() for name in targets}
    told = [f"{name} in {plural(count, 'training row')}" for name, count in lacking.items() if count]
    return Guess("drop", f"there is no {listed(told)}") if told else Guess("", "")


def of_one(files: Files, target: str) -> Files:
    """Return the files with what the sample shows of one target, where it has a column of that name."""
    if files.sample is None or target not in files.sample.columns[1:]:
        return files
    return replace(files, sample=files.sample.select(files.sample.columns[0], target))


def row_id(files: Files, said: str | None) -> Guess:
    """Return the column that names the rows, "" where none does."""
    parts = [files.train] if files.test is None else [files.train, files.test]
    shared = [c for c in files.train.columns if all(c in part.columns for part in parts)]
    if said is not None:
        if said not in shared:
            rule = "the id is not in the training and the test data"
            raise DataError(rule, got=said, allowed=shared, next=nearest(said, shared))
        return Guess(said, "as it was said")
    first = None if files.sample is None else files.sample.columns[0]
    if first in shared:
        return Guess(str(first), "it names the rows of the sample submission")
    names = [c for c in shared if _NAMES_ROWS.search(c) and all(p[c].n_unique() == len(p) for p in parts)]
    if files.sample is not None and files.test is not None:
        names = [c for c in names if _asked(files.test[c], files.sample)]
    if names:
        return Guess(names[0], "different in every row, and so is it called")
    return Guess("", "no column is seen to name the rows: they are numbered")


def _asked(ids: pl.Series, sample: pl.DataFrame) -> bool:
    """Return whether the first column of the sample holds these ids."""
    import polars as pl

    return set(ids.cast(pl.String)) == set(sample.to_series(0))


def rename(files: Files, id: str) -> Guess:
    """Return how the sample's own name of the id becomes that of the data; "" where they are the same."""
    if not id or files.sample is None or files.test is None or id in files.sample.columns:
        return Guess("", "")
    first = files.sample.columns[0]
    if first in files.train.columns or first in files.test.columns or not _asked(files.test[id], files.sample):
        return Guess("", "")
    return Guess(f"{{{spelt(first)}: {spelt(id)}}}", "the sample submission has another name for the id")


def metric(files: Files, target: str) -> Guess:
    """Return a metric that fits the target and what the sample shows: the competition's own cannot be known."""
    import polars as pl

    y = files.train[target].drop_nulls()
    shown = files.sample.select(files.sample.columns[1:]) if files.sample is not None else None
    whole = y.dtype.is_numeric() and bool((y == y.round()).all())
    values = {v for s in ([] if shown is None else shown) for v in s.drop_nulls().unique()}
    levels = set(y.unique().cast(pl.String)) | {_plain(v) for v in y.unique().cast(pl.String)}
    others = bool(values) and not {_plain(v) for v in values} <= levels
    if y.n_unique() == 2:
        told = "the sample shows no label" if others else "the sample shows labels" if values else "two classes"
        return Guess("auc" if others or not values else "accuracy", f"a guess for two classes: {told}")
    if shown is not None and shown.width > 1:
        return Guess("logloss", f"a guess: the sample has a column for each of {shown.width} classes")
    if y.dtype == pl.String and forms.interpret(y).form.family == "numbers":
        return Guess("rmse", "a guess for amounts")
    if not y.dtype.is_numeric() or (whole and y.n_unique() <= FEW_NUMBERS and not others):
        return Guess(
            "accuracy", f"a guess for {y.n_unique()} classes; qwk if they are ratings, rmse if they are counts"
        )
    return Guess("rmse", "a guess for numbers; rmsle if errors count in per cent")


def _plain(text: str) -> str:
    """Return a value as it may be compared: 1, 1.0 and "1" are the same, and True is true."""
    try:
        return repr(float(text))
    except ValueError:
        return text.strip().lower()
