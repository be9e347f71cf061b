"""`kit init`: a first recipe for the files of a competition, with what was guessed and why."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit import beside, contest, cutting
from kit.contest import Files, Guess
from kit.errors import DataError, writing
from kit.opening import Opened, open_recipe
from kit.paths import whole
from kit.problems import LONGEST, RESERVED
from kit.spelling import spelt
from kit.wording import listed

MODELS = """\
  lgbm:   {use: lightgbm}
  extra:  {use: lightgbm, params: {extra_trees: true}}   # cheap, and errs otherwise
  xgb:    {use: xgboost}
  cat:    {use: catboost}
  hetero: {use: hetero_mlp, seeds: 3}
"""


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
    files = contest.read(Path(folder), {"train": train, "test": test, "sample": sample})
    goal = contest.target(files, target)
    said = {"targets": contest.targets(files, goal.value), "target": goal, "id": contest.row_id(files, id)}
    all_ = contest.asked_for(files) if said["targets"].value else [goal.value]
    said["unlabelled"] = contest.unlabelled(files, [target] if target else all_)
    said["rename"] = contest.rename(files, said["id"].value)
    guessed = contest.metric(contest.of_one(files, goal.value), goal.value)
    said["metric"] = Guess(metric, "as it was said") if metric else guessed
    said["split"] = _split(files, said, root)
    if said["targets"].value and not metric:
        said["metric"] = _metrics(files, all_, guessed)
    rows = beside.Rows(files.train, files.test, tuple(all_))
    joins = beside.suggested(Path(folder), files.paths.values(), rows, lambda file: _from(path, file))
    if said["targets"].value and target is None:
        said["target"] = Guess("", "")  # each of them
    text = _text(path, files, said, joins)
    with writing(str(path)), whole(path) as temp:
        temp.write_text(text, "utf-8")
    if real := [join for join in joins if join.single]:
        said["join"] = Guess(f"[{', '.join(j.value for j in real)}]", "; ".join(j.why for j in real))
    return {"recipe": str(path), "guessed": {key: guess._asdict() for key, guess in said.items() if guess.why}}


def _metrics(files: Files, targets: Sequence[str], first: Guess) -> Guess:
    """Return the metric of all targets: `first`, that of one, or each its own where that does not fit all."""
    found = {target: contest.metric(contest.of_one(files, target), target).value for target in targets}
    if len(set(found.values())) == 1:
        return first
    said = ", ".join(f"{spelt(target)}: {value}" for target, value in found.items())
    return Guess(f"{{{said}}}", "one that fits each; the competition's own is not in its files")


def _name(folder: Path) -> str:
    """Return the name of a recipe after its folder."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:LONGEST]
    return name if name and name not in RESERVED else "competition"


def _opened(files: Files, said: Mapping[str, Guess], root: str | Path) -> Opened:
    roles = {key: said[key].value for key in ("target", "id") if said[key].value}
    paths = {part: str(path.resolve()) for part, path in files.paths.items()}
    renamed = {files.sample.columns[0]: said["id"].value} if files.sample is not None and said["rename"].value else {}
    data: dict[str, Any] = {**paths, **roles, "rename": renamed}
    data |= {"targets": contest.asked_for(files)} if said["targets"].value else {}
    data |= {"unlabelled": "drop"} if said["unlabelled"].value else {}
    return open_recipe({"data": data, "metric": said["metric"].value, "models": {"m": "lightgbm"}}, root=root)


def _split(files: Files, said: Mapping[str, Guess], root: str | Path) -> Guess:
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


def _text(path: Path, files: Files, said: Mapping[str, Guess], joins: Sequence[beside.Join]) -> str:
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
