"""`kit init`: a first recipe for the files of a competition, with what was guessed and why."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kit import beside, cutting, datafolder, forms, table
from kit.errors import DataError, nearest, writing
from kit.labels import FEW_NUMBERS
from kit.opening import Opened, open_recipe
from kit.paths import whole
from kit.problems import LONGEST, RESERVED
from kit.spelling import spelt
from kit.wording import listed, plural

if TYPE_CHECKING:
    import polars as pl

MODELS = """\
  lgbm:   {use: lightgbm}
  extra:  {use: lightgbm, params: {extra_trees: true}}   # cheap, and errs otherwise
  xgb:    {use: xgboost}
  cat:    {use: catboost}
  hetero: {use: hetero_mlp, seeds: 3}
"""
_NAMES_ROWS = re.compile(r"(?:^|[_\s-])id$|(?<=[a-z])I[dD]$|^(?:id|ID)[_\s-]?|^row", re.ASCII)
"""Names of columns that tell one row from another."""


class Guess(NamedTuple):
    """What stands in the recipe, "" = left out, and why."""

    value: str
    why: str


@dataclass(frozen=True)
class _Files:
    """The rows of a competition's files; the sample as text."""

    paths: Mapping[str, Path]
    train: pl.DataFrame
    test: pl.DataFrame | None
    sample: pl.DataFrame | None


def init(  # noqa: PLR0913 - one keyword per option of `kit init`
    folder: str | Path = ".",
    *,
    train: str | None = None,
    test: str | None = None,
    sample: str | None = None,
    target: str | None = None,
    id: str | None = None,
    metric: str | None = None,
    out: str | Path | None = None,
    root: str | Path = ".",
) -> dict[str, Any]:
    """Write a first recipe for the files in a folder; return its path and {key: {value, why}} of what was guessed.

    `train`, `test`, `sample`: the files, if their names do not begin so. `target`, `id`, `metric`: what is known.
    `out`: the recipe; <folder>.yaml where it is not said.

    Raises:
        DataError: there is no file of training rows, no single column can be the target, or the recipe is there.
    """
    path = Path(out) if out is not None else Path(f"{_name(Path(folder))}.yaml")
    if path.exists():
        raise DataError("there is such a file already", got=path, next="name another: --out other.yaml")
    files = _read(Path(folder), {"train": train, "test": test, "sample": sample})
    goal = _target(files, target)
    said = {"targets": _targets(files, goal.value), "target": goal, "id": _id(files, id)}
    said["unlabelled"] = _unlabelled(files, _asked_for(files) if said["targets"].value and not target else [goal.value])
    said["rename"] = _rename(files, said["id"].value)
    said["metric"] = Guess(metric, "as it was said") if metric else _metric(_of_one(files, goal.value), goal.value)
    said["split"] = _split(files, said, root)
    rows = beside.Rows(files.train, files.test, (goal.value, *_asked_for(files)))
    joins = beside.suggested(Path(folder), files.paths.values(), rows, lambda file: _from(path, file))
    if said["targets"].value and target is None:
        said["target"] = Guess("", "")  # each of them
    text = _text(path, files, said, joins)
    with writing(str(path)), whole(path) as temp:
        temp.write_text(text, "utf-8")
    if real := [join for join in joins if join.single]:
        said["join"] = Guess(f"[{', '.join(j.value for j in real)}]", "; ".join(j.why for j in real))
    return {"recipe": str(path), "guessed": {key: guess._asdict() for key, guess in said.items() if guess.why}}


def _name(folder: Path) -> str:
    """Return the name of a recipe after its folder."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:LONGEST]
    return name if name and name not in RESERVED else "competition"


def _read(folder: Path, named: Mapping[str, str | None]) -> _Files:
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
    return _Files(paths, train, test, _id_first(sample, train, test))


def _id_first(sample: pl.DataFrame | None, train: pl.DataFrame, test: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return the sample with the id in front: where its first column is one that test lacks, that is the target."""
    if sample is None or test is None or sample.columns[0] in test.columns or sample.columns[0] not in train.columns:
        return sample
    shared = [c for c in sample.columns if c in test.columns and c in train.columns]
    return sample.select(*shared[:1], *(c for c in sample.columns if c not in shared[:1]))


def _target(files: _Files, said: str | None) -> Guess:
    """Return the column to predict."""
    known = files.train.columns
    asked = _asked_for(files)
    if said is not None:
        if said not in known:
            rule = "the target is not in the training data"
            raise DataError(rule, got=said, allowed=known, next=nearest(said, known))
        return Guess(said, "as it was said")
    only = [] if files.test is None else [c for c in known if c not in files.test.columns]
    if asked:
        return Guess(asked[0], "the sample submission asks for it")
    if len(only) == 1:
        return Guess(only[0], "the only training column that the test file lacks")
    why, advice = "no single column can be it", "name it: --target COLUMN"
    raise DataError("the target is not known", got=why, allowed=only or known, next=advice)


def _targets(files: _Files, target: str) -> Guess:
    """Return the targets, "" where there is one."""
    asked = _asked_for(files)
    if len(asked) < 2 or target not in asked:
        return Guess("", "")
    return Guess(f"[{', '.join(map(spelt, asked))}]", "the sample submission asks for them")


def _asked_for(files: _Files) -> list[str]:
    """Return the training columns that the sample submission asks for; one that test has only for want of others."""
    found = [] if files.sample is None else [c for c in files.sample.columns[1:] if c in files.train.columns]
    lacking = [c for c in found if files.test is not None and c not in files.test.columns]
    return lacking or found[:1]


def _unlabelled(files: _Files, targets: Sequence[str]) -> Guess:
    """Return what becomes of training rows without a target, "" where each has one."""
    lacking = {name: files.train[name].null_count() for name in targets}
    told = [f"{name} in {plural(count, 'training row')}" for name, count in lacking.items() if count]
    return Guess("drop", f"there is no {listed(told)}") if told else Guess("", "")


def _of_one(files: _Files, target: str) -> _Files:
    """Return the files with what the sample shows of one target, where it has a column of that name."""
    if files.sample is None or target not in files.sample.columns[1:]:
        return files
    return replace(files, sample=files.sample.select(files.sample.columns[0], target))


def _id(files: _Files, said: str | None) -> Guess:
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


def _rename(files: _Files, id: str) -> Guess:
    """Return how the sample's own name of the id becomes that of the data; "" where they are the same."""
    if not id or files.sample is None or files.test is None or id in files.sample.columns:
        return Guess("", "")
    first = files.sample.columns[0]
    if first in files.train.columns or first in files.test.columns or not _asked(files.test[id], files.sample):
        return Guess("", "")
    return Guess(f"{{{spelt(first)}: {spelt(id)}}}", "the sample submission has another name for the id")


def _metric(files: _Files, target: str) -> Guess:
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


def _opened(files: _Files, said: Mapping[str, Guess], root: str | Path) -> Opened:
    roles = {key: said[key].value for key in ("target", "id") if said[key].value}
    paths = {part: str(path.resolve()) for part, path in files.paths.items()}
    renamed = {files.sample.columns[0]: said["id"].value} if files.sample is not None and said["rename"].value else {}
    data: dict[str, Any] = {**paths, **roles, "rename": renamed}
    data |= {"targets": _asked_for(files)} if said["targets"].value else {}
    data |= {"unlabelled": "drop"} if said["unlabelled"].value else {}
    return open_recipe({"data": data, "metric": said["metric"].value, "models": {"m": "lightgbm"}}, root=root)


def _split(files: _Files, said: Mapping[str, Guess], root: str | Path) -> Guess:
    """Return how folds are to be cut, as test seems to be: by time, by groups, or at random."""
    try:
        opened = _opened(files, said, root)
    except DataError as error:
        return Guess("folds: 5", f"not looked at, for something is to be mended: {error.problems[0].rule}")
    facts, stored = opened.facts, opened.store.open(opened.facts.table_key)
    groups: list[tuple[int, str]] = []
    for name in facts.free if facts.n_test else ():
        column, x = facts.header[name], stored.array(f"x/{name}", mmap=True)
        here, there = x[: facts.n_train], x[facts.n_train : facts.n_train + facts.n_test]
        coded = column.kind in ("category", "text", "key")
        if column.kind == "date" and cutting.later(here, there) > 1 - cutting.UNSEEN:
            return Guess(f"use: time, time: {spelt(name)}, folds: 5", "the test rows are later than the training rows")
        if (coded or column.kind == "numeric") and cutting.are_groups(here, there, coded=coded):
            groups.append((len(set(here.tolist())), name))
    if groups:
        name = min(groups)[1]
        why = f"its values stand in several training rows, and in none of the test{_beside(groups, name)}"
        return Guess(f"use: group, groups: {spelt(name)}, folds: 5", why)
    return Guess("folds: 5", "no column tells test from train; rows that belong together: {use: group, groups: COLUMN}")


def _beside(groups: Sequence[tuple[int, str]], taken: str) -> str:
    others = [spelt(name) for _, name in sorted(groups) if name != taken]
    return f"; so do those of {listed(others[:3])}" if others else ""


def _text(path: Path, files: _Files, said: Mapping[str, Guess], joins: Sequence[beside.Join]) -> str:
    """Return the recipe, each guess with its reason behind it."""
    paths = [f"  {part + ':':8}{_from(path, file)}" for part, file in files.paths.items()]
    lines = [
        (f"  id:     {spelt(said['id'].value)}", said["id"].why),
        *([(f"  targets: {said['targets'].value}", said["targets"].why)] if said["targets"].why else []),
        (f"  target: {spelt(said['target'].value)}", said["target"].why),
        *([("  unlabelled: drop", said["unlabelled"].why)] if said["unlabelled"].why else []),
        *([(f"  rename: {said['rename'].value}", said["rename"].why)] if said["rename"].why else []),
        *beside.lines(joins),
        (f"metric: {said['metric'].value}", said["metric"].why),
        (f"split:  {{{said['split'].value}}}", said["split"].why),
    ]
    wide = max(len(line) for line, _ in lines) + 2
    told = [f"{line:{wide}}# {why}" if why else line for line, why in lines if not line.endswith('""')]
    name = _name(path.with_suffix(""))
    head = [
        f"# kit check {path.name} shows what is made of the data, kit run {path.name} fits.",
        f"name:   {spelt(name)}",
    ]
    return "\n".join([*head, "data:", *paths, *told, "models:", MODELS])


def _from(path: Path, file: Path) -> str:
    """Return how a recipe names a file: from its own folder on, in full where that leads far away."""
    try:
        way = Path(os.path.relpath(file.resolve(), path.resolve().parent))
    except ValueError:  # another drive
        way = file.resolve()
    return spelt((file.resolve() if way.parts[:2] == ("..", "..") else way).as_posix())
