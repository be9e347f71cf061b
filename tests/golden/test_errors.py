"""The texts of user errors, as a person reads them: place, rule, got, allowed, next.

`KIT_GOLDEN=write pytest tests/golden` writes the files anew; read the difference before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from kit import cli

GOLDEN = Path(__file__).parent / "errors.txt"

BASE = """\
data: {train: train.csv, test: test.csv, id: id, target: y}
metric: rmse
split: {use: kfold, folds: 3}
features:
  base: [numeric, category]
models:
  a: {use: lightgbm, features: base, params: {n_estimators: 5}}
blend:
  final: {use: mean, from: [a]}
"""

TRAIN = {
    "id": list(range(1, 13)),
    "x1": [v / 10 for v in range(12)],
    "x2": [1.0, 2.0] * 6,
    "c": ["red", "blue", "green"] * 4,
    "y": [v / 4 for v in range(12)],
}
TEST = {"id": [21, 22, 23], "x1": [0.1, 0.2, 0.3], "x2": [1.0, 2.0, 1.0], "c": ["red", "red", "blue"]}

CASES: dict[str, dict[str, object]] = {
    "the recipe does not exist": {"file": "rr.yaml"},
    "bad YAML": {"swap": ("metric: rmse", "metric: [rmse")},
    "a tab": {"swap": ("  base:", "\tbase:")},
    "a key twice": {"swap": ("metric: rmse", "metric: rmse\nmetric: mae")},
    "an empty recipe": {"text": "# nothing\n"},
    "an unknown section": {"swap": ("models:", "model:")},
    "an unknown key of data": {"swap": ("target: y", "targte: y")},
    "an unknown key of a model": {"swap": ("features: base", "feature: base")},
    "an unknown learner": {"swap": ("use: lightgbm", "use: lightgmb")},
    "an unknown parameter": {"swap": ("n_estimators: 5", "n_estimator: 5")},
    "a parameter out of bounds": {"swap": ("n_estimators: 5", "n_estimators: 0")},
    "a parameter of the wrong type": {"swap": ("n_estimators: 5", "n_estimators: many")},
    "a parameter kit manages": {"swap": ("n_estimators: 5", "num_threads: 5")},
    "an objective that does not fit": {"swap": ("n_estimators: 5", "objective: binary")},
    "weights of classes there are none of": {"swap": ("n_estimators: 5", "class_weight: balanced")},
    "an unknown parameter of an estimator": {
        "swap": ("{use: lightgbm, features: base, params: {n_estimators: 5}}", "{use: sklearn, params: {estimator: Ridge, params: {alhpa: 1}}}")
    },
    "a parameter of an estimator a level too high": {
        "swap": ("{use: lightgbm, features: base, params: {n_estimators: 5}}", "{use: sklearn, params: {estimator: Ridge, alpha: 1}}")
    },
    "an unknown metric": {"swap": ("rmse", "rsme")},
    "no metric": {"swap": ("metric: rmse\n", "")},
    "an unknown feature": {"swap": ("numeric,", "numerc,")},
    "an unknown feature set": {"swap": ("features: base", "features: bas")},
    "an unknown column": {"swap": ("[numeric, category]", "[{use: numeric, columns: [x1, x22]}]")},
    "the target as a feature": {"swap": ("[numeric, category]", "[{use: numeric, columns: [y]}]")},
    "a column of the wrong kind": {"swap": ("[numeric, category]", "[{use: numeric, columns: [c]}]")},
    "an unknown source of a blend": {"swap": ("from: [a]", "from: [b]")},
    "an unknown stacker": {"swap": ("use: mean", "use: maen")},
    "a stacker that takes one source": {"swap": ("{use: mean, from: [a]}", "{use: clip, from: [a, a]}")},
    "a name that cannot be one": {"swap": ("  a: {", "  My Model: {"), "then": ("[a]", "[My Model]")},
    "an unknown splitter": {"swap": ("use: kfold", "use: kfolds")},
    "a group split without groups": {"swap": ("use: kfold", "use: group")},
    "repeats that would be the same": {"swap": ("{use: kfold, folds: 3}", "{use: time, time: x1, folds: 3, repeats: 2}")},
    "a split that names groups and time": {"swap": ("{use: kfold, folds: 3}", "{groups: c, time: x1}")},
    "a gap before the first date": {"swap": ("{use: kfold, folds: 3}", "{time: day, folds: 3, gap: 40}"), "train": {"day": [f"2024-02-{d:02}" for d in range(1, 13)]}},
    "a horizon as long as all dates": {"swap": ("{use: kfold, folds: 3}", "{time: day, folds: 3, horizon: 2}"), "train": {"day": [f"2024-02-01 {h:02}:30" for h in range(12)]}},
    "more folds than rows": {"swap": ("folds: 3", "folds: 20")},
    "an unknown thing to submit": {"swap": ("models:", "submit: {from: last}\nmodels:")},
    "several at once": {"swap": ("rmse", "rsme"), "then": ("n_estimators: 5", "n_estimator: 5"), "and": ("from: [a]", "from: [b]")},
    "no data": {"swap": ("train: train.csv, test: test.csv, ", "")},
    "a key in several rows of a table": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: c}]"), "side": {"c": ["red", "red", "blue"], "hue": [1, 2, 3]}},
    "a column that both have": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: c}]"), "side": {"c": ["red", "blue"], "x1": [1, 2]}},
    "keys that never meet": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: {x2: shop}}]"), "side": {"shop": ["01", "02"], "size": [1, 2]}},
    "a table without the column": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: c}]"), "side": {"colour": ["red", "blue"], "hue": [1, 2]}},
    "an aggregate of text": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: c, take: {ways: sum(how)}}]"), "side": {"c": ["red", "blue"], "how": ["x", "y"]}},
    "a column outside an aggregate": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: c, take: {ways: sum(hue) / hue}}]"), "side": {"c": ["red", "blue"], "hue": [1, 2]}},
    "an unknown key of a join": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: c, takes: auto}]")},
    "a join without a key": {"swap": ("target: y", "target: y, join: [{path: side.csv}]")},
    "before without take": {"swap": ("target: y", "target: y, join: [{path: side.csv, on: c, before: x1}]")},
    "a missing training file": {"swap": ("train.csv", "trian.csv")},
    "a missing target column": {"swap": ("target: y", "target: yy")},
    "a missing id column": {"swap": ("id: id", "id: idd")},
    "an unknown bundled set": {"swap": ("train: train.csv, test: test.csv, id: id, target: y", "source: sklearn:diabetis, holdout: 0.25")},
    "a column with two roles": {"swap": ("target: y", "target: y, weight: y")},
    "an unknown column among kinds": {"swap": ("target: y", "target: y, kinds: {x11: category}")},
    "an unknown kind": {"swap": ("target: y", "target: y, kinds: {x1: numerical}")},
    "a kind that no value has": {"swap": ("target: y", "target: y, kinds: {c: date}")},
    "an unknown encoding": {"swap": ("target: y", "target: y, encoding: latin-one")},
    "an extra file that is not there": {"swap": ("target: y", "target: y, extra: [{path: more.csv}]")},
    "null targets": {"train": {"y": [0.5, None, *[v / 4 for v in range(10)]]}},
    "a duplicate id": {"train": {"id": [1, 1, *range(3, 13)]}},
    "a null id": {"train": {"id": [None, *range(2, 13)]}},
    "text as the target of a regression": {"train": {"y": ["low", "high", "low"] * 4}},
    "one class only": {"swap": ("rmse", "accuracy"), "train": {"y": ["low"] * 12}},
    "an unknown positive class": {"swap": ("rmse", "auc\npositive: maybe"), "train": {"y": ["no", "yes"] * 6}},
    "a task that does not fit": {"swap": ("rmse", "auc\ntask: binary"), "train": {"y": ["a", "b", "c"] * 4}},
    "a stacker that cannot": {"swap": ("rmse", "accuracy"), "train": {"y": ["no", "yes"] * 6}, "then": ("use: mean", "use: clip")},
    "a ragged file": {"raw": "id,x1,y\n1,2,3\n2,3\n"},
    "an empty file": {"raw": ""},
    "a sample of other ids": {"swap": ("target: y", "target: y, sample: sample.csv"), "sample": {"id": [21, 22, 24], "y": [0.0] * 3}},
    "a sample without the id": {"swap": ("target: y", "target: y, sample: sample.csv"), "sample": {"key": [21, 22, 24], "y": [0.0] * 3}},
    "a sample of two columns": {"swap": ("target: y", "target: y, sample: sample.csv"), "sample": {"id": [21, 22, 23], "y": [0.0] * 3, "z": [0.0] * 3}},
    "a sample that lacks a class": {"swap": ("rmse", "logloss"), "then": ("target: y", "target: y, sample: sample.csv"), "train": {"y": ["a", "b", "c"] * 4}, "sample": {"id": [21, 22, 23], "a": [0.0] * 3, "d": [0.0] * 3}},
    "a target of fractions under a metric of classes": {"swap": ("rmse", "logloss")},
    "infinite targets": {"train": {"y": [0.5, float("inf"), *[v / 4 for v in range(10)]]}},
    "a number where a category is wanted": {"swap": ("[numeric, category]", "[{use: category, columns: [x1]}]")},
    "a list where a name is wanted": {"swap": ("features: base", "features: 5")},
    "a parameter left out": {"swap": ("[numeric, category]", "[{use: lookup, key: c, names: n.json}]")},
    "a missing file of a feature": {"swap": ("[numeric, category]", "[{use: lookup, key: c, names: n.json, vectors: v.npy}]")},
    "a dropped column": {"swap": ("[numeric, category]", "[{use: numeric, columns: [x1]}]"), "then": ("target: y", "target: y, drop: [x1]")},
    "a test file without the id": {"swap": ("id: id", "id: key"), "train": {"key": list(range(12))}},
    "text as weights": {"swap": ("target: y", "target: y, weight: c")},
    "negative weights": {"swap": ("target: y", "target: y, weight: x1"), "train": {"x1": [-1.0, *[0.5] * 11]}},
    "a column test lacks": {"swap": ("[numeric, category]", "[{use: numeric, columns: [x1, late]}]"), "train": {"late": [0.5] * 12}},
    "a pattern that matches nothing": {"swap": ("[numeric, category]", '[{use: numeric, columns: [x_*]}]')},
    "a pattern of columns of another kind": {"swap": ("[numeric, category]", '[{use: numeric, columns: ["c*"]}]')},
    "an unknown kind of column": {"swap": ("[numeric, category]", '[{use: numeric, columns: ["kind:numerc"]}]')},
    "an exclusion that leaves nothing": {"swap": ("[numeric, category]", '[{use: numeric, columns: ["!x*"]}]')},
    "an exclusion without quotes": {"swap": ("[numeric, category]", '[{use: numeric, columns: [!x1]}]')},
    "an expression of an unknown column": {"swap": ("[numeric, category]", '[{use: expr, expressions: {twice: x11 * 2}}]')},
    "an expression of the target": {"swap": ("[numeric, category]", '[{use: expr, expressions: {twice: y * 2}}]')},
    "an aggregate in an expression": {"swap": ("[numeric, category]", '[{use: expr, expressions: {share: x1 / SUM(x1)}}]')},
    "a function no expression may call": {"swap": ("[numeric, category]", '[{use: expr, expressions: {a: "x1 + read_csv(\'b\')"}}]')},
    "an expression that is no SQL": {"swap": ("[numeric, category]", '[{use: expr, expressions: {twice: x1 * (2 +}}]')},
    "an expression that counts with words": {"swap": ("[numeric, category]", '[{use: expr, expressions: {twice: c * 2}}]')},
    "an expression whose levels are not known": {"swap": ("[numeric, category]", "[{use: expr, expressions: {word: c || 'a' || x1}}]")},
    "an expression cut by a comma": {"swap": ("[numeric, category]", "[{use: expr, expressions: {first: LEFT(c, 1)}}]")},
    "the mean of a category": {"swap": ("[numeric, category]", '[{use: aggregate, by: [x2], columns: [c]}]')},
    "the target as a key": {"swap": ("[numeric, category]", '[{use: aggregate, by: [y]}]')},
    "a pair of one column": {"swap": ("[numeric, category]", '[{use: pairs, columns: [x1]}]')},
    "a time that is none": {"swap": ("[numeric, category]", '[{use: lag, time: c}]')},
    "an unknown --set": {"args": ["--set", "models.a.parms.n_estimators=3"]},
    "a --set that is none": {"args": ["--set", "seed"]},
    "an unknown --only": {"args": ["--only", "b"]},
}  # fmt: skip


def message(folder: Path, case: dict) -> str:
    """Return what the command prints on stderr, the folder written as <folder>."""
    text = str(case.get("text", BASE))
    for change in ("swap", "then", "and"):
        if change in case:
            old, new = case[change]
            assert old in text
            text = text.replace(old, new)
    (folder / "r.yaml").write_text(text)
    train = {k: v for k, v in {**TRAIN, **case.get("train", {})}.items() if v is not None}
    pl.DataFrame(train).write_csv(folder / "train.csv")
    pl.DataFrame(TEST).write_csv(folder / "test.csv")
    if "raw" in case:
        (folder / "train.csv").write_text(str(case["raw"]))
    if "side" in case:
        pl.DataFrame(case["side"]).write_csv(folder / "side.csv")
    if "sample" in case:
        pl.DataFrame(case["sample"]).write_csv(folder / "sample.csv")
    command = [
        "plan",
        str(folder / str(case.get("file", "r.yaml"))),
        "--root",
        str(folder / "out"),
        *case.get("args", []),
    ]
    done = CliRunner().invoke(cli.main, command)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 2, done.stdout + done.stderr
    assert done.stdout == ""
    return done.stderr.replace(str(folder), "<folder>")


def sections(text: str) -> dict[str, str]:
    parts = [part.partition("\n") for part in ("\n" + text).split("\n=== ")[1:]]
    return {name: body.strip() for name, _, body in parts}


@pytest.fixture(scope="module")
def golden():
    """Return the expected texts; where they are to be written, gather what is found instead."""
    found: dict[str, str] = {}
    writing = os.environ.get("KIT_GOLDEN") == "write"
    yield found if writing else sections(GOLDEN.read_text("utf-8"))
    if writing:
        GOLDEN.write_text("\n".join(f"=== {name}\n{found.get(name, '?')}\n" for name in CASES), "utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_text_of_an_error(name, golden, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = message(tmp_path, CASES[name]).strip()
    if os.environ.get("KIT_GOLDEN") == "write":
        golden[name] = text
    assert text == golden[name]


SEVERAL = {"several at once": 3}
"""Cases of more than one mistake."""


def problems_of(text: str) -> list[list[str]]:
    """Return the lines of each problem: one begins where a line is not indented."""
    problems: list[list[str]] = []
    for line in text.splitlines():
        if not line.startswith(" "):
            problems.append([])
        problems[-1].append(line)
    return problems


@pytest.mark.parametrize("name", CASES)
def test_one_mistake_is_one_problem_of_a_few_lines_with_a_place(name):
    problems = problems_of(sections(GOLDEN.read_text("utf-8"))[name])
    assert len(problems) == SEVERAL.get(name, 1)
    for lines in problems:
        assert len(lines) <= 8
        assert lines[0].startswith(("<folder>/", "--", "train.csv: column ", "sample.csv: "))


def test_every_text_has_its_case():
    assert set(sections(GOLDEN.read_text("utf-8"))) == set(CASES)
